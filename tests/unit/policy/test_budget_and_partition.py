"""Cores, memory and types of resources: no limit is passed, and nobody starves."""
from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.limits import Limits, Quota, TypeLimits
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.policy.partition import in_order, partitioned, shares_in_words
from harvester_hpc.policy.worker_budget import WorkerCount, budget, has_budget

W = WorkerState


def queue(**limits: Any) -> Queue:
    return Queue(name="Q", limits=Limits(**limits))


def worker(
    resource_type: str = "", *, cores: int = 1, memory_mb: int = 0, state: W = W.PLANNED, number: int = 1, job_type: str = ""
) -> WorkerCount:
    return WorkerCount(state=state, job_type=job_type, resource_type=resource_type, number=number, cores=cores, memory_mb=memory_mb)


def test_cores_and_memory_of_waiting_workers_never_pass_their_limits() -> None:
    for limit, waiting, running, size in itertools.product(range(0, 9, 2), range(4), range(3), range(1, 4)):
        for unit in ("cores", "memory_mb"):
            quota = {"cores": "worker_cores", "memory_mb": "worker_memory"}[unit]
            counts = [worker(state=W.SUBMITTED, **{unit: waiting}), worker(state=W.RUNNING, **{unit: running})]
            left = budget(queue(**{quota: Quota(limit=limit)}), counts)
            taken = sum(left.take(worker(**{"cores": 0, unit: size})) is None for _ in range(10))
            assert taken == max(0, limit - waiting) // size


def test_no_workers_at_all_count_as_zero_cores_and_stop_no_queue() -> None:
    """In the existing Harvester a sum over nothing is NULL, and nothing is submitted but a line in a log."""
    assert budget(queue(worker_cores=Quota(limit=8)), []).take(worker(cores=8)) is None


def test_with_a_ratio_the_first_worker_comes_whatever_its_size_and_the_next_waits_for_it() -> None:
    """A part of few cores is less than one worker: without the first one none would ever run."""
    for unit, quota in (("cores", "worker_cores"), ("memory_mb", "worker_memory")):
        size: dict[str, Any] = {"cores": 0, unit: 64}
        limited = queue(**{quota: Quota(ratio=50)})
        for running in (0, 1):
            left = budget(limited, [worker(state=W.RUNNING, number=running, **{**size, unit: 64 * running})])
            assert left.take(worker(**size)) is None
            assert left.take(worker(**size)) is not None
        assert budget(limited, [worker(state=W.SUBMITTED, **size)]).take(worker(**size)) is not None
        for smaller in (Quota(ratio=50, most=63), Quota(ratio=50, least=0)):
            assert budget(queue(**{quota: smaller}), []).take(worker(**size)) is not None


def test_each_type_keeps_to_its_own_limits_and_others_do_not_suffer() -> None:
    score, mcore, himem = TypeLimits(queued_workers=1, workers=3), TypeLimits(cores=16), TypeLimits(memory_mb=8)
    limited = queue(types={"SCORE": score, "MCORE": mcore, "HIMEM": himem})
    left = budget(limited, [worker("SCORE", state=W.RUNNING, number=2), worker("MCORE", state=W.RUNNING, cores=8)])
    assert left.take(worker("SCORE")) is None
    refusal = left.take(worker("SCORE"))
    assert refusal is not None and refusal.of_type
    assert refusal.why == "resourceTypeLimits SCORE queuedWorkers 1 - 0 workers waiting = 1; one more takes 1"
    assert left.take(worker("MCORE", cores=8)) is None
    assert left.take(worker("MCORE", cores=1)) is not None
    assert left.take(worker("HIMEM", memory_mb=9)) is not None
    assert left.take(worker("HIMEM", memory_mb=8)) is None
    assert left.take(worker("OTHER", cores=1000)) is None


def test_a_limit_with_a_type_of_job_concerns_only_its_workers() -> None:
    left = budget(queue(types={"user/SCORE": TypeLimits(workers=1)}), [])
    assert left.take(worker("SCORE", job_type="managed")) is None
    assert left.take(worker("SCORE", job_type="user")) is None
    assert left.take(worker("SCORE", job_type="user")) is not None


def test_what_is_refused_takes_nothing() -> None:
    left = budget(queue(worker_cores=Quota(limit=8), types={"SCORE": TypeLimits(workers=0)}), [])
    assert left.take(worker("SCORE", cores=8)) is not None
    assert left.take(worker("MCORE", cores=8)) is None


def test_a_queue_without_such_limits_has_no_budget() -> None:
    assert not has_budget(queue(jobs=Quota(ratio=1), workers=Quota(ratio=1)))
    assert has_budget(queue(worker_memory=Quota(ratio=1)))


def jobs(resource_type: str, number: int, first: int, priority: int = 0) -> list[Job]:
    return [
        Job(id=JobId(first + index), queue="Q", state=JobState.PREPARED, resource_type=resource_type, priority=priority)
        for index in range(number)
    ]


def test_without_a_partition_priority_counts_whatever_the_type() -> None:
    order = in_order({"SCORE": jobs("SCORE", 2, 10), "MCORE": jobs("MCORE", 2, 20, priority=5), "": jobs("", 1, 1)})
    assert [job.id for job in order] == [20, 21, 1, 10, 11]


def test_every_job_stands_once_in_a_partition_and_each_type_in_its_own_order() -> None:
    for numbers in itertools.product(range(4), repeat=3):
        for held in itertools.product((0, 3), repeat=3):
            by_type = {name: jobs(name, number, 100 * place) for place, (name, number) in enumerate(zip("ABC", numbers, strict=True))}
            order = partitioned(by_type, dict(zip("ABC", numbers, strict=True)), dict(zip("ABC", held, strict=True)), {"B": 2.0})
            assert sorted(order, key=lambda job: job.id) == [job for group in by_type.values() for job in group]
            for name, group in by_type.items():
                assert [job for job in order if job.resource_type == name] == group


def test_a_type_that_has_nothing_comes_first_however_many_jobs_of_others_wait() -> None:
    """One MCORE job behind ten thousand SCORE jobs of higher priority is not forgotten."""
    by_type = {"SCORE": jobs("SCORE", 500, 0, priority=9), "MCORE": jobs("MCORE", 1, 9000)}
    assert partitioned(by_type, {"SCORE": 10_000, "MCORE": 1}, {"SCORE": 40}, {})[0].resource_type == "MCORE"


def test_places_are_shared_out_as_jobs_wait_and_weights_say() -> None:
    by_type = {"SCORE": jobs("SCORE", 90, 0), "MCORE": jobs("MCORE", 30, 1000)}
    waiting = {"SCORE": 90, "MCORE": 30}
    assert Counter(job.resource_type for job in partitioned(by_type, waiting, {}, {})[:40]) == {"SCORE": 30, "MCORE": 10}
    assert Counter(job.resource_type for job in partitioned(by_type, waiting, {}, {"MCORE": 3})[:40]) == {"SCORE": 20, "MCORE": 20}
    held = {"SCORE": 30}
    assert Counter(job.resource_type for job in partitioned(by_type, waiting, held, {})[:10]) == {"MCORE": 10}


def test_a_partition_is_told_in_words() -> None:
    assert shares_in_words({"SCORE": 30, "MCORE": 10}, {"SCORE": 2}, {"MCORE": 3}) == [
        "dynamicPartition MCORE: 10 jobs wait x weight 3 = 50% of new workers; it has 0 workers",
        "dynamicPartition SCORE: 30 jobs wait x weight 1 = 50% of new workers; it has 2 workers",
    ]
