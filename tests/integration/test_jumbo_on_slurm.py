"""Jumbo jobs on a real Slurm of four nodes: workers of two nodes each, drained, cancelled, one with a lost node; each range counts once."""
from __future__ import annotations

import importlib.util
import json
import sqlite3
import sys
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.testing.slurm import Cluster
from tests.conftest import lacking
from tests.integration.conftest import IMPATIENT
from tests.integration.instance import Instance, until
from tests.integration.jumbo import job, queue

pytestmark = [pytest.mark.slurm, pytest.mark.slow, pytest.mark.xdist_group("jumbo jobs on Slurm")]

#: Ranges of each job, and seconds that one takes: a worker with three slots is busy for 16 s, or for 36 s in the queue whose workers
#: have 20 s.
RANGES, PAUSE_S, LONG_S = 120, 0.4, 0.9
QUIET, DRAINED, CANCELLED, LOST, CHECKED = "TWO_WORKERS", "DRAINED", "CANCELLED", "NODE_LOST", "CHECKED"
PATIENCE_S = 240.0


def queues() -> dict[str, Any]:
    """Return the queues; those that lose nothing are kept off the node that is lost."""
    def of(nodes: str, workers: int, walltime: int, launch: str = "") -> dict[str, Any]:
        section = {"attributes": {"nodelist": nodes}, "launch": launch}
        size = {"nodes": 2, "walltime": walltime, "coresPerNode": 2}
        made = {"ranksPerNode": 2, "slots": 1, "marginS": 3, "leadS": 4}
        return queue(workers, 2, made, submitter=section, resources=size, nQueueLimitJob=5, nQueueLimitWorker=5, pollInterval=1)

    return {
        QUIET: of("n1,n2", 2, 600), DRAINED: of("n1,n2", 1, 25), CANCELLED: of("n1,n2", 1, 600), LOST: of("n3,n4", 1, 600),
        CHECKED: of("n1,n2", 1, 600, "check"),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """One instance, one job in each queue, all ended; jobs: {queue: job}; ends: {batch id: state in Slurm}; misfit: what
    check printed under an MPI that does not fit."""

    instance: Instance
    jobs: Mapping[str, int]
    misfit: str
    ends: dict[str, str] = field(default_factory=dict)

    def workers(self, queue_name: str) -> list[dict[str, Any]]:
        """Return what ``workers show`` tells of all workers of a job, in their order."""
        numbers = self.instance.json("jobs", "show", self.jobs[queue_name])["workers"]
        return [self.instance.json("workers", "show", number) for number in sorted(numbers)]

    def summary(self, worker: Mapping[str, Any]) -> dict[str, Any]:
        """Return what Yoda of a worker has summed up."""
        found: dict[str, Any] = json.loads((Path(worker["access_point"]) / "yoda" / "summary.json").read_text())
        return found

    def counted(self, queue_name: str) -> tuple[list[Any], list[Any], Counter[str]]:
        """Return [(state, ranges)] in the store and in the WMS, and {range: how often its output was brought away}."""
        number = self.jobs[queue_name]
        store = self.instance.query("SELECT state, count(*) FROM event WHERE job_id = ? GROUP BY state", number)
        with closing(sqlite3.connect(self.instance.home / "state" / "wms" / "wms.sqlite")) as wms:
            told = wms.execute("SELECT state, count(*) FROM event_range WHERE root = ? GROUP BY state", (number,)).fetchall()
        inside: Counter[str] = Counter()
        for path in (self.instance.home / "state" / "outputs" / str(number)).glob("EventService_*.zip"):
            with zipfile.ZipFile(path) as archive:
                inside.update(archive.read(name).decode().strip() for name in archive.namelist())
        return store, told, inside


@pytest.fixture(scope="module")
def scene(slurm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Let all jobs run side by side, disturb them when they are half done, and wait for their ends."""
    if importlib.util.find_spec("mpi4py") is None:
        lacking("mpi4py is not installed (pip install mpi4py mpich)")
    folder = tmp_path_factory.mktemp("jumbo")
    with Cluster(folder / "slurm", nodes=4, cpus=12, settings=IMPATIENT) as slurm, Instance(folder / "home", slurm.environment) as instance:
        instance.make({
            "extends": "slurm-generic", "instance": "tests",
            "facility": {"queues": [{"name": "batch", "maxNodes": 4}], "node": {"cores": 8}, "launcher": "srun", "mpi": "pmi2"},
            "queues": queues(),
        })
        many = [job(RANGES, LONG_S if name == DRAINED else PAUSE_S, queue=name) for name in queues() if name != CHECKED]
        numbers = instance.submit(*many, {"executable": "false", "queue": CHECKED})
        scene = Scene(instance=instance, jobs=dict(zip(queues(), numbers, strict=True)), misfit=misfit(slurm, folder))
        instance.serve()
        disturb(scene, slurm)
        for number in numbers:
            instance.wait(number, patience_s=PATIENCE_S)
        until(lambda: all(instance.is_told(number) for number in numbers), lambda: f"the ends are told\n{instance.log[-3000:]}")
        listed = slurm.run(["squeue", "--noheader", "--states=all", "--format=%i %T"]).stdout
        scene.ends.update(line.split() for line in listed.splitlines())
        assert instance.stop() == 0
        yield scene


def misfit(slurm: Cluster, folder: Path) -> str:
    """Return what the check program prints where each rank is a world of its own."""
    (folder / "misfit").mkdir()
    launch = ["srun", "-N2", "-n3", "--mem=100", "--overcommit", "--mpi=none", sys.executable, "-m", "harvester_launch"]
    done = slurm.run([*launch, "check", "--access-point", str(folder / "misfit"), "--ranks", "3"])
    return done.stdout + done.stderr


def disturb(scene: Scene, slurm: Cluster) -> None:
    """Cancel the batch job of one worker in the middle of its ranges, and crash a node of another."""
    await_ranges(scene, CANCELLED)
    slurm.run(["scancel", scene.instance.batch_id(scene.jobs[CANCELLED])])
    await_ranges(scene, LOST)
    slurm.crash_node("n4", noticed=True)
    slurm.start_node("n4")


def await_ranges(scene: Scene, name: str) -> None:
    """Wait until some ranges of a job are done."""
    done = "SELECT 1 FROM event WHERE job_id = ? AND state NOT IN ('leased', 'fed') GROUP BY job_id HAVING count(*) > 10"
    instance = scene.instance
    until(lambda: bool(instance.query(done, scene.jobs[name])), lambda: f"ranges of {name}\n{instance.log[-3000:]}", PATIENCE_S)


@pytest.mark.parametrize("name", [QUIET, DRAINED, CANCELLED, LOST])
def test_every_range_is_done_told_and_brought_away_once(scene: Scene, name: str) -> None:
    store, told, inside = scene.counted(name)
    assert scene.instance.state(scene.jobs[name]) == "finished", scene.instance.why(scene.jobs[name])
    assert (store, told) == ([("done", RANGES)], [("finished", RANGES)])
    assert (len(inside), set(inside.values())) == (RANGES, {1})


def test_two_workers_of_two_nodes_share_the_ranges(scene: Scene) -> None:
    workers = scene.workers(QUIET)
    summaries = [scene.summary(worker) for worker in workers]
    assert len(workers) == 2 and all(summary["finished"] > 0 for summary in summaries)
    assert sum(summary["finished"] for summary in summaries) == RANGES
    assert [summary["slots"] for summary in summaries] == [3, 3]  # four ranks, one of them Yoda


def test_a_worker_whose_time_is_over_ends_by_itself_and_the_next_goes_on(scene: Scene) -> None:
    first, *others = scene.workers(DRAINED)
    summary = scene.summary(first)
    assert (first["state"], first["exit_code"], summary["why"]) == ("finished", 0, "the allocation ends")
    assert 0 < summary["finished"] < RANGES and summary["left"] > 0 and others


def test_a_cancelled_worker_says_what_it_has_done_and_the_next_goes_on(scene: Scene) -> None:
    first, *others = scene.workers(CANCELLED)
    assert scene.ends[first["batch_id"]] == "CANCELLED" and others
    summary = scene.summary(first)
    assert 0 < summary["finished"] < RANGES and "told SIGTERM" in summary["why"]


def test_a_worker_that_has_lost_a_node_ends_and_the_next_goes_on(scene: Scene) -> None:
    first, *others = scene.workers(LOST)
    assert scene.ends[first["batch_id"]] == "NODE_FAIL" and others, first


def test_a_check_in_the_place_of_a_job_sees_every_rank_on_both_nodes(scene: Scene) -> None:
    assert scene.instance.state(scene.jobs[CHECKED]) == "finished", scene.instance.why(scene.jobs[CHECKED])
    (worker,) = scene.workers(CHECKED)
    said = json.loads((Path(worker["access_point"]) / "check.json").read_text())
    seen = [(one["rank"], one["host"], one["worldSize"], one["sees"], one["shown"]) for one in said["reports"]]
    assert seen == [(0, "n1", 4, True, True), (1, "n1", 4, True, True), (2, "n2", 4, True, True), (3, "n2", 4, True, True)]
    assert said["problems"] == [] and {one["harvester"]["HARVESTER_NTASKS"] for one in said["reports"]} == {"4"}


def test_ranks_that_are_worlds_of_their_own_are_found_out_by_files(scene: Scene) -> None:
    assert "problem: MPI made one world of each rank" in scene.misfit
    assert sum(line.startswith(("0 ", "1 ", "2 ")) for line in scene.misfit.splitlines()) == 3, scene.misfit


def test_no_batch_job_is_left_over(scene: Scene) -> None:
    assert {worker["state"] for name in scene.jobs for worker in scene.workers(name)} <= {"finished", "failed", "cancelled"}
