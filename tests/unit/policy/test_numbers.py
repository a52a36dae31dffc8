"""How many jobs to fetch and workers to make: every formula over small ranges, and what the existing Harvester gets wrong."""
from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import pytest

from harvester_hpc.model.job import JobState
from harvester_hpc.model.limits import Limits, QueueStatus, Quota, TypeLimits
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, WorkerState
from harvester_hpc.policy.fetching import WAITING, JobCount, by_state, jobs_by_type, jobs_to_fetch, labels_to_ask
from harvester_hpc.policy.packing import workers_to_make
from harvester_hpc.policy.reckoning import quota_left

J, W = JobState, WorkerState
BIG = 10**6


def queue(limits: dict[str, Any] | None = None, **attributes: Any) -> Queue:
    return Queue(name="Q", limits=Limits(**(limits or {})), **attributes)


def jobs(waiting: int, running: int = 0, cores: int = 1) -> list[JobCount]:
    numbers = ((J.PREPARED, waiting), (J.RUNNING, running))
    return [JobCount(state=state, number=number, cores=number * cores) for state, number in numbers if number]


@pytest.mark.parametrize("waits", sorted(WAITING))
@pytest.mark.parametrize("limit", range(5))
def test_a_full_queue_is_never_overfilled_whatever_is_fetched_how_often(limit: int, waits: JobState) -> None:
    """The existing Harvester asks for the limit itself while one place is free, and ends with nearly twice as many."""
    there = 0
    for _ in range(4):
        there += jobs_to_fetch(queue(limit_jobs=limit), [JobCount(state=waits, number=there)] if there else [], BIG).number
    assert there == limit


def test_a_ratio_is_a_part_of_what_runs_between_its_bounds() -> None:
    for running, ratio, least, most, waiting in itertools.product(
        range(0, 12, 3), (0, 50, 100, 250), (0, 1, 4), (None, 0, 3, 9), (0, 2, 5),
    ):
        quota = Quota(ratio=ratio, least=least, most=most)
        allowed = max(least, running * ratio // 100)
        allowed = allowed if most is None else min(allowed, most)
        expected = max(0, allowed - waiting)
        assert jobs_to_fetch(queue({"jobs": quota}, limit_jobs=1), jobs(waiting, running), BIG).number == expected
        counts = {W.SUBMITTED: waiting, W.RUNNING: running}
        assert workers_to_make(queue({"workers": quota}, limit_queued_workers=1), counts, BIG).number == expected


def test_with_a_ratio_the_most_counts_which_the_existing_harvester_ignores() -> None:
    limited = queue({"jobs": Quota(ratio=200, most=7)}, limit_jobs=1000)
    assert jobs_to_fetch(limited, jobs(0, 100), BIG).number == 7


def test_an_empty_queue_with_a_ratio_begins_with_one_job() -> None:
    assert jobs_to_fetch(queue({"jobs": Quota(ratio=10)}, limit_jobs=100), [], BIG).number == 1


def test_nothing_in_the_store_counts_as_zero_cores_and_stops_no_queue() -> None:
    """In the existing Harvester a sum over nothing is NULL, and then no queue at all fetches or submits."""
    assert jobs_to_fetch(queue({"job_cores": Quota(limit=64)}, limit_jobs=10), [], BIG).number == 1


@pytest.mark.parametrize(("limit", "waiting", "cores"), [*itertools.product(range(0, 40, 8), range(4), (1, 8, 16))])
def test_cores_of_waiting_jobs_keep_to_their_limit(limit: int, waiting: int, cores: int) -> None:
    fetched = jobs_to_fetch(queue({"job_cores": Quota(limit=limit)}, limit_jobs=BIG), jobs(waiting, 1, cores), BIG).number
    room = max(0, limit - waiting * cores)
    too_big = bool(limit and not waiting and cores > limit)
    assert fetched == (1 if too_big else room // cores)


def test_cores_may_wait_in_proportion_to_those_that_run() -> None:
    quota = Quota(ratio=50, least=8, most=100)
    for running, expected in ((0, 1), (4, 2), (10, 5), (1000, 12)):
        limited = queue({"job_cores": quota}, limit_jobs=BIG)
        assert jobs_to_fetch(limited, jobs(0, running, 8), BIG).number == (expected if running else 1)


@pytest.mark.parametrize("status", QueueStatus)
def test_a_status_stops_what_it_says_and_nothing_else(status: QueueStatus) -> None:
    fetches = jobs_to_fetch(queue(limit_jobs=3, status=status), [], BIG).number
    makes = workers_to_make(queue(limit_queued_workers=3, status=status), {}, BIG).number
    assert (fetches, makes) == {
        QueueStatus.ONLINE: (3, 3), QueueStatus.TEST: (3, 3), QueueStatus.STANDBY: (3, 0), QueueStatus.OFFLINE: (0, 0),
        QueueStatus.MAINTENANCE: (0, 0),
    }[status]
    assert labels_to_ask(queue(label="user", status=status), 0.5) == (("test",) if status is QueueStatus.TEST else ("user",))


def test_a_maximum_of_workers_that_is_not_said_stops_nothing() -> None:
    """In the existing Harvester the default of maxWorkers is 0, and without nQueueLimitWorker nothing is ever submitted."""
    assert workers_to_make(queue(limit_queued_workers=10, max_workers=0), {W.RUNNING: BIG}, BIG).number == 10


def test_workers_never_pass_any_limit() -> None:
    for waiting, running, limit, most, cycle, wished in itertools.product(range(3), range(3), range(4), range(5), range(3), (None, 0, 2)):
        counts = {W.PLANNED: waiting // 2, W.SUBMITTED: waiting - waiting // 2, W.RUNNING: running}
        made = workers_to_make(queue(limit_queued_workers=limit, max_workers=most, max_new_workers=cycle), counts, BIG, wished).number
        rooms = [limit - waiting, most - waiting - running if most else BIG, cycle or BIG, BIG if wished is None else wished]
        assert made == max(0, min(rooms))


def test_the_arithmetic_names_each_limit_with_its_numbers_and_the_result() -> None:
    reckoning = workers_to_make(queue(limit_queued_workers=5, max_workers=9), {W.SUBMITTED: 2, W.RUNNING: 3}, 500, 7)
    assert reckoning.lines == (
        "nQueueLimitWorker 5 - 2 workers waiting = 3", "maxWorkers 9 - 2 waiting - 3 running = 4", "runMode slave: 7 more are wished",
        "in one round at most 500", "so 3 workers to make",
    )
    ratio = quota_left(Quota(ratio=50, least=2, most=8), "nQueueLimitJob", "jobs", 1, 10)
    assert ratio is not None
    assert ratio.words == "nQueueLimitJobRatio 50 % of 10 jobs running = 5, at least 2, at most 8: 5 - 1 jobs waiting = 4"


def test_workers_that_fetch_their_jobs_themselves_leave_none_to_us() -> None:
    assert jobs_to_fetch(queue(map_type=MapType.NO_JOB), list(by_state({})), BIG).number == 0


def test_labels_are_drawn_as_their_weights_say_and_the_rest_is_the_queues_own() -> None:
    drawn = queue(label="managed", label_weights={"rc_test": 150, "rc_test2": 200, "rc_alrb": 250})
    said = Counter(labels_to_ask(drawn, place / 1000) for place in range(1000))
    assert said == {("rc_test",): 150, ("rc_test2",): 200, ("rc_alrb",): 250, ("managed",): 400}


def test_labels_that_come_first_are_asked_for_first_and_each_once() -> None:
    assert labels_to_ask(queue(label="managed", labels_first=("ptest", "managed", "user")), 0.5) == ("ptest", "managed", "user")


@pytest.mark.parametrize(("score", "mcore", "wanted"), [*itertools.product(range(4), range(4), range(8))])
def test_of_each_type_only_what_its_limit_leaves_is_fetched(score: int, mcore: int, wanted: int) -> None:
    limited = queue({"types": {"SCORE": TypeLimits(jobs=2), "MCORE": TypeLimits(jobs=3), "HIMEM": TypeLimits(workers=1)}})
    counts = [JobCount(state=J.PREPARED, resource_type=name, number=number) for name, number in (("SCORE", score), ("MCORE", mcore))]
    made = {name: one.number for name, one in jobs_by_type(limited, counts, wanted).items()}
    assert set(made) == {"SCORE", "MCORE"}
    assert made["SCORE"] <= max(0, 2 - score) and made["MCORE"] <= max(0, 3 - mcore)
    assert sum(made.values()) == min(wanted, max(0, 2 - score) + max(0, 3 - mcore))
