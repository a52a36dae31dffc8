"""The job fetcher and the submitter keep to the limits of the queue."""
from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import JobState
from harvester_hpc.model.limits import Limits, QueueStatus, Quota, TypeLimits
from harvester_hpc.model.turn import JOB_FETCHER
from harvester_hpc.model.worker import MapType, WorkerState
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.throttler import Throttling
from harvester_hpc.store import holdback, wish
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.testing.fakes import FakeThrottler
from tests.unit.agents.test_pipeline import Worlds
from tests.unit.agents.test_pipeline import worlds as worlds
from tests.unit.agents.world import World


def asked(world: World) -> list[tuple[str, int, dict[str, str]]]:
    """Return (label, number, criteria) of the questions for jobs since the last time."""
    questions = list(world.communicator.questions)
    world.communicator.questions.clear()
    return questions


def of(world: World, state: JobState) -> int:
    with world.database.read() as connection:
        return jobs.queue_counts(connection, "Q").get(state, 0)


def test_with_a_ratio_a_queue_fills_as_its_jobs_run(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=50, instant=False, queue={"limits": Limits(jobs=Quota(ratio=100, least=2, most=5))})
    for waits, runs in ((2, 0), (2, 2), (4, 4)):
        world.later(60.0)
        assert (of(world, JobState.SUBMITTED), of(world, JobState.RUNNING)) == (waits, runs)
        for key in list(world.batch.keys()):
            world.batch.start(key)
    world.later(60.0)
    assert of(world, JobState.SUBMITTED) == 5


@pytest.mark.parametrize(("status", "fetched", "submitted"), [
    (QueueStatus.OFFLINE, 0, 0), (QueueStatus.MAINTENANCE, 0, 0), (QueueStatus.STANDBY, 4, 0), (QueueStatus.TEST, 4, 4),
])
def test_a_status_stops_what_it_says(worlds: Worlds, status: QueueStatus, fetched: int, submitted: int) -> None:
    world = worlds(jobs_waiting=9, instant=False, queue={"status": status, "limit_jobs": 4})
    world.settle()
    assert {label for label, _, _ in asked(world)} == ({"test"} if status is QueueStatus.TEST else {"managed"} if fetched else set())
    assert (len(world.communicator.states) - world.communicator.counts()["activated"], len(world.batch.submissions)) == (fetched, submitted)


def test_workers_under_way_go_on_when_the_queue_goes_offline(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2, instant=False)
    world.settle()
    object.__setattr__(world.house.queues["Q"].queue, "status", QueueStatus.OFFLINE)
    world.communicator.add_jobs(1)
    for key in list(world.batch.keys()):
        world.batch.start(key)
        world.batch.end(key)
    world.later(60.0)
    world.later(60.0)
    assert world.communicator.counts()["finished"] == 2
    assert world.worker(1).state is WorkerState.FINISHED


def test_labels_are_asked_for_in_their_order_until_there_are_enough(worlds: Worlds) -> None:
    queue = {"limit_jobs": 5, "labels_first": ("ptest", "rc_test"), "label_weights": {"user": 999}}
    world = worlds(jobs_waiting=3, queue=queue)
    world.run(JOB_FETCHER)
    assert asked(world) == [("ptest", 5, {}), ("rc_test", 2, {}), ("user", 2, {})]
    assert of(world, JobState.FETCHED) == 3


def test_no_other_label_is_asked_for_while_there_may_be_more_of_the_first(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=9, queue={"limit_jobs": 5, "labels_first": ("ptest",)})
    world.communicator.gives_once = 2
    world.restart()
    world.run(JOB_FETCHER)
    assert asked(world) == [("ptest", 2, {})]


def test_jobs_are_asked_for_by_type_of_resources_where_the_queue_limits_them(worlds: Worlds) -> None:
    types = {"SCORE": TypeLimits(jobs=2), "MCORE": TypeLimits(jobs=3)}
    world = worlds(queue={"limit_jobs": 4, "limits": Limits(types=types), "criteria": {"job_type": "user"}})
    for resource_type in ("SCORE", "MCORE", "HIMEM"):
        world.communicator.add_jobs(9, resource_type=resource_type)
    world.run(JOB_FETCHER)
    assert asked(world) == [
        ("managed", 3, {"job_type": "user", "resource_type": "MCORE"}), ("managed", 1, {"job_type": "user", "resource_type": "SCORE"}),
    ]
    world.clock.advance(60.0)
    world.run(JOB_FETCHER)
    assert asked(world) == []


def test_jobs_are_asked_for_by_the_cores_that_are_left(worlds: Worlds) -> None:
    world = worlds(instant=False, queue={"limits": Limits(job_cores=Quota(limit=40))})
    world.communicator.add_jobs(20, coreCount=8)
    numbers: list[Any] = []
    for _ in range(3):
        world.run(JOB_FETCHER)
        numbers += [number for _, number, _ in asked(world)]
        world.clock.advance(60.0)
    assert numbers == [1, 4]  # the first one tells how big they are


def mixed(world: World, **numbers: int) -> None:
    """Add jobs of several types of resources; the first ones named have the highest priority."""
    for place, (resource_type, number) in enumerate(numbers.items()):
        world.communicator.add_jobs(number, resource_type=resource_type, currentPriority=100 - place)


def made(world: World) -> Counter[str]:
    """Return how many workers of each type of resources go on."""
    with world.database.read() as connection:
        return sum((Counter({one[2]: one[3]}) for one in workers.queue_amounts(connection, "Q")), Counter[str]())


def held(world: World) -> list[str]:
    with world.database.read() as connection:
        return [one.why for one in holdback.holdbacks(connection)]


def test_a_type_that_is_full_lets_others_by_and_status_says_so(worlds: Worlds) -> None:
    types = {"SCORE": TypeLimits(queued_workers=2)}
    world = worlds(instant=False, queue={"limit_queued_workers": 6, "limits": Limits(types=types)})
    mixed(world, SCORE=9, MCORE=3)
    world.settle()
    assert made(world) == {"SCORE": 2, "MCORE": 3}
    world.later(60.0)
    assert held(world) == ["resourceTypeLimits SCORE queuedWorkers 2 - 2 workers waiting = 0; one more takes 1"]
    for key in list(world.batch.keys()):
        world.batch.start(key)
    world.later(60.0)
    assert made(world) == {"SCORE": 4, "MCORE": 3}


def test_workers_keep_to_the_cores_that_may_wait_and_none_passes_another(worlds: Worlds) -> None:
    world = worlds(instant=False, cores=8, queue={"limits": Limits(worker_cores=Quota(limit=20))})
    mixed(world, SCORE=5)
    world.settle()
    assert made(world) == {"SCORE": 2}
    world.later(60.0)
    assert held(world) == ["nQueueLimitWorkerCores 20 - 16 cores waiting = 4; one more takes 8"]


def test_workers_are_shared_out_by_what_waits(worlds: Worlds) -> None:
    world = worlds(instant=False, queue={"limit_queued_workers": 8, "limits": Limits(shares={})})
    mixed(world, SCORE=30, MCORE=10)
    world.settle()
    assert made(world) == {"SCORE": 6, "MCORE": 2}


def test_without_a_partition_the_highest_priority_takes_all(worlds: Worlds) -> None:
    world = worlds(instant=False, queue={"limit_queued_workers": 8})
    mixed(world, SCORE=30, MCORE=10)
    world.settle()
    assert made(world) == {"SCORE": 8}


def test_the_limits_of_a_type_hold_for_workers_that_are_wished(worlds: Worlds) -> None:
    limits = Limits(types={"MCORE": TypeLimits(workers=1)})
    world = worlds(instant=False, queue={"map_type": MapType.NO_JOB, "limit_jobs": None, "slave": True, "limits": limits})
    with world.database.write() as write:
        wish.put(write, "Q", {("managed", "SCORE"): 2, ("managed", "MCORE"): 3}, "1")
    world.settle()
    assert made(world) == {"SCORE": 2, "MCORE": 1}
    assert "resourceTypeLimits MCORE workers 1" in held(world)[0]


def test_a_queue_that_makes_no_workers_says_why(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, queue={"status": QueueStatus.STANDBY})
    world.settle()
    assert held(world) == ["queueStatus standby"]
    assert world.job(1).state is JobState.PREPARED


def throttled(world: World, why: str) -> FakeThrottler:
    plugins = world.house.queues["Q"]
    context = Context(instance="test", tag="abcde", state_dir=world.inbox, facility=Facility(name="f", scheduler="local"))
    throttler = FakeThrottler(FakeThrottler.Settings(why=why), context)
    world.house = replace(world.house, queues={"Q": replace(plugins, throttler=throttler)})
    world.restart()
    return throttler


@pytest.mark.parametrize("queue", [{}, {"map_type": MapType.NO_JOB, "limit_jobs": None, "limit_queued_workers": 1}])
def test_a_throttled_queue_makes_no_workers_and_says_why_until_it_is_no_longer(worlds: Worlds, queue: dict[str, Any]) -> None:
    world = worlds(jobs_waiting=1, instant=False, queue=queue)
    throttler = throttled(world, "too many failures")
    world.settle()
    assert (made(world), held(world), world.troubles()) == ({}, ["throttled: too many failures"], [])
    throttler.answer = Throttling(is_on=False)
    world.later(60.0)
    assert (sum(made(world).values()), held(world)) == (1, [])


def test_a_throttler_that_does_not_answer_is_a_trouble_with_a_clock_and_makes_no_workers(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    throttler = throttled(world, "")
    throttler.faults.fail("to_be_throttled", 9)
    world.settle()
    assert made(world) == {}
    assert [(agent, queue) for agent, queue, _ in world.troubles()] == [("submitter", "Q")]


def test_a_queue_that_has_no_jobs_asks_no_throttler(worlds: Worlds) -> None:
    world = worlds(instant=False)
    throttler = throttled(world, "")
    world.settle()
    assert throttler.asked == 0
