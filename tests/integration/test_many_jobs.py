"""Many jobs in one worker, the whole program: on this machine, and on a real Slurm of two nodes."""
from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.testing.slurm import Cluster
from tests.integration.conftest import IMPATIENT
from tests.integration.instance import Instance, shell, until

pytestmark = [pytest.mark.slow]

#: Leaves a line in a folder of traces when it begins, then waits for a gate unless the gate is open.
GATED = 'echo "$SLURMD_NODENAME" >> "$TRACES/$PANDAID"; [ -e "$TRACES/open" ] || exec sleep 600; echo done > out.$PANDAID'


def crowd(size: int, wait_s: float = 2.0, **more: Any) -> dict[str, Any]:
    """Return a queue of workers with ``size`` jobs."""
    return {
        "mapType": "ManyToOne", "pollInterval": 1, "workerMaker": {"name": "multi_job", "nJobsPerWorker": size, "waitForFullChunk": wait_s},
        **more,
    }


def begun(traces: Path, job: int) -> int:
    """Return how often the payload of a job began."""
    trace = traces / str(job)
    return len(trace.read_text().splitlines()) if trace.exists() else 0


def workers_of(instance: Instance, job: int) -> list[int]:
    """Return the workers of a job, in order."""
    return [int(number) for (number,) in instance.query("SELECT worker_id FROM bond WHERE job_id = ? ORDER BY worker_id", job)]


@pytest.fixture
def traces(tmp_path: Path) -> Path:
    folder = tmp_path / "traces"
    folder.mkdir()
    return folder


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    with Instance(tmp_path / "home") as made:
        made.make({"extends": "local", "facility": {"node": {"cores": 2}}, "queues": {"Q": crowd(4)}})
        yield made


def test_jobs_share_a_worker_on_this_machine_and_fail_alone(instance: Instance) -> None:
    good = [shell(f"echo {number} > out.{number}", outputs=[f"out.{number}"]) for number in range(5)]
    jobs = instance.submit(*good, shell("echo 'no such geometry' >&2; exit 65"))
    instance.serve()
    assert [instance.wait(job) for job in jobs] == ["finished"] * 5 + ["failed"]
    assert instance.why(jobs[-1]) == "exit code 65: no such geometry"
    assert [workers_of(instance, job) for job in jobs] == [[1]] * 4 + [[2]] * 2
    assert instance.json("workers", "show", 1)["state"] == "finished"
    assert instance.stop() == 0


def test_a_launcher_that_is_killed_costs_only_what_it_had_begun(instance: Instance, traces: Path) -> None:
    jobs = instance.submit(*[shell(GATED, environment={"TRACES": str(traces)}) for _ in range(4)])
    instance.serve()
    until(lambda: [begun(traces, job) for job in jobs] == [1, 1, 0, 0], "two of four begin")
    assert instance.wait(jobs[0], {"running"}) == "running" and instance.state(jobs[3]) == "submitted"
    (traces / "open").touch()
    point = Path(str(instance.query("SELECT access_point FROM worker")[0][0]))
    os.kill(json.loads((point / str(jobs[0]) / "job_claim.json").read_text())["pid"], signal.SIGKILL)
    assert [instance.wait(job) for job in jobs] == ["failed", "failed", "finished", "finished"]
    assert [begun(traces, job) for job in jobs] == [1, 1, 1, 1]
    assert [workers_of(instance, job) for job in jobs] == [[1], [1], [1, 2], [1, 2]]
    assert instance.stop() == 0


def test_one_job_is_killed_and_its_neighbours_finish(instance: Instance, traces: Path) -> None:
    jobs = instance.submit(*[shell(GATED, environment={"TRACES": str(traces)}) for _ in range(2)])
    instance.serve()
    until(lambda: [begun(traces, job) for job in jobs] == [1, 1], "both begin")
    instance.wait(jobs[0], {"running"})
    instance("kill", jobs[0], "--yes", "--why", "enough")
    assert instance.wait(jobs[0]) == "cancelled"
    assert instance.state(jobs[1]) == "running"
    assert instance.query("SELECT state, kill FROM worker") == [("running", "")]
    instance("kill", jobs[1], "--yes")
    assert instance.wait(jobs[1]) == "cancelled"
    assert instance.stop() == 0


# -- Slurm --------------------------------------------------------------------------------------------

ON_TWO_NODES = {
    "extends": "slurm-generic", "instance": "tests",
    "facility": {"launcher": "srun", "queues": [{"name": "batch", "maxNodes": 2}], "node": {"cores": 8}},
}


def on_slurm(instance: Instance, size: int, **resources: Any) -> None:
    """Make an instance with workers of at most two nodes, each with room for one job."""
    given = {"batchQueue": "batch", "nodes": 2, "coresPerNode": 1, "walltime": 600, **resources}
    instance.make({**ON_TWO_NODES, "queues": {"Q": crowd(size, wait_s=3.0, resources=given)}})


@pytest.fixture
def cluster(slurm_programs: None, tmp_path: Path) -> Iterator[Cluster]:
    with Cluster(tmp_path / "slurm", cpus=8, settings=IMPATIENT) as made:
        yield made


@pytest.mark.slurm
def test_one_worker_of_two_nodes_runs_six_jobs_of_which_one_fails(cluster: Cluster, tmp_path: Path) -> None:
    with Instance(tmp_path / "home", cluster.environment) as instance:
        on_slurm(instance, 6)
        script = 'echo "$SLURMD_NODENAME" > out.$PANDAID; [ "$PANDAID" != 4 ] || exit 65; sleep 0.5'
        jobs = instance.submit(*[shell(script, outputs=[f"out.{number}"]) for number in range(1, 7)])
        instance.serve()
        ends = {job: instance.wait(job) for job in jobs}
        assert ends == {job: "failed" if job == 4 else "finished" for job in jobs}
        assert instance.why(4) == "exit code 65"
        until(lambda: instance.query("SELECT nodes, cores, state FROM worker") == [(2, 2, "finished")], "the one worker ends well")
        outputs = (path.read_text().strip() for path in (instance.home / "state" / "outputs").rglob("out.*"))
        assert set(outputs) == {"n1", "n2"}
        assert instance.stop() == 0


@pytest.mark.slurm
def test_what_a_cancelled_worker_had_not_begun_runs_in_another_once(cluster: Cluster, tmp_path: Path, traces: Path) -> None:
    with Instance(tmp_path / "home", cluster.environment) as instance:
        on_slurm(instance, 5)
        jobs = instance.submit(*[shell(GATED, environment={"TRACES": str(traces)}) for _ in range(5)])
        instance.serve()
        until(lambda: sum(begun(traces, job) for job in jobs) == 2, "a job begins on each node")
        first = [job for job in jobs if begun(traces, job)]
        for job in first:
            instance.wait(job, {"running"})
        (traces / "open").touch()
        cluster.run(["scancel", instance.batch_id(jobs[0])])
        ends = {job: instance.wait(job) for job in jobs}
        assert ends == {job: "cancelled" if job in first else "finished" for job in jobs}
        assert [begun(traces, job) for job in jobs] == [1] * 5
        assert instance.stop() == 0


@pytest.mark.slurm
def test_a_lost_node_costs_only_what_it_had_begun(cluster: Cluster, tmp_path: Path, traces: Path) -> None:
    with Instance(tmp_path / "home", cluster.environment) as instance:
        on_slurm(instance, 5)
        jobs = instance.submit(*[shell(GATED, environment={"TRACES": str(traces)}) for _ in range(5)])
        instance.serve()
        until(lambda: sum(begun(traces, job) for job in jobs) == 2, "a job begins on each node")
        where = {(traces / str(job)).read_text().strip(): job for job in jobs if begun(traces, job)}
        assert set(where) == {"n1", "n2"}
        (traces / "open").touch()
        cluster.run(["scontrol", "update", "nodename=n2", "state=down", "reason=test"])
        instance("kill", where["n1"], "--yes")
        rest = [job for job in jobs if job not in where.values()]
        assert {instance.wait(job) for job in rest} == {"finished"}
        assert {(traces / str(job)).read_text().strip() for job in rest} == {"n1"}, "the node that is left goes on"
        assert instance.wait(where["n1"]) == "cancelled"
        assert instance.wait(where["n2"]) in ("failed", "cancelled")
        assert [begun(traces, job) for job in jobs] == [1] * 5
        assert {number for job in jobs for number in workers_of(instance, job)} == {1}
        assert instance.stop() == 0
