"""The multi-job worker maker's arithmetic."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.model.facility import BatchQueue, Facility, NodeShape
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import MapType, WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed
from harvester_workers.multi_job import MultiJobWorkerMaker
from harvester_workers.sizing import Load, Node, nodes_for, time_for

Settings = MultiJobWorkerMaker.Settings
NODE = Node(cores=8)


def loads(*cores: int, walltime_s: int = 100) -> list[Load]:
    return [Load(cores=number, walltime_s=walltime_s) for number in cores]


@pytest.mark.parametrize(("cores", "nodes"), [
    ([], 1), ([1], 1), ([1] * 8, 1), ([1] * 9, 2), ([8, 8], 2), ([5, 5, 3, 3], 2), ([3, 3, 5, 5], 2), ([4, 4, 4], 2), ([1] * 100, 13),
])
def test_as_many_nodes_as_the_jobs_fill(cores: list[int], nodes: int) -> None:
    assert nodes_for(loads(*cores), NODE) == nodes


def test_memory_counts_where_it_is_known() -> None:
    heavy = [Load(cores=1, memory_mb=3000)] * 4
    assert nodes_for(heavy, Node(cores=8)) == 1
    assert nodes_for(heavy, Node(cores=8, memory_mb=4000)) == 4


@pytest.mark.parametrize(("cores", "nodes", "seconds"), [
    ([], 1, 0), ([1], 1, 100), ([1] * 8, 1, 100), ([1] * 9, 1, 200), ([8] * 5, 2, 300), ([8, 1, 8, 1], 1, 300), ([5, 5, 3, 3], 1, 200),
])
def test_as_long_as_the_jobs_need_one_after_the_other(cores: list[int], nodes: int, seconds: int) -> None:
    assert time_for(loads(*cores), nodes, NODE) == seconds


def test_a_long_job_does_not_hold_up_short_ones() -> None:
    assert time_for([Load(cores=4, walltime_s=1000), *[Load(cores=4, walltime_s=100)] * 9], 1, NODE) == 1000


def plan_for(
    *jobs: Job, settings: Settings | None = None, resources: Resources | None = None, queue: BatchQueue | None = None,
    launcher: str = "srun", memory_mb: int = 0,
) -> WorkerPlan | Failed:
    facility = Facility(
        name="here", scheduler="slurm", launcher=launcher, node=NodeShape(cores=8, memory_mb=memory_mb),
        queues=(queue or BatchQueue(name="batch"),),
    )
    context = Context(instance="test", tag="abcde", state_dir=Path("/state"), facility=facility)
    described = Queue(name="Q", map_type=MapType.MANY_TO_ONE, resources=resources or Resources())
    answer = MultiJobWorkerMaker(settings or Settings(reserve_s=60), context).make_worker(jobs, described, "")
    assert isinstance(answer, WorkerPlan | Failed)
    return answer


def job(number: int = 1, cores: int = 1, ram_mb: int = 0, walltime_s: int = 600) -> Job:
    return Job(id=JobId(number), queue="Q", state=JobState.PREPARED, cores=cores, ram_mb=ram_mb, walltime_s=walltime_s)


def test_the_load_sets_nodes_and_walltime() -> None:
    jobs = [job(number) for number in range(20)]
    assert plan_for(*jobs, resources=Resources(nodes=4)) == WorkerPlan(nodes=3, cores=24, walltime_s=660)
    assert plan_for(*jobs) == WorkerPlan(nodes=1, cores=8, walltime_s=1860)
    assert plan_for(job(), resources=Resources(nodes=4)) == WorkerPlan(nodes=1, cores=8, walltime_s=660)


def test_never_more_than_the_batch_queue_allows() -> None:
    small = BatchQueue(name="batch", max_nodes=2, max_walltime_s=1000)
    jobs = [job(number, cores=8) for number in range(20)]
    assert plan_for(*jobs, resources=Resources(nodes=4), queue=small) == WorkerPlan(nodes=2, cores=16, walltime_s=1000)
    large = BatchQueue(name="batch", min_nodes=3)
    assert plan_for(job(), resources=Resources(nodes=4), queue=large) == WorkerPlan(nodes=3, cores=24, walltime_s=660)


def test_the_queue_may_fix_both() -> None:
    plan = plan_for(job(), settings=Settings(nodes_per_worker=2), resources=Resources(walltime_s=7200, cores_per_node=4))
    assert plan == WorkerPlan(nodes=2, cores=8, walltime_s=7200)


@pytest.mark.parametrize(("queue", "given"), [(BatchQueue(name="batch"), 3600), (BatchQueue(name="batch", max_walltime_s=7200), 7200)])
def test_a_job_that_does_not_say_how_long_gets_what_there_is(queue: BatchQueue, given: int) -> None:
    plan = plan_for(job(), job(2, walltime_s=0), queue=queue)
    assert isinstance(plan, WorkerPlan)
    assert plan.walltime_s == given


@pytest.mark.parametrize(("one", "word"), [
    (job(5, cores=9), "job 5: 9 cores asked, a node has 8 cores"),
    (job(5, ram_mb=4001), "job 5: 4001 MB asked, a node has 4000 MB"),
    (job(5, walltime_s=1001), "job 5: 1001 s asked, a worker may have 1000 s"),
])
def test_a_job_that_fits_into_no_worker_is_named(one: Job, word: str) -> None:
    answer = plan_for(job(4), one, queue=BatchQueue(name="batch", max_walltime_s=1000), memory_mb=4000)
    assert answer == Failed(why=word)


def test_several_nodes_want_a_launcher_that_starts_on_them() -> None:
    answer = plan_for(job(), settings=Settings(nodes_per_worker=2), launcher="single")
    assert isinstance(answer, Failed)
    assert "launcher" in answer.why


def test_jobs_wait_for_a_full_chunk_as_the_section_says() -> None:
    context = Context(instance="test", tag="abcde", state_dir=Path("/state"), facility=Facility(name="here", scheduler="slurm"))
    maker = MultiJobWorkerMaker(Settings(n_jobs_per_worker=16, wait_for_full_chunk=30.0), context)
    assert (maker.get_num_jobs_per_worker(3), maker.get_full_chunk_wait(), maker.get_num_workers_per_job(3)) == (16, 30.0, 1)


def test_impossible_settings_are_named() -> None:
    assert Settings().problems() == ()
    wrong = Settings(n_jobs_per_worker=0, nodes_per_worker=-1, wait_for_full_chunk=-1.0, default_walltime_s=0, reserve_s=-1)
    keys = ["nJobsPerWorker", "nodesPerWorker", "waitForFullChunk", "defaultWalltimeS", "reserveS"]
    assert [problem.split(":")[0] for problem in wrong.problems()] == keys
