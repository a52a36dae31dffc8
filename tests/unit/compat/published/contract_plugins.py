"""A preparator and a stager that copy files, as such plugins are written."""
import os
import shutil

from pandaharvester.harvestercore.plugin_base import PluginBase


class CopyPreparator(PluginBase):
    """Copies inputs into a folder of the job."""

    def _folder(self, jobspec):
        return os.path.join(self.basePath, str(jobspec.PandaID))

    def trigger_preparation(self, jobspec):
        for lfn in jobspec.get_input_file_attributes(skip_ready=True):
            if not os.path.isdir(self._folder(jobspec)):
                os.makedirs(self._folder(jobspec))
            shutil.copy(os.path.join(self.source, lfn), self._folder(jobspec))
        return True, ""

    def check_stage_in_status(self, jobspec):
        return all(os.path.exists(os.path.join(self._folder(jobspec), spec.lfn)) for spec in jobspec.inFiles), ""

    def resolve_input_paths(self, jobspec):
        paths = {}
        for lfn in jobspec.get_input_file_attributes():
            paths[lfn] = {"path": os.path.join(self._folder(jobspec), lfn)}
        jobspec.set_input_file_paths(paths)
        return True, ""


class CopyStager(PluginBase):
    """Copies outputs into a folder, and says no more of them than that it is done."""

    def trigger_stage_out(self, jobspec):
        for spec in jobspec.get_output_file_specs(skip_done=True):
            shutil.copy(spec.path, self.dstBasePath)
        return True, ""

    def check_stage_out_status(self, jobspec):
        return True, ""

    def zip_output(self, jobspec):
        return True, ""
