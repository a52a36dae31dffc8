"""Late binding and pull workers, the whole program: on this machine, and on a real Slurm of two nodes."""
from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.testing.slurm import Cluster
from harvester_psij.processes import family, process_of
from tests.integration.conftest import IMPATIENT
from tests.integration.instance import Instance, gated, shell, times_begun, until

pytestmark = [pytest.mark.slow]


def late(size: int = 0, **more: Any) -> dict[str, Any]:
    """Return a queue of workers that ask for one job, or for ``size`` and more."""
    maker = {"name": "multi_job", "nJobsPerWorker": size, "waitForFullChunk": 2.0}
    crowd = {"mapType": "ManyToOne", "workerMaker": maker} if size else {}
    return {"useJobLateBinding": True, "lateBindingWait": 4, "pollInterval": 1, **crowd, **more}


def bonds(instance: Instance) -> list[tuple[int, int]]:
    """Return (job, worker) of all that were ever bound."""
    return [(int(job), int(worker)) for job, worker in instance.query("SELECT job_id, worker_id FROM bond ORDER BY job_id, worker_id")]


def workers_end(instance: Instance, number: int) -> None:
    """Wait until so many workers have ended well, and none is left."""
    ended = [("finished", 1)] * number
    until(lambda: instance.query("SELECT state, late FROM worker") == ended, lambda: f"workers end\n{instance.log[-3000:]}")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    with Instance(tmp_path / "home") as made:
        yield made


def make(instance: Instance, queue: dict[str, Any]) -> None:
    instance.make({"extends": "local", "facility": {"node": {"cores": 2}}, "queues": {"Q": queue}})


def test_each_worker_asks_for_one_job_and_there_are_as_many_as_jobs(instance: Instance) -> None:
    make(instance, late())
    jobs = instance.submit(*[shell(f"echo {number} > out.{number}", outputs=[f"out.{number}"]) for number in range(3)], shell("exit 65"))
    instance.serve()
    assert [instance.wait(job) for job in jobs] == ["finished"] * 3 + ["failed"]
    assert sorted(worker for _, worker in bonds(instance)) == [1, 2, 3, 4] and len(bonds(instance)) == 4
    assert "bound worker=1" in instance.log and instance.why(jobs[3]) == "exit code 65"
    assert instance.query("SELECT count(*) FROM job_request") == [(0,)]
    assert instance.stop() == 0


def test_one_worker_takes_jobs_as_long_as_they_come_and_then_ends(instance: Instance) -> None:
    make(instance, late(size=12, maxWorkers=1, lateBindingWait=8, allowJobMixture=True))
    first = instance.submit(*[shell("true") for _ in range(6)])
    instance.serve()
    for job in first:
        instance.wait(job)
    (more,) = instance.submit(shell("true"))
    assert instance.wait(more) == "finished"
    assert {worker for _, worker in bonds(instance)} == {1}
    workers_end(instance, 1)
    assert "no jobs for worker=1" in instance.log
    assert instance.stop() == 0


def test_jobs_are_bound_once_although_the_daemon_is_killed_before_and_after_it_feeds_them(instance: Instance, tmp_path: Path) -> None:
    make(instance, late())
    (job,) = instance.submit(shell(gated(tmp_path)))
    for point in ("jobs bound late", "jobs fed late"):
        assert instance.start({"HARVESTER_HPC_FAULT": f"{point}:1"}).wait(60) == -9
        assert bonds(instance) == [(job, 1)]
    instance.serve()
    instance.wait(job, {"running"})
    (tmp_path / "go").touch()
    assert instance.wait(job) == "finished"
    assert times_begun(tmp_path, "go") == [1] and bonds(instance) == [(job, 1)]
    assert instance.stop() == 0


def test_a_worker_that_died_with_a_job_it_had_not_begun_gives_it_back(instance: Instance, tmp_path: Path) -> None:
    """The launcher is stopped before the list of jobs comes, so that it has begun nothing when it is killed."""
    make(instance, late())
    (job,) = instance.submit(shell(gated(tmp_path)))
    assert instance.start({"HARVESTER_HPC_FAULT": "jobs bound late:1"}).wait(60) == -9
    batch = process_of(instance.batch_id(job))
    assert batch is not None
    for pid in (batch.pid, *family(batch)):
        os.kill(pid, signal.SIGSTOP)
    instance("kill", "--worker", 1, "--yes")
    instance.serve()
    until(lambda: len(bonds(instance)) == 2, lambda: f"another worker gets it: {bonds(instance)}\n{instance.log[-3000:]}")
    (tmp_path / "go").touch()
    assert instance.wait(job) == "finished" and times_begun(tmp_path, "go") == [1]
    assert instance.query("SELECT state FROM worker WHERE worker_id = 1") == [("cancelled",)]
    assert instance.stop() == 0


def test_pull_workers_run_their_pilot_and_are_followed_by_others(instance: Instance, tmp_path: Path) -> None:
    pilot = tmp_path / "pilot.sh"
    pilot.write_text(f'#!/bin/sh\necho "$HARVESTER_WORKER_ID" >> {tmp_path}/pilots\n')
    pilot.chmod(0o755)
    limits = {"nQueueLimitWorker": 1, "maxWorkers": 1, "pollInterval": 1}
    make(instance, {"mapType": "NoJob", **limits, "submitter": {"name": "psij", "pilot": [str(pilot)]}})
    instance.serve()
    ended = "SELECT 1 FROM worker WHERE state = 'finished' AND map_type = 'NoJob'"
    until(lambda: len(instance.query(ended)) >= 2, "two workers, one after the other")
    assert (tmp_path / "pilots").read_text().split()[:2] == ["1", "2"]
    assert instance.stop() == 0


# -- Slurm --------------------------------------------------------------------------------------------

ON_TWO_NODES = {
    "extends": "slurm-generic", "instance": "tests",
    "facility": {"launcher": "srun", "queues": [{"name": "batch", "maxNodes": 2}], "node": {"cores": 8}},
}


@pytest.fixture
def cluster(slurm_programs: None, tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "slurm", cpus=8, settings=IMPATIENT) as made:
        yield made


@pytest.mark.slurm
def test_two_workers_over_two_nodes_ask_and_share_what_there_is(cluster: Cluster, tmp_path: Path) -> None:
    given = {"batchQueue": "batch", "nodes": 2, "coresPerNode": 2, "walltime": 600}
    with Instance(tmp_path / "home", cluster.environment) as instance:
        instance.make({**ON_TWO_NODES, "queues": {"Q": late(size=8, resources=given)}})
        script = 'echo "$SLURMD_NODENAME" > out.$PANDAID; echo $PANDAID >> "$TRACES"; [ "$PANDAID" != 4 ] || exit 65; sleep 0.3'
        traces = {"TRACES": str(tmp_path / "traces")}
        jobs = instance.submit(*[shell(script, outputs=[f"out.{number}"], environment=traces) for number in range(1, 17)])
        instance.serve()
        assert {job: instance.wait(job) for job in jobs} == {job: "failed" if job == 4 else "finished" for job in jobs}
        workers_end(instance, 2)
        assert sorted(map(int, (tmp_path / "traces").read_text().split())) == jobs
        assert sorted(job for job, _ in bonds(instance)) == jobs and {worker for _, worker in bonds(instance)} == {1, 2}
        outputs = (path.read_text().strip() for path in (instance.home / "state" / "outputs").rglob("out.*"))
        assert set(outputs) == {"n1", "n2"}
        # A worker that finds nothing waits for a moment, and costs no more than that.
        assert instance.query("SELECT count(*) FROM worker") == [(2,)]
        assert instance.stop() == 0
