"""How one job of a worker with many is judged, over all that worker and job can say."""
from __future__ import annotations

from itertools import product
from typing import Any

import pytest

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState, Outcome
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.policy.verdict import is_settled, verdict_of_one
from harvester_hpc.ports.batch import Seen

W = WorkerState
STATES = (W.RUNNING, W.FINISHED, W.FAILED, W.CANCELLED)
SAID = ("finished", "failed", None)


def a_job(*files: File, **fields: Any) -> Job:
    return Job(**{"id": JobId(1), "queue": "Q", "state": JobState.RUNNING, "files": files, **fields})


def a_file(kind: FileKind, state: FileState) -> File:
    return File(job_id=1, kind=kind, lfn=f"a.{kind}", state=state)


@pytest.mark.parametrize(("state", "said", "there", "cancel"), list(product(STATES, SAID, (True, False), ("", "enough"))))
def test_only_the_jobs_own_word_makes_it_finished(state: WorkerState, said: str | None, there: bool, cancel: str) -> None:
    files = (a_file(FileKind.OUTPUT, FileState.DEFINED if there else FileState.EXPECTED),)
    outcome, why = verdict_of_one(a_job(cancel=cancel), Seen(state=state, why="TIMEOUT"), said, {}, files)
    if cancel:
        assert (outcome, why) == (Outcome.CANCELLED, cancel)
    elif said == "finished" and there:
        assert (outcome, why) == (Outcome.FINISHED, "")
    else:
        assert outcome is Outcome.FAILED and why, "a job that failed says why"


@pytest.mark.parametrize("state", STATES)
def test_the_payloads_words_are_its_own_unless_somebody_else_ended_it(state: WorkerState) -> None:
    own = verdict_of_one(a_job(), Seen(state=state, why="TIMEOUT"), "failed", {"exeErrorDiag": "exit code 65"}, ())
    assert own == (Outcome.FAILED, "exit code 65")
    outcome, why = verdict_of_one(a_job(), Seen(state=state, why="TIMEOUT"), "failed", {"exeErrorDiag": "killed by signal SIGTERM"}, ())
    assert outcome is (Outcome.CANCELLED if state is W.CANCELLED else Outcome.FAILED)
    assert ("TIMEOUT" in why) is (state in (W.FAILED, W.CANCELLED))


@pytest.mark.parametrize(("said", "log", "output"), list(product(SAID, *[(FileState.EXPECTED, FileState.DEFINED)] * 2)))
def test_a_job_is_judged_while_its_worker_runs_when_its_files_are_declared(said: str | None, log: FileState, output: FileState) -> None:
    job = a_job(a_file(FileKind.LOG, log), a_file(FileKind.OUTPUT, output))
    wanted = said is not None and log is FileState.DEFINED and (said == "failed" or output is FileState.DEFINED)
    assert is_settled(job, said) is wanted


def test_who_was_told_to_end_waits_for_the_end_of_its_worker() -> None:
    told = {"exeErrorDiag": "killed by signal SIGTERM"}
    assert not is_settled(a_job(attributes=told), "failed")
    assert is_settled(a_job(attributes=told, cancel="enough"), "failed")
