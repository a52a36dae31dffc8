"""Why a job did not end well, as one word: it says the same as the verdict's words."""
from __future__ import annotations

import itertools
from typing import Any

import pytest

from harvester_hpc.model.cause import FROM_OUTSIDE, Cause
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState, Outcome
from harvester_hpc.model.worker import ENDS, WorkerState
from harvester_hpc.policy.causes import cause_of, cause_of_one
from harvester_hpc.policy.verdict import verdict, verdict_of_one
from harvester_hpc.ports.batch import Seen

W = WorkerState
SIGTERM = {"exeErrorDiag": "killed by signal SIGTERM", "transExitCode": 143}
OWN = {"exeErrorDiag": "no such geometry", "transExitCode": 65}
MISSING = [File(job_id=1, kind=FileKind.OUTPUT, lfn="out", state=FileState.EXPECTED)]


def _cause(seen: Seen, said: str | None, told: dict[str, Any], files: list[File], *, cancel: str = "", one: bool = False) -> Cause:
    job = Job(id=JobId(1), queue="Q", state=JobState.RUNNING, cancel=cancel)
    if one:
        return cause_of_one(verdict_of_one(job, seen, said, told, files)[0], job, seen, said, told)
    return cause_of(verdict(job, seen, said, told, files)[0], job, seen, said)


@pytest.mark.parametrize(("seen", "said", "told", "cause"), [
    (Seen(state=W.FAILED, cause=Cause.TIME_LIMIT), "failed", SIGTERM, Cause.TIME_LIMIT),
    (Seen(state=W.FAILED, cause=Cause.OUT_OF_MEMORY), "failed", OWN, Cause.OUT_OF_MEMORY),
    (Seen(state=W.FAILED, cause=Cause.NODE_FAILURE), None, {}, Cause.NODE_FAILURE),
    (Seen(state=W.FAILED, cause=Cause.WORKER), "failed", OWN, Cause.PAYLOAD),
    (Seen(state=W.FINISHED), "failed", OWN, Cause.PAYLOAD),
    (Seen(state=W.FAILED, cause=Cause.WORKER), None, {}, Cause.WORKER),
    (Seen(state=W.FAILED), None, {}, Cause.WORKER),
    (Seen(state=W.FAILED, cause=Cause.LOST), None, {}, Cause.LOST),
    (Seen(state=W.CANCELLED, cause=Cause.KILLED), "failed", SIGTERM, Cause.KILLED),
    (Seen(state=W.CANCELLED), None, {}, Cause.BATCH_KILL),
    (Seen(state=W.FINISHED), "finished", {}, Cause.MISSING_OUTPUT),
    (Seen(state=W.FINISHED), None, {}, Cause.MISSING_OUTPUT),
])
def test_the_batch_systems_cause_comes_before_the_payloads(seen: Seen, said: str | None, told: dict[str, Any], cause: Cause) -> None:
    assert _cause(seen, said, told, MISSING) is cause


@pytest.mark.parametrize(("seen", "said", "told", "cause"), [
    (Seen(state=W.RUNNING), "failed", OWN, Cause.PAYLOAD),
    (Seen(state=W.RUNNING), "finished", {}, Cause.MISSING_OUTPUT),
    (Seen(state=W.FAILED, cause=Cause.TIME_LIMIT), "failed", OWN, Cause.PAYLOAD),
    (Seen(state=W.FAILED, cause=Cause.TIME_LIMIT), "failed", SIGTERM, Cause.TIME_LIMIT),
    (Seen(state=W.FAILED, cause=Cause.NODE_FAILURE), None, {}, Cause.NODE_FAILURE),
    (Seen(state=W.FAILED, cause=Cause.WORKER), None, {}, Cause.LOST),
    (Seen(state=W.FINISHED), None, {}, Cause.LOST),
    (Seen(state=W.CANCELLED), "failed", SIGTERM, Cause.BATCH_KILL),
    (Seen(state=W.CANCELLED, cause=Cause.KILLED), "failed", SIGTERM, Cause.KILLED),
])
def test_of_one_job_of_many_the_workers_end_is_the_cause_only_if_it_took_it_down(
    seen: Seen, said: str | None, told: dict[str, Any], cause: Cause
) -> None:
    assert _cause(seen, said, told, MISSING, one=True) is cause


@pytest.mark.parametrize("one", [False, True])
def test_every_bad_end_has_a_cause_and_no_good_one(one: bool) -> None:
    states = [*ENDS, W.RUNNING] if one else list(ENDS)
    said_of_it = ("finished", "failed", None)
    for state, cause, said, told, files in itertools.product(states, Cause, said_of_it, ({}, OWN, SIGTERM), ([], MISSING)):
        seen = Seen(state=state, cause=cause)
        job = Job(id=JobId(1), queue="Q", state=JobState.RUNNING)
        judge = verdict_of_one if one else verdict
        outcome, _ = judge(job, seen, said, told, files)
        found = _cause(seen, said, told, files, one=one)
        assert (found is Cause.UNKNOWN) == (outcome is Outcome.FINISHED), (seen, said, told, files)


def test_a_job_that_was_cancelled_was_killed_however_its_worker_ended() -> None:
    for cause in FROM_OUTSIDE:
        assert _cause(Seen(state=W.FAILED, cause=cause), "failed", OWN, [], cancel="unwanted") is Cause.KILLED
        assert _cause(Seen(state=W.FAILED, cause=cause), "failed", OWN, [], cancel="unwanted", one=True) is Cause.KILLED
