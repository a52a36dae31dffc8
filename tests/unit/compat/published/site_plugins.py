"""A site's plugins, one of each kind, with the habits that such plugins have."""
import os
import subprocess

from pandalogger.PandaLogger import PandaLogger

from pandaharvester.harvesterconfig import harvester_config
from pandaharvester.harvestercore import core_utils
from pandaharvester.harvestercore.plugin_base import PluginBase
from pandaharvester.harvestercore.work_spec import WorkSpec
from pandaharvester.harvestermover.mover_utils import construct_file_path
from pandaharvester.harvesterstager.base_stager import BaseStager
from pandaharvester.harvesterworkermaker.base_worker_maker import BaseWorkerMaker

base_log = core_utils.setup_logger("site_plugins")
PandaLogger().getLogger("site_plugins")


class SitePreparator(PluginBase):
    """Waits once for a transfer whose number it leaves on the files."""

    def __init__(self, **kwarg):
        PluginBase.__init__(self, **kwarg)
        if not hasattr(self, "basePath"):
            self.basePath = "/nowhere"
        try:
            self.timeout
        except AttributeError:
            self.timeout = 60

    def trigger_preparation(self, jobspec):
        log = self.make_logger(base_log, "PandaID={0}".format(jobspec.PandaID), method_name="trigger_preparation")
        log.debug("start")
        jobspec.set_groups_to_files({"transfer-1": {"lfns": list(jobspec.get_input_file_attributes()), "groupStatus": "active"}})
        return True, ""

    def check_stage_in_status(self, jobspec):
        groups = jobspec.get_groups_of_input_files(skip_ready=True)
        if list(groups) != ["transfer-1"]:
            return False, "the transfer is lost: {0}".format(groups)
        if groups["transfer-1"]["groupStatus"] == "active":
            jobspec.update_group_status_in_files("transfer-1", "done")
            return None, "under way"
        return True, ""

    def resolve_input_paths(self, jobspec):
        attributes = jobspec.get_input_file_attributes()
        for lfn in attributes:
            attributes[lfn]["path"] = construct_file_path(self.basePath, attributes[lfn]["scope"], lfn)
        jobspec.set_input_file_paths(attributes)
        return True, ""


class OldPreparator(SitePreparator):
    """With the names of the published pages."""

    check_stage_in_status = None

    def check_status(self, jobspec):
        return True, ""


class SiteStager(BaseStager):
    """Says of each file what became of it."""

    def trigger_stage_out(self, jobspec):
        for spec in jobspec.get_output_file_specs(skip_done=True):
            spec.fileAttributes["transferID"] = "task-9"
            spec.groupID = "out-1"
        return True, ""

    def check_stage_out_status(self, jobspec):
        for spec in jobspec.get_output_file_specs(skip_done=True):
            if spec.fileAttributes.get("transferID") != "task-9" or spec.groupID != "out-1":
                return False, "not mine"
            if spec.lfn.startswith("bad"):
                spec.status = "failed"
            elif spec.lfn.startswith("slow"):
                return None, "slow"
            else:
                spec.status = "finished"
                spec.chksum = "1A2B"
                spec.fsize = 12
        return True, ""

    def zip_output(self, jobspec):
        return self.simple_zip_output(jobspec, None)


class SiteSubmitter(PluginBase):
    """Runs a command that prints the number, as bytes."""

    def __init__(self, **kwarg):
        self.logBaseURL = None
        PluginBase.__init__(self, **kwarg)

    def submit_workers(self, workspec_list):
        answers = []
        for workspec in workspec_list:
            job_ids = [job.PandaID for job in workspec.get_jobspec_list() or []]
            process = subprocess.Popen(
                ["echo", "Submitted batch job %d%s" % (workspec.workerID, "".join("-%d" % one for one in job_ids))],
                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            out, err = process.communicate()
            if not os.path.isdir(workspec.get_access_point()):
                answers.append((False, "no folder: " + workspec.get_access_point()))
                continue
            workspec.batchID = out.split()[-1]
            workspec.set_log_file("stdout", "{0}/out".format(self.logBaseURL))
            answers.append((True, err))
        return answers


class SiteMonitor(PluginBase):
    """Keeps the status of each worker in a file in its folder."""

    def check_workers(self, workspec_list):
        answers = []
        for workspec in workspec_list:
            with open(os.path.join(workspec.get_access_point(), "status")) as stream:
                status = stream.read().strip()
            if status == "failed":
                workspec.nativeExitCode = 3
                workspec.nativeStatus = "F"
                workspec.set_supplemental_error(9000002, "boom")
            answers.append((getattr(WorkSpec, "ST_" + status, status), "told by " + harvester_config.master.harvester_id))
        return True, answers

    def report_updated_workers(self, time_window):
        return [(1, 12.0)]


class SiteSweeper(PluginBase):
    """Has the older spelling."""

    def kill_worker(self, workspec):
        self.dbInterface.get_object_lock("sweeper", lock_interval=1)
        return (True, "") if workspec.batchID == "42" else (False, "no batch job {0}".format(workspec.batchID))

    def sweep_worker(self, workspec):
        return True, ""


class SiteWorkerMaker(BaseWorkerMaker):
    """Makes a worker of all cores of its jobs."""

    def make_worker(self, jobspec_list, queue_config, job_type, resource_type, **kwarg):
        if any(job.jobParams.get("transformation") == "bad" for job in jobspec_list):
            return None
        workspec = WorkSpec()
        workspec.nCore = 4 * max(1, len(jobspec_list))
        workspec.maxWalltime = queue_config.walltimeLimit
        workspec.minRamCount = 2000
        workspec.workParams = "#!/bin/sh\n"
        return workspec


class OldWorkerMaker(PluginBase):
    """Made before there were job types."""

    nJobsPerWorker = 3

    def make_worker(self, jobspec_list, queue_config, resource_type):
        workspec = WorkSpec()
        workspec.nCore = 8 if resource_type == "MCORE" else 1
        return workspec


class SiteThrottler(PluginBase):
    """Holds back while its section says so."""

    def to_be_throttled(self, queue_config, queue_config_mapper=None):
        if self.answer == "raises":
            raise RuntimeError("no such file")
        return {"on": (True, "too many failures in " + queue_config.queueName), "off": (False, "")}.get(self.answer, "nonsense")
