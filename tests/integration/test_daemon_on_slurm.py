"""The whole program on a real Slurm of two nodes: one instance, one job for each way in which a job can go."""
from __future__ import annotations

import tarfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.testing.slurm import Cluster
from tests.integration.conftest import IMPATIENT
from tests.integration.instance import Instance, shell, until
from tests.integration.slurm_site import queue, site

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.xdist_group("one instance on Slurm")]

SLEEPS = "exec sleep 300"
SAYS_GOODBYE = """trap 'echo told >> "$TRACE".end; exit 0' TERM; sleep 300 & wait"""
QUEUES = {
    "ON_N1": queue("batch", submitter={"nodelist": "n1"}),
    "ON_N2": queue("batch", submitter={"nodelist": "n2"}),
    "CLOSED": queue("debug"),
    "TOO_LONG": queue("tiny"),  # its limit is one minute, which our configuration does not know
    "NOWHERE": queue("nosuch"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One instance at work, with all the jobs of this module by name, and a folder where each payload leaves a line when it begins."""

    slurm: Cluster
    instance: Instance
    jobs: Mapping[str, int]
    traces: Path

    def times_begun(self, name: str) -> int:
        """Return how often the payload of a job began."""
        trace = self.traces / name
        return len(trace.read_text().splitlines()) if trace.exists() else 0

    def await_begin(self, name: str) -> None:
        """Wait until the payload of a job has begun, and the instance knows that it runs."""
        until(lambda: self.times_begun(name) == 1, lambda: f"the job {name!r} begins\n{self.instance.log}")
        self.instance.wait(self.jobs[name], {"running"})

    def await_told(self, name: str) -> None:
        """Wait until the workload management system has taken the end of a job."""
        until(lambda: self.instance.is_told(self.jobs[name]), lambda: f"the end of the job {name!r} is told\n{self.instance.log}")

    def ended(self, name: str) -> dict[str, Any]:
        """Wait for the end of a job, and return what ``jobs show`` tells of it."""
        self.instance.wait(self.jobs[name])
        shown: dict[str, Any] = self.instance.json("jobs", "show", self.jobs[name])
        return shown

    def worker(self, name: str) -> dict[str, Any]:
        """Return what ``workers show`` tells of the last worker of a job."""
        return self.instance.worker(self.jobs[name])


@pytest.fixture(scope="module")
def scene(slurm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Hand in all jobs at once, and as soon as they run do to them what is to be done from outside."""
    folder = tmp_path_factory.mktemp("daemon")
    traces = folder / "traces"
    traces.mkdir()
    (folder / "in.txt").write_text("the input\n")
    with Cluster(folder / "slurm", cpus=8, settings=IMPATIENT) as slurm, Instance(folder / "home", slurm.environment) as instance:
        instance.make(site(QUEUES))
        slurm.run(["scontrol", "update", "partitionname=debug", "state=down"])
        described = descriptions(folder)
        numbers = instance.submit(*(with_trace(job, traces / name) for name, job in described.items()))
        scene = Scene(slurm=slurm, instance=instance, jobs=dict(zip(described, numbers, strict=True)), traces=traces)
        instance.serve()
        disturb(scene)
        yield scene
        assert instance.stop() == 0


def with_trace(job: dict[str, Any], trace: Path) -> dict[str, Any]:
    """Return the job with a payload that leaves a line in ``trace`` when it begins."""
    return {**job, "arguments": ["-c", f'echo begun >> "$TRACE"; {job["arguments"][1]}'], "environment": {"TRACE": str(trace)}}


def descriptions(folder: Path) -> dict[str, dict[str, Any]]:
    source = folder / "in.txt"
    checked = {"path": str(source), "checksum": f"ad:{zlib.adler32(source.read_bytes()):08x}"}
    return {
        "good": shell("tr a-z A-Z < in.txt > out.txt", inputs=[checked], outputs=["out.txt"], queue="ON_N1"),
        "spoilt": shell("true", inputs=[{**checked, "checksum": "ad:00000001"}], queue="ON_N1"),
        "broken": shell("echo 'no such geometry' >&2; exit 65", queue="ON_N1"),
        "over its limit": shell(SAYS_GOODBYE, queue="ON_N1"),
        "on a lost node": shell(SLEEPS, queue="ON_N2"),
        "killed by us": shell(SAYS_GOODBYE, queue="ON_N1"),
        "cancelled by others": shell(SAYS_GOODBYE, queue="ON_N1"),
        "cancelled while it waits": shell(SLEEPS, queue="CLOSED"),
        "held": shell("true", queue="CLOSED"),
        "too long": shell("true", queue="TOO_LONG"),
        "nowhere": shell("true", queue="NOWHERE"),
    }


def disturb(scene: Scene) -> None:
    """Do to the jobs what their names say."""
    instance, slurm = scene.instance, scene.slurm
    for name in ("over its limit", "on a lost node", "killed by us", "cancelled by others"):
        scene.await_begin(name)
    batch = {name: instance.batch_id(job) for name, job in scene.jobs.items()}
    slurm.run(["scontrol", "update", f"jobid={batch['over its limit']}", "EndTime=now"])
    slurm.run(["scontrol", "update", "nodename=n2", "state=down", "reason=test"])
    slurm.run(["scancel", batch["cancelled by others"], batch["cancelled while it waits"]])
    slurm.run(["scontrol", "uhold", batch["held"]])
    answer = instance.json("kill", scene.jobs["killed by us"], "--yes", "--why", "enough")["answer"]
    assert answer == "killed 1 of 1 jobs"


def log_of(job: Mapping[str, Any]) -> dict[str, str]:
    """Return {name: text} of the packed log that was staged out."""
    (log,) = (file for file in job["files"] if file["kind"] == "log")
    assert log["state"] == "finished"
    with tarfile.open(Path(log["url"].removeprefix("file://"))) as archive:
        return {member.name: stream.read().decode() for member in archive if (stream := archive.extractfile(member)) is not None}


def test_a_good_job_comes_back_with_its_output_whole(scene: Scene) -> None:
    job = scene.ended("good")
    files = {file["kind"]: file for file in job["files"]}
    output = Path(files["output"]["url"].removeprefix("file://"))
    assert (job["state"], job["why"]) == ("finished", "")
    assert output.read_text() == "THE INPUT\n"
    assert files["output"]["checksum"] == f"ad:{zlib.adler32(output.read_bytes()):08x}"
    assert files["input"]["state"] == "ready"
    assert (scene.worker("good")["state"], scene.worker("good")["exit_code"]) == ("finished", 0)
    assert scene.times_begun("good") == 1


def test_a_spoilt_input_never_reaches_the_batch_system(scene: Scene) -> None:
    job = scene.ended("spoilt")
    assert job["state"] == "failed"
    assert "stage-in" in job["why"]
    assert job["workers"] == []


def test_a_bad_exit_is_told_with_its_code_its_words_and_its_log(scene: Scene) -> None:
    job = scene.ended("broken")
    assert (job["state"], job["why"]) == ("failed", "exit code 65: no such geometry")
    assert job["attributes"]["transExitCode"] == 65
    assert log_of(job)["payload.stderr"] == "no such geometry\n"
    assert scene.worker("broken")["exit_code"] == 65


def test_a_time_limit_is_called_so(scene: Scene) -> None:
    job = scene.ended("over its limit")
    assert job["state"] == "failed"
    assert job["why"].startswith("time limit reached")
    assert scene.worker("over its limit")["native_status"].split()[0] == "TIMEOUT"
    assert set(log_of(job)) >= {"payload.stdout", "payload.stderr"}


def test_a_lost_node_fails_its_job_and_nothing_runs_again(scene: Scene) -> None:
    job = scene.ended("on a lost node")
    assert job["state"] == "failed"
    assert job["why"].startswith("node failure")
    scene.slurm.run(["scontrol", "update", "nodename=n2", "state=resume"])
    # The node works, and what comes after has run on it: what was lost had its chance to come back.
    assert scene.instance.wait(scene.instance.shell("true", queue="ON_N2")) == "finished"
    assert scene.times_begun("on a lost node") == 1
    assert scene.slurm.run(["scontrol", "show", "job", job["batch_id"]]).stdout.count("Restarts=0") == 1
    assert len(scene.instance.json("jobs", "show", job["job"])["workers"]) == 1


def test_a_killed_job_is_cancelled_with_our_reason_and_its_payload_is_told(scene: Scene) -> None:
    job = scene.ended("killed by us")
    assert (job["state"], job["why"]) == ("cancelled", "enough")
    assert scene.worker("killed by us")["native_status"].split()[0] == "CANCELLED"
    # Slurm signals every process of a batch job, and the launcher forwards: a payload may hear it twice, and must hear it.
    assert set((scene.traces / "killed by us.end").read_text().split()) == {"told"}


@pytest.mark.parametrize(("name", "begun"), [("cancelled by others", 1), ("cancelled while it waits", 0)])
def test_who_is_cancelled_from_outside_is_told_so(scene: Scene, name: str, begun: int) -> None:
    job = scene.ended(name)
    assert job["state"] == "cancelled"
    assert job["why"].startswith("cancelled from outside")
    assert scene.times_begun(name) == begun
    assert len(job["workers"]) == 1


def test_a_held_job_waits_with_the_reason_and_runs_when_it_is_released(scene: Scene) -> None:
    listed = scene.instance("workers", "list", "--queue", "CLOSED").stdout
    assert "PENDING (JobHeldUser)" in listed
    assert scene.instance.state(scene.jobs["held"]) == "submitted"
    scene.slurm.run(["scontrol", "update", "partitionname=debug", "state=up"])
    scene.slurm.run(["scontrol", "release", scene.worker("held")["batch_id"]])
    assert scene.ended("held")["state"] == "finished"


@pytest.mark.parametrize(("name", "words"), [
    ("too long", "Requested time limit is invalid"), ("nowhere", "Invalid partition name specified"),
])
def test_a_refused_job_fails_after_its_attempts_in_the_schedulers_words(scene: Scene, name: str, words: str) -> None:
    job = scene.ended(name)
    assert (job["state"], job["submissions"], len(job["workers"])) == ("failed", 3, 3)
    assert words in job["why"]
    assert scene.times_begun(name) == 0
    # Meanwhile the other queues went on.
    assert scene.ended("good")["changed"] < job["changed"]


def test_every_end_is_told(scene: Scene) -> None:
    for name in scene.jobs.keys() - {"held"}:
        scene.ended(name)
        scene.await_told(name)


def test_no_batch_job_is_without_a_worker_and_none_is_there_twice(scene: Scene) -> None:
    for name in scene.jobs.keys() - {"held"}:
        scene.ended(name)
    names = scene.slurm.run(["squeue", "--noheader", "--states=all", "--format=%j"]).stdout.split()
    keys = [key for (key,) in scene.instance.query("SELECT key FROM worker WHERE state <> 'missed'")]
    assert sorted(names) == sorted(keys)
