"""A whole run in which every plugin that may be somebody else's is one written for PanDA Harvester, with its own batch system."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.instance import Instance, shell, until

#: Written as such plugins are. The batch system is a folder with a file for each process that was started.
PLUGINS = '''
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys

from pandaharvester.harvestercore import core_utils
from pandaharvester.harvestercore.plugin_base import PluginBase
from pandaharvester.harvestercore.work_spec import WorkSpec
from pandaharvester.harvesterworkermaker.base_worker_maker import BaseWorkerMaker

base_log = core_utils.setup_logger("site")
WORKER = """
import json, os, subprocess, sys
point = sys.argv[1]
jobs = json.load(open(os.path.join(point, "HPCJobs.json")))
for number, job in jobs.items():
    code = subprocess.call(json.loads(os.environ["COMMANDS"])[number], cwd=point)
    made = [name for name in job["outFiles"].split(",") if os.path.exists(os.path.join(point, name))]
    dump = [{"path": os.path.join(point, name), "type": "output"} for name in made]
    for name, content in (("event_status.dump.json", {number: dump}),
                          ("worker_attributes.json", {"jobStatus": "failed" if code else "finished", "transExitCode": code})):
        with open(os.path.join(point, name + ".tmp"), "w") as stream:
            json.dump(content, stream)
        os.rename(os.path.join(point, name + ".tmp"), os.path.join(point, name))
open(sys.argv[2], "w").write("failed" if code else "finished")
"""


class Preparator(PluginBase):
    def trigger_preparation(self, jobspec):
        jobspec.set_groups_to_files({"go": {"lfns": list(jobspec.get_input_file_attributes()), "groupStatus": "new"}})
        return True, ""

    def check_stage_in_status(self, jobspec):
        for spec in jobspec.inFiles:
            if spec.groupID != "go":
                return False, "lost"
            shutil.copy(os.path.join(self.source, spec.lfn), os.path.join(self.basePath, spec.lfn))
        return True, ""

    def resolve_input_paths(self, jobspec):
        jobspec.set_input_file_paths({lfn: {"path": os.path.join(self.basePath, lfn)} for lfn in jobspec.get_input_file_attributes()})
        return True, ""


class WorkerMaker(BaseWorkerMaker):
    def make_worker(self, jobspec_list, queue_config, job_type, resource_type, **kwarg):
        workspec = WorkSpec()
        workspec.nCore = 1
        workspec.maxWalltime = 600
        return workspec


class Submitter(PluginBase):
    def submit_workers(self, workspec_list):
        answers = []
        for workspec in workspec_list:
            log = self.make_logger(base_log, "workerID={0}".format(workspec.workerID), method_name="submit_workers")
            commands = {}
            for job in workspec.get_jobspec_list():
                commands[str(job.PandaID)] = [job.jobParams["transformation"]] + shlex.split(job.jobParams["jobPars"])
            ended = os.path.join(self.batch, "{0}.ended".format(workspec.workerID))
            process = subprocess.Popen(
                [sys.executable, "-c", WORKER, workspec.get_access_point(), ended],
                env=dict(os.environ, COMMANDS=json.dumps(commands)), start_new_session=True,
            )
            workspec.batchID = b"%d" % process.pid
            log.info("submitted")
            answers.append((True, ""))
        return answers


class Monitor(PluginBase):
    def check_workers(self, workspec_list):
        answers = []
        for workspec in workspec_list:
            ended = os.path.join(self.batch, "{0}.ended".format(workspec.workerID))
            if os.path.exists(ended):
                with open(ended) as stream:
                    answers.append((stream.read() or None, ""))
            elif os.path.exists("/proc/{0}/stat".format(workspec.batchID)):
                answers.append((WorkSpec.ST_running, ""))
            else:
                answers.append((None, "not there yet"))
        return True, answers


class Sweeper(PluginBase):
    def kill_worker(self, workspec):
        try:
            os.killpg(int(workspec.batchID), signal.SIGKILL)
        except OSError:
            pass
        with open(os.path.join(self.batch, "{0}.ended".format(workspec.workerID)), "w") as stream:
            stream.write("cancelled")
        return True, ""

    def sweep_worker(self, workspec):
        return True, ""


class Stager(PluginBase):
    def trigger_stage_out(self, jobspec):
        for spec in jobspec.get_output_file_specs(skip_done=True):
            spec.fileAttributes["transferID"] = spec.lfn
        return True, ""

    def check_stage_out_status(self, jobspec):
        for spec in jobspec.get_output_file_specs(skip_done=True):
            if spec.fileAttributes.get("transferID") != spec.lfn:
                return False, "lost"
            shutil.copy(spec.path, os.path.join(self.dstBasePath, spec.lfn))
            spec.status = "finished"
            spec.fsize = os.path.getsize(spec.path)
            spec.chksum = core_utils.calc_adler32(spec.path)
        return True, ""

    def zip_output(self, jobspec):
        return True, ""
'''
NAMES = ("preparator", "workerMaker", "submitter", "monitor", "sweeper", "stager")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    """An instance whose queue names six plugins of a site."""
    (tmp_path / "site_of_ours.py").write_text(PLUGINS)
    folders = {name: tmp_path / name for name in ("source", "inputs", "outputs", "batch")}
    for folder in folders.values():
        folder.mkdir()
    keys = {"source": "source", "basePath": "inputs", "dstBasePath": "outputs", "batch": "batch"}
    more = {key: str(folders[folder]) for key, folder in keys.items()}
    sections = {kind: {"module": "site_of_ours", "name": kind[0].upper() + kind[1:], **more} for kind in NAMES}
    with Instance(tmp_path / "home", {"PYTHONPATH": str(tmp_path)}) as one:
        one.make({"extends": "local", "instance": "tests", "queues": {"Q": {"pollInterval": 0.5, "maxWorkers": 3, **sections}}})
        yield one


def test_jobs_run_through_plugins_of_the_published_interface(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "source" / "in.txt").write_text("abc\n")
    source = str(tmp_path / "source" / "in.txt")
    instance("config", "check")
    instance.serve()
    good, bad, endless = instance.submit(
        shell("tr a-z A-Z < in.txt > out.txt", inputs=[source], outputs=["out.txt"]), shell("exit 3"), shell("touch begun; sleep 300"),
    )
    assert instance.wait(good) == "finished", instance.why(good)
    assert (tmp_path / "outputs" / "out.txt").read_text() == "ABC\n"
    assert instance.wait(bad) == "failed"
    instance.wait(endless, {"running"})
    process = int(instance.batch_id(endless))
    instance("kill", "--yes", endless)
    assert instance.wait(endless) == "cancelled"
    until(lambda: not Path(f"/proc/{process}").exists() or _is_zombie(process), "its process is gone")


def _is_zombie(process: int) -> bool:
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z"


def test_nothing_is_submitted_twice_by_a_daemon_that_was_killed_between_submission_and_commit(instance: Instance, tmp_path: Path) -> None:
    (job,) = instance.submit(shell("sleep 1; echo x > out.txt", outputs=["out.txt"]))
    process = instance.start({"HARVESTER_HPC_FAULT": "submitted, not stored"})
    until(lambda: process.poll() is not None, "it dies")
    instance.serve()
    assert instance.wait(job) == "finished", instance.why(job)
    assert len(list((tmp_path / "batch").iterdir())) == 1
