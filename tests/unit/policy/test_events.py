"""Decisions about event ranges and jobs with several workers."""
from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from harvester_hpc.messenger.values import DeclaredFile, EventUpdate, News
from harvester_hpc.model.event import EventId, EventState, has_events
from harvester_hpc.model.job import JobState, Outcome
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.policy.event_feeding import MOST_RANGES, asked_for, prefetched
from harvester_hpc.policy.event_packing import MOST_MEMBERS, bunches
from harvester_hpc.policy.event_words import words_of
from harvester_hpc.policy.shared_job import ALIVE, outcome_of, state_of, workers_to_add


@pytest.mark.parametrize(("said", "meant"), [("True", True), ("true", True), (True, True), ("False", False), ("", False), (None, False)])
def test_a_job_with_events_is_known_by_its_dictionary(said: Any, meant: bool) -> None:
    assert has_events({"eventService": said}) is meant
    assert not has_events({})


@pytest.mark.parametrize(("asked", "given"), [
    (10, 10), ("10", 10), (0, 1), (-5, 1), (10**30, MOST_RANGES), (True, 1), (None, 1), ([], 1), (1.5, 1), ("x", 1), ("9" * 30, 1),
])
def test_nonsense_asks_for_one_range(asked: Any, given: int) -> None:
    assert asked_for({"nRanges": asked}) == given
    assert asked_for({}) == 1


@pytest.mark.parametrize(("cores", "jobs", "job_cores", "times", "ranges"), [
    (128, 1, 1, 2, 256), (128, 3, 1, 2, 86), (1, 1, 8, 2, 16), (0, 0, 0, 2, 1), (10**9, 1, 1, 10**9, MOST_RANGES),
])
def test_a_worker_gets_ranges_for_its_cores(cores: int, jobs: int, job_cores: int, times: int, ranges: int) -> None:
    assert prefetched(cores, jobs, job_cores, times) == ranges


def rows(*sizes: int) -> list[tuple[EventId, int]]:
    return [(EventId(number), size) for number, size in enumerate(sizes)]


def test_a_zip_is_full_at_its_size_and_the_rest_waits() -> None:
    waiting = rows(600_000, 600_000, 10, 2_000_000, 5)
    assert bunches(waiting, 1, all_of_it=False) == [[0, 1], [2, 3]]
    assert bunches(waiting, 1, all_of_it=True) == [[0, 1], [2, 3], [4]]
    assert bunches([], 1, all_of_it=True) == []


def test_a_zip_has_no_more_members_than_allowed() -> None:
    found = bunches(rows(*[0] * (MOST_MEMBERS + 1)), 1, all_of_it=True)
    assert [len(part) for part in found] == [MOST_MEMBERS, 1]


STATES = list(WorkerState)


@pytest.mark.parametrize("states", [pair for size in (1, 2, 3) for pair in product(STATES, repeat=size)])
def test_a_job_stands_and_ends_by_all_its_workers(states: tuple[WorkerState, ...]) -> None:
    if any(state in ALIVE for state in states):
        running = any(state is WorkerState.RUNNING for state in states)
        assert state_of(states) is (JobState.RUNNING if running else JobState.SUBMITTED)
        return
    assert state_of(states) is None
    ended = set(states) - {WorkerState.MISSED}
    if WorkerState.FINISHED in ended:
        assert outcome_of(states) is Outcome.FINISHED
    elif WorkerState.FAILED in ended or not ended:
        assert outcome_of(states) is Outcome.FAILED
    else:
        assert outcome_of(states) is Outcome.CANCELLED


@pytest.mark.parametrize(("states", "at_once", "added"), [
    ((), 2, 2), ((WorkerState.RUNNING,), 2, 1), ((WorkerState.RUNNING, WorkerState.PLANNED), 2, 0), ((WorkerState.FAILED,) * 3, 2, 1),
    ((WorkerState.FAILED,) * 4, 2, 0), ((WorkerState.MISSED,) * 9, 2, 2), ((), 9, 3),
])
def test_a_job_gets_workers_within_the_limits_of_its_queue(states: tuple[WorkerState, ...], at_once: int, added: int) -> None:
    queue = Queue(name="Q", workers_per_job_in_total=4, workers_per_job_per_cycle=3)
    assert workers_to_add(queue, states, at_once, has_work=True) == added
    assert workers_to_add(queue, states, at_once, has_work=False) == 0


def file(kind: str, status: str, job_id: int = 1) -> DeclaredFile:
    return DeclaredFile(job_id=job_id, lfn="o", path="/o", kind=kind, size=3, checksum="ad:1", event_range_id="r", event_status=status)


@pytest.mark.parametrize(("kind", "status", "after"), [
    ("es_output", "finished", EventState.FINISHED), ("zip_output", "finished", EventState.ZIPPED),
    ("output", "finished", EventState.STAGED),
    ("es_output", "failed", EventState.FAILED), ("es_output", "fatal", EventState.FATAL),
])
def test_a_declared_output_is_a_word_on_its_range(kind: str, status: str, after: EventState) -> None:
    words, odd = words_of(News(files=(file(kind, status),)), [1])
    assert ([word.after for word in words[1]], odd) == ([after], [])


@pytest.mark.parametrize(("status", "after"), [
    ("finished", EventState.STAGED), ("failed", EventState.FAILED), ("fatal", EventState.FATAL), ("ready", EventState.LEASED),
])
def test_an_update_is_a_word_on_its_range(status: str, after: EventState) -> None:
    words, odd = words_of(News(event_updates={1: (EventUpdate(event_range_id="r", event_status=status),)}), [1])
    assert ([word.after for word in words[1]], odd) == ([after], [])


@pytest.mark.parametrize("status", ["running", "transferring"])
def test_a_range_that_goes_on_is_no_word(status: str) -> None:
    assert words_of(News(event_updates={1: (EventUpdate(event_range_id="r", event_status=status),)}), [1]) == ({}, [])


def test_what_cannot_be_used_is_said() -> None:
    updates = {1: (EventUpdate(event_range_id="r", event_status="odd"),), 3: (EventUpdate(event_range_id="r", event_status="failed"),)}
    news = News(files=(file("es_output", "ready"), file("es_output", "finished", 2)), event_updates=updates)
    words, odd = words_of(news, [1])
    assert (words, len(odd)) == ({}, 4)


def test_an_output_comes_before_a_mere_word() -> None:
    news = News(files=(file("es_output", "finished"),), event_updates={1: (EventUpdate(event_range_id="r", event_status="failed"),)})
    words, _ = words_of(news, [1])
    assert [word.after for word in words[1]] == [EventState.FINISHED, EventState.FAILED]
