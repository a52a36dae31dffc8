"""Plugins that do what plugins ought not to do."""
from pandaharvester.harvestercore.plugin_base import PluginBase
from pandaharvester.harvestercore.work_spec import WorkSpec


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


class Unmade(PluginBase):
    """Cannot be made without a key that the section has not."""

    def __init__(self, **kwarg):
        PluginBase.__init__(self, **kwarg)
        raise AttributeError("no logDir")

    def submit_workers(self, workspec_list):
        return []


class Killing(PluginBase):
    """Writes down whom it has killed."""

    def kill_worker(self, workspec):
        with open(workspec.get_access_point() + "/killed", "w") as stream:
            stream.write(str(workspec.batchID).partition("-")[0])
        return True, ""

    def sweep_worker(self, workspec):
        return True, ""


class Leaving(PluginBase):
    """Leaves on workers what JSON does not have."""

    def check_workers(self, workspec_list):
        for workspec in workspec_list:
            circle = {b"key": "bytes", (1, 2): "pair"}
            circle["circle"] = circle
            workspec.workAttributes = circle
        return True, [("running", "") for _ in workspec_list]


class Telling(PluginBase):
    """Tells what it finds on workers."""

    def check_workers(self, workspec_list):
        for workspec in workspec_list:
            workspec.nativeStatus = str(sorted(workspec.workAttributes.items()))
        return True, [("running", "") for _ in workspec_list]


class Memory(PluginBase):
    """Makes workers of two nodes, with 2000 MB in all."""

    def make_worker(self, jobspec_list, queue_config, job_type, resource_type):
        workspec = WorkSpec()
        workspec.nCore = 8
        workspec.minRamCount = 2000
        return workspec


class NoPlugin:
    """Has nothing."""


