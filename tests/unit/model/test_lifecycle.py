"""Every state against every state: the table says what is allowed, and steps obey it."""
from __future__ import annotations

from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from harvester_hpc.errors import ForbiddenMove
from harvester_hpc.model.event import EVENT_LIFECYCLE, EVENT_TOLD_AS, WORKER_SAYS, EventState, EventWord
from harvester_hpc.model.file import FILE_LIFECYCLE, FileState
from harvester_hpc.model.job import JOB_LIFECYCLE, TOLD_AS, Job, JobId, JobState, JobStep, Outcome, look_again, step
from harvester_hpc.model.lifecycle import Lifecycle
from harvester_hpc.model.turn import AGENTS, EVENT_TURN, JOB_TURN, WORKER_TURN
from harvester_hpc.model.worker import WORKER_LIFECYCLE, WorkerId, WorkerState, WorkerStep, submit_key

TABLES: list[tuple[Lifecycle[Any], type[StrEnum]]] = [
    (JOB_LIFECYCLE, JobState), (WORKER_LIFECYCLE, WorkerState), (FILE_LIFECYCLE, FileState),
    (EVENT_LIFECYCLE, EventState),
]

#: Every allowed move of a job, written out a second time: a change of the table has to be meant.
JOB_MOVES = {
    ("fetched", "preparing"), ("fetched", "prepared"), ("fetched", "failed"), ("fetched", "cancelled"),
    ("preparing", "fetched"), ("preparing", "prepared"), ("preparing", "failed"), ("preparing", "cancelled"),
    ("prepared", "submitted"), ("prepared", "failed"), ("prepared", "cancelled"),
    ("submitted", "running"), ("submitted", "prepared"), ("submitted", "to_transfer"), ("submitted", "failed"), ("submitted", "cancelled"),
    ("running", "submitted"), ("running", "to_transfer"), ("running", "failed"), ("running", "cancelled"),
    ("to_transfer", "transferring"), ("to_transfer", "finished"), ("to_transfer", "failed"), ("to_transfer", "cancelled"),
    ("transferring", "to_transfer"), ("transferring", "finished"), ("transferring", "failed"), ("transferring", "cancelled"),
}
WORKER_MOVES = {
    ("planned", "submitted"), ("planned", "missed"), ("planned", "cancelled"),
    ("submitted", "running"), ("submitted", "finished"), ("submitted", "failed"), ("submitted", "cancelled"),
    ("running", "submitted"), ("running", "finished"), ("running", "failed"), ("running", "cancelled"),
}


EVENT_MOVES = {
    ("leased", "fed"), ("leased", "finished"), ("leased", "zipped"), ("leased", "staged"), ("leased", "failed"), ("leased", "fatal"),
    ("leased", "returned"),
    ("fed", "leased"), ("fed", "finished"), ("fed", "zipped"), ("fed", "staged"), ("fed", "failed"), ("fed", "fatal"), ("fed", "returned"),
    ("finished", "zipped"), ("finished", "failed"), ("finished", "returned"),
    ("zipped", "staged"), ("zipped", "failed"), ("zipped", "returned"),
    ("staged", "done"), ("staged", "dropped"), ("failed", "dropped"), ("fatal", "dropped"),
}


def a_job(state: JobState) -> Job:
    return Job(id=JobId(1), queue="Q", state=state, outcome=Outcome.FINISHED)


@pytest.mark.parametrize(("before", "after"), list(product(JobState, JobState)))
def test_a_job_moves_as_the_table_says(before: JobState, after: JobState) -> None:
    assert JOB_LIFECYCLE.allows(before, after) == ((before, after) in JOB_MOVES)
    if before is after:
        return
    if (before, after) in JOB_MOVES:
        assert step(a_job(before), after, 10.0).after is after
        return
    with pytest.raises(ForbiddenMove, match=f"from {before} to {after}"):
        step(a_job(before), after, 10.0)


@pytest.mark.parametrize(("before", "after"), list(product(WorkerState, WorkerState)))
def test_a_worker_moves_as_the_table_says(before: WorkerState, after: WorkerState) -> None:
    assert WORKER_LIFECYCLE.allows(before, after) == ((before, after) in WORKER_MOVES)
    if before is after or (before, after) in WORKER_MOVES:
        WorkerStep(worker_id=WorkerId(1), before=before, after=after, due=None)
        return
    with pytest.raises(ForbiddenMove):
        WorkerStep(worker_id=WorkerId(1), before=before, after=after, due=None)


@pytest.mark.parametrize(("before", "after"), list(product(EventState, EventState)))
def test_an_event_range_moves_as_the_table_says(before: EventState, after: EventState) -> None:
    assert EVENT_LIFECYCLE.allows(before, after) == ((before, after) in EVENT_MOVES)


@pytest.mark.parametrize("after", EventState)
def test_a_worker_says_no_more_than_it_can_know(after: EventState) -> None:
    if after in WORKER_SAYS:
        assert EventWord(range_id="r", after=after).after is after
        assert after is EventState.LEASED or EVENT_LIFECYCLE.allows(EventState.LEASED, after)
        assert EVENT_LIFECYCLE.allows(EventState.FED, after)
        return
    if EVENT_LIFECYCLE.allows(EventState.FED, after):
        return  # the end of a job, no word of a worker
    with pytest.raises(ForbiddenMove):
        EventWord(range_id="r", after=after)


def test_every_event_state_that_is_not_final_belongs_to_one_agent() -> None:
    assert set(EVENT_TURN) == set(EventState) - EVENT_LIFECYCLE.final
    assert set(EVENT_TURN.values()) <= set(AGENTS)
    assert {state for state in EventState if EVENT_TURN.get(state) == "propagator"} == set(EVENT_TOLD_AS)


@pytest.mark.parametrize(("lifecycle", "states"), TABLES)
def test_every_state_stands_in_its_table(lifecycle: Lifecycle[Any], states: type[StrEnum]) -> None:
    assert set(lifecycle.moves) == set(states)


@pytest.mark.parametrize(("lifecycle", "states"), TABLES)
def test_every_state_that_is_not_final_leads_to_an_end(lifecycle: Lifecycle[Any], states: type[StrEnum]) -> None:
    for state in states:
        reached, fresh = set(), {state}
        while fresh:
            reached |= fresh
            fresh = {following for one in fresh for following in lifecycle.moves[one]} - reached
        assert reached & lifecycle.final


def test_every_job_state_that_is_not_final_belongs_to_one_agent() -> None:
    assert set(JOB_TURN) == set(JobState) - JOB_LIFECYCLE.final
    assert set(WORKER_TURN) == set(WorkerState) - WORKER_LIFECYCLE.final
    assert {*JOB_TURN.values(), *WORKER_TURN.values()} <= set(AGENTS)


def test_the_workload_management_system_knows_every_word_that_it_is_told() -> None:
    assert set(TOLD_AS) == set(JobState)
    assert set(TOLD_AS.values()) == {"starting", "running", "transferring", "finished", "failed"}


def test_a_report_is_made_when_the_word_for_outside_changes() -> None:
    assert not step(a_job(JobState.FETCHED), JobState.PREPARED, 1.0).report
    assert step(a_job(JobState.SUBMITTED), JobState.RUNNING, 1.0).report
    assert not step(a_job(JobState.TO_TRANSFER), JobState.TRANSFERRING, 1.0).report
    assert step(a_job(JobState.TRANSFERRING), JobState.FINISHED, 1.0).report


def test_a_final_state_has_nobody_who_looks_at_it() -> None:
    assert step(a_job(JobState.TO_TRANSFER), JobState.FINISHED, 1.0, due=5.0).due is None


def test_a_step_keeps_reason_and_outcome_if_nothing_is_said() -> None:
    job = Job(id=JobId(1), queue="Q", state=JobState.TO_TRANSFER, why="a reason", outcome=Outcome.FAILED)
    made = step(job, JobState.TRANSFERRING, 1.0)
    assert (made.why, made.outcome) == ("a reason", Outcome.FAILED)


def test_a_failed_try_is_counted_and_a_look_is_not() -> None:
    job = Job(id=JobId(1), queue="Q", state=JobState.PREPARING, tries=2)
    assert look_again(job, 9.0).tries == 2
    assert look_again(job, 9.0, failed_try=True, why="no answer").tries == 3


def test_a_step_that_stays_needs_no_entry_in_the_table() -> None:
    made = JobStep(job_id=JobId(1), before=JobState.FETCHED, after=JobState.FETCHED, due=3.0)
    assert made.due == 3.0


@pytest.mark.parametrize("number", [1, 35, 36, 46655, 46656, 36**8 - 1])
def test_the_name_of_a_batch_job_fits_old_pbs_and_is_unique(number: int) -> None:
    key = submit_key("ab1z9", number)
    assert len(key) <= 15
    assert int(key.partition("-")[2], 36) == number
    assert set(key) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
