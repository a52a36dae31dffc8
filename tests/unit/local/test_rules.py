"""The server's rules, every state against every report."""
from __future__ import annotations

import itertools

import pytest

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import TOLD_AS, JobId
from harvester_hpc.ports.communicator import Accepted, JobReport, NotAccepted
from harvester_local.rules import (
    ALREADY_DONE,
    FINAL,
    REPORTABLE,
    TO_BE_KILLED,
    ServerState,
    Standing,
    rule,
    tries_again,
)

EVERY_CASE = list(itertools.product(ServerState, sorted(REPORTABLE), (False, True)))
ORDER = [state for state in ServerState if state not in FINAL]


def report(status: str, *, attempt: int = 1, outputs: tuple[File, ...] = (), sub_status: str = "") -> JobReport:
    return JobReport(job_id=JobId(1), attempt=attempt, status=status, outputs=outputs, sub_status=sub_status)


def output(lfn: str, size: int | None = 1, checksum: str = "ad:00000001") -> File:
    return File(job_id=1, kind=FileKind.OUTPUT, lfn=lfn, state=FileState.FINISHED, size=size, checksum=checksum)


def nothing() -> tuple[str, ...]:
    return ()


def test_all_that_our_jobs_tell_can_be_reported() -> None:
    assert set(TOLD_AS.values()) <= REPORTABLE


@pytest.mark.parametrize(("state", "status", "killed"), EVERY_CASE)
def test_what_a_report_does(state: ServerState, status: str, killed: bool) -> None:
    ruling = rule(Standing(state=state, attempt=1, killed=killed), report(status), nothing)
    if state in FINAL:
        late_end = status in ("finished", "failed") and state is not ServerState.CANCELLED
        assert ruling.reply == (ALREADY_DONE if late_end else TO_BE_KILLED)
        assert ruling.after is None
        return
    assert ruling.reply == (TO_BE_KILLED if killed else Accepted())
    if status == "finished":
        assert ruling.after is ServerState.FINISHED
    elif status == "failed":
        assert ruling.after is (ServerState.CANCELLED if killed else ServerState.FAILED)
    else:
        assert ruling.after is ORDER[max(ORDER.index(state), ORDER.index(ServerState(status)))]


@pytest.mark.parametrize(("state", "status", "killed"), EVERY_CASE)
def test_another_attempt_changes_nothing(state: ServerState, status: str, killed: bool) -> None:
    ruling = rule(Standing(state=state, attempt=2, killed=killed), report(status), nothing)
    assert (ruling.reply, ruling.after) == (TO_BE_KILLED, None)


@pytest.mark.parametrize("status", sorted(REPORTABLE))
def test_an_unknown_job_changes_nothing(status: str) -> None:
    ruling = rule(None, report(status), nothing)
    assert (ruling.reply, ruling.after) == (TO_BE_KILLED, None)


@pytest.mark.parametrize("status", ["", "cancelled", "missed", "activated", "sent", "Running", "nonsense"])
@pytest.mark.parametrize("standing", [None, *(Standing(state=state, attempt=1) for state in ServerState)])
def test_a_malformed_status_is_never_taken(status: str, standing: Standing | None) -> None:
    ruling = rule(standing, report(status), nothing)
    assert isinstance(ruling.reply, NotAccepted)
    assert ruling.reply.final
    assert ruling.after is None


@pytest.mark.parametrize("told", [(), ("a",), ("log",)])
def test_a_finished_job_whose_files_are_not_all_reported_has_failed(told: tuple[str, ...]) -> None:
    standing = Standing(state=ServerState.TRANSFERRING, attempt=1)
    ruling = rule(standing, report("finished", outputs=tuple(map(output, told))), lambda: ("a", "log"))
    assert ruling.after is ServerState.FAILED
    assert ruling.reply == Accepted()
    assert all(name in ruling.why for name in {"a", "log"} - set(told))
    assert "Could not get GUID/LFN/MD5/FSIZE/SURL from pilot JSON" in ruling.why


@pytest.mark.parametrize("bad", [output("a", size=None), output("a", checksum="")])
def test_a_file_without_size_or_checksum_is_not_reported(bad: File) -> None:
    ruling = rule(Standing(state=ServerState.RUNNING, attempt=1), report("finished", outputs=(bad,)), lambda: ("a",))
    assert ruling.after is ServerState.FAILED


def test_a_failed_job_needs_no_files() -> None:
    ruling = rule(Standing(state=ServerState.RUNNING, attempt=1), report("failed"), lambda: ("a",))
    assert (ruling.after, ruling.reply) == (ServerState.FAILED, Accepted())


def test_only_an_unwanted_failure_is_tried_again() -> None:
    for after, sub_status, killed in itertools.product(ServerState, ("", "killed", "cancelled", "missed"), (False, True)):
        expected = after is ServerState.FAILED and sub_status in ("", "missed") and not killed
        assert tries_again(after, report("failed", sub_status=sub_status), killed=killed) is expected
