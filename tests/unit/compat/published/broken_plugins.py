"""Plugins that do what plugins ought not to do."""
from pandaharvester.harvestercore.plugin_base import PluginBase


class Raising(PluginBase):
    """Raises at each call."""

    def trigger_preparation(self, jobspec):
        raise RuntimeError("out of order")

    check_stage_in_status = resolve_input_paths = trigger_stage_out = check_stage_out_status = zip_output = trigger_preparation
    submit_workers = check_workers = kill_worker = sweep_worker = trigger_preparation

    def make_worker(self, jobspec_list, queue_config):
        raise RuntimeError("out of order")


class Strange(PluginBase):
    """Answers with what the section of the queue says."""

    def _answer(self, *arguments):
        return eval(self.answer, {"workers": arguments[0]})

    trigger_preparation = check_stage_in_status = resolve_input_paths = trigger_stage_out = check_stage_out_status = _answer
    submit_workers = check_workers = kill_worker = sweep_worker = _answer


class NoPlugin:
    """Has nothing."""


