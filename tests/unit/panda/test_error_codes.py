"""What went wrong is told with PanDA's own codes, and the batch system's words."""
from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.ports.communicator import JobReport
from harvester_hpc.testing.contracts.communicator import some_worker
from harvester_panda.error_codes import OF_JOBS, OF_WORKERS, worker_code
from harvester_panda.job_reports import item_of
from harvester_panda.worker_reports import item_of as worker_item

FAILED = JobReport(job_id=JobId(7), attempt=1, status="failed", why="time limit reached (killed by signal SIGTERM)")


def _told(cause: Cause, why: str = FAILED.why, **attributes: Any) -> dict[str, Any]:
    return item_of(replace(FAILED, cause=cause, why=why, attributes=attributes))


def test_every_cause_has_a_code_of_the_pilots_range() -> None:
    assert set(OF_JOBS) == set(Cause)
    assert all(1008 <= code <= 1386 for code in OF_JOBS.values())
    assert set(OF_WORKERS) < set(Cause)
    assert all(1000 <= code <= 9_999_999 for code in OF_WORKERS.values())


@pytest.mark.parametrize(("cause", "code"), [
    (Cause.STAGE_IN, 1099), (Cause.STAGE_OUT, 1137), (Cause.TIME_LIMIT, 1213), (Cause.OUT_OF_MEMORY, 1212), (Cause.MISSING_OUTPUT, 1165),
    (Cause.PREEMPTED, 1379), (Cause.KILLED, 1144), (Cause.NODE_FAILURE, 1008), (Cause.SUBMISSION, 1344),
])
def test_a_cause_is_told_beside_what_the_launcher_has_said(cause: Cause, code: int) -> None:
    told = _told(cause, transExitCode=143, exeErrorCode=143, exeErrorDiag="killed by signal SIGTERM")
    assert (told["pilot_error_code"], told["pilot_error_diag"]) == (code, FAILED.why)
    assert (told["trans_exit_code"], told["exe_error_code"]) == (143, 143)


def test_a_payload_that_failed_by_itself_is_told_with_its_own_codes() -> None:
    own = _told(Cause.PAYLOAD, "no such geometry", transExitCode=65, exeErrorDiag="no such geometry")
    assert (own["trans_exit_code"], own["pilot_error_diag"]) == (65, "no such geometry")
    assert "pilot_error_code" not in own
    assert _told(Cause.PAYLOAD, "the payload failed without a word")["pilot_error_code"] == 1220


@pytest.mark.parametrize(("signal", "code"), [("SIGSEGV", 1203), ("SIGBUS", 1206), ("SIGTERM", 1201), ("SIGKILL", 1200), ("SIGABRT", 1200)])
def test_a_payload_that_a_signal_ended_has_the_signals_code(signal: str, code: int) -> None:
    assert _told(Cause.PAYLOAD, f"killed by signal {signal}", transExitCode=139)["pilot_error_code"] == code


def test_a_pilots_own_code_stays_unless_it_is_the_signal_with_which_the_batch_system_ended_it() -> None:
    for cause in Cause:
        kept = _told(cause, pilotErrorCode=1150, pilotErrorDiag="looping")
        assert (kept["pilot_error_code"], kept["pilot_error_diag"]) == (1150, "looping")
    ended = _told(Cause.TIME_LIMIT, pilotErrorCode=1201, pilotErrorDiag="SIGTERM")
    assert (ended["pilot_error_code"], ended["pilot_error_diag"]) == (1213, FAILED.why)
    assert _told(Cause.PAYLOAD, pilotErrorCode="1203", pilotErrorDiag="SIGSEGV")["pilot_error_code"] == 1203


def test_a_job_that_did_not_fail_has_no_code() -> None:
    assert "pilot_error_code" not in item_of(replace(FAILED, status="finished", why="", cause=Cause.UNKNOWN))


@pytest.mark.parametrize(("cause", "code"), [
    (Cause.TIME_LIMIT, 4215), (Cause.OUT_OF_MEMORY, 4211), (Cause.NODE_FAILURE, 4201), (Cause.PREEMPTED, 1001), (Cause.SUBMISSION, 5601),
    (Cause.LOST, 4245), (Cause.UNKNOWN, 1000), (Cause.KILLED, None),
])
def test_a_worker_that_went_wrong_has_a_code_that_its_jobs_can_have_too(cause: Cause, code: int | None) -> None:
    worker = replace(some_worker(1), state=WorkerState.FAILED, cause=cause, why="w")
    assert worker_item(worker, "host").get("errorCode") == code
    assert worker_code(replace(worker, state=WorkerState.FINISHED)) is None
    assert worker_code(replace(worker, state=WorkerState.CANCELLED, kill="no longer wanted")) is None
