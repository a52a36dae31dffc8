"""The simple worker maker's arithmetic."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.model.facility import BatchQueue, Facility, NodeShape
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed
from harvester_workers.limits import unsaid_s
from harvester_workers.simple import SimpleWorkerMaker

DEBUG = BatchQueue(name="debug", max_nodes=2, max_walltime_s=1800)
REGULAR = BatchQueue(name="regular", min_nodes=2, max_nodes=100)


def plan_for(
    *jobs: Job, resources: Resources | None = None, queues: tuple[BatchQueue, ...] = (DEBUG, REGULAR), memory_mb: int = 64000
) -> WorkerPlan | Failed:
    node = NodeShape(cores=32, memory_mb=memory_mb, gpus=4)
    facility = Facility(name="here", scheduler="slurm", queues=queues, node=node)
    context = Context(instance="test", tag="abcde", state_dir=Path("/state"), facility=facility)
    queue = Queue(name="Q", resources=resources or Resources())
    answer = SimpleWorkerMaker(SimpleWorkerMaker.Settings(), context).make_worker(jobs, queue, "MCORE")
    assert isinstance(answer, WorkerPlan | Failed)
    return answer


def job(cores: int = 1, ram_mb: int = 0, walltime_s: int = 0) -> Job:
    return Job(id=JobId(5), queue="Q", state=JobState.PREPARED, cores=cores, ram_mb=ram_mb, walltime_s=walltime_s)


def test_a_queue_that_says_nothing_gives_one_whole_node() -> None:
    assert plan_for(job()) == WorkerPlan(nodes=1, cores=32, walltime_s=1800)


def test_the_queue_sets_the_size() -> None:
    resources = Resources(batch_queue="regular", nodes=4, walltime_s=7200, cores_per_node=16, memory_mb=32000, gpus_per_node=2)
    assert plan_for(job(), resources=resources) == WorkerPlan(nodes=4, cores=64, walltime_s=7200, ram_mb=32000, gpus_per_node=2)


@pytest.mark.parametrize(
    ("resources", "asked", "queues", "given"),
    [
        (Resources(walltime_s=600), 0, (DEBUG,), 600), (Resources(walltime_s=600), 500, (DEBUG,), 600), (Resources(), 500, (DEBUG,), 500),
        (Resources(), 0, (DEBUG,), 1800), (Resources(), 0, (BatchQueue(name="x"),), 3600), (Resources(), 0, (), 3600),
        (Resources(batch_queue="any"), 90000, (), 90000),
    ],
)
def test_walltime_is_the_queues_or_the_jobs_or_the_batch_queues(
    resources: Resources, asked: int, queues: tuple[BatchQueue, ...], given: int
) -> None:
    plan = plan_for(job(walltime_s=asked), resources=resources, queues=queues)
    assert isinstance(plan, WorkerPlan)
    assert plan.walltime_s == given


@pytest.mark.parametrize(
    ("one", "resources", "words"),
    [
        (job(cores=33), Resources(), ["job 5", "33", "32"]),
        (job(cores=33), Resources(nodes=2, cores_per_node=16), ["33", "2 node(s) x 16 cores = 32"]),
        (job(ram_mb=64001), Resources(), ["64001", "1 node(s) x 64000 MB = 64000 MB"]),
        (job(ram_mb=501), Resources(memory_mb=500), ["501", "500"]),
        (job(walltime_s=601), Resources(walltime_s=600), ["601 s asked, 600 s given"]),
        (job(walltime_s=1801), Resources(), ["1801", "'debug'", "1800"]),
        (job(), Resources(nodes=3), ["3 nodes", "'debug'", "2 at most"]),
        (job(), Resources(batch_queue="regular"), ["1 node(s)", "'regular'", "2 and more"]),
        (job(), Resources(cores_per_node=33), ["33 core(s)", "32"]),
        (job(), Resources(gpus_per_node=5), ["5 GPU(s)", "4"]),
        (job(), Resources(memory_mb=64001), ["64001 MB", "64000"]),
        (job(), Resources(batch_queue="regulra"), ["'regulra'", "debug, regular", "did you mean 'regular'?"]),
    ],
)
def test_what_does_not_fit_fails_with_the_arithmetic(one: Job, resources: Resources, words: list[str]) -> None:
    answer = plan_for(one, resources=resources)
    assert isinstance(answer, Failed)
    for word in words:
        assert word in answer.why


def test_what_just_fits_is_planned() -> None:
    assert isinstance(plan_for(job(cores=32, ram_mb=64000, walltime_s=1800)), WorkerPlan)
    assert isinstance(plan_for(job(cores=64), resources=Resources(nodes=2)), WorkerPlan)


def test_memory_that_nobody_knows_is_no_limit() -> None:
    assert isinstance(plan_for(job(ram_mb=10**6), memory_mb=0), WorkerPlan)
    assert isinstance(plan_for(job(), resources=Resources(memory_mb=10**6), memory_mb=0), WorkerPlan)


@pytest.mark.parametrize(
    ("said", "longest_s", "shortest_s", "walltime_s"),
    [
        (None, 1800, 0, 1800), (None, None, 0, 3600), (None, None, 7200, 7200),
        (600, 1800, 0, 600), (6000, 1800, 0, 1800), (60, None, 300, 300),
    ],
)
def test_a_job_that_says_no_time_gets_what_its_queue_says_else_what_the_batch_queue_gives(
    said: int | None, longest_s: int | None, shortest_s: int, walltime_s: int
) -> None:
    assert unsaid_s(said, longest_s, shortest_s) == walltime_s


def test_jobs_side_by_side_are_added_up() -> None:
    assert isinstance(plan_for(job(cores=16), job(cores=16)), WorkerPlan)
    answer = plan_for(job(cores=16), job(cores=17))
    assert isinstance(answer, Failed)
    assert "2 jobs together: 33 cores" in answer.why


def test_all_that_is_wrong_is_told_together() -> None:
    answer = plan_for(job(cores=99, ram_mb=10**6, walltime_s=1801))
    assert isinstance(answer, Failed)
    assert answer.why.count(";") == 2


def test_no_time_at_all_is_a_problem() -> None:
    assert SimpleWorkerMaker.Settings().problems() == ()
    assert SimpleWorkerMaker.Settings(default_walltime_s=0).problems()
