"""The server's own rules for reports, as one pure function: what becomes of a job, and what is answered.

Source: updateJobsInBulk of the PanDA server: a report about an unknown or ended job, or another attempt, changes nothing
and is answered "tobekilled"; a second final report is answered "alreadydone"; a state never goes back; a finished job whose
files are not all reported is a failed one.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import StrEnum

from harvester_hpc.ports.communicator import Accepted, JobReply, JobReport, NotAccepted


class ServerState(StrEnum):
    """States of a job on the server's side."""

    ACTIVATED = "activated"        # may be handed out
    SENT = "sent"                  # handed out, no report yet
    STARTING = "starting"
    RUNNING = "running"
    TRANSFERRING = "transferring"
    HOLDING = "holding"
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


FINAL = frozenset({ServerState.FINISHED, ServerState.FAILED, ServerState.CANCELLED})
#: What a report may say; anything else is malformed.
REPORTABLE = frozenset({"starting", "running", "transferring", "holding", "finished", "failed"})
TO_BE_KILLED = Accepted(commands=("tobekilled",))
ALREADY_DONE = Accepted(commands=("alreadydone",))
#: Sub-states of a failed job that a person or the system wanted to end: no further attempt is made by itself.
WANTED_ENDS = frozenset({"killed", "cancelled"})

_RANK = {state: rank for rank, state in enumerate(ServerState) if state not in FINAL}


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the server knows of a job. ``killed``: somebody wants it to end."""

    state: ServerState
    attempt: int
    killed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What is answered, and what the job becomes; ``after`` None: nothing changes, not even the time of the last report."""

    reply: JobReply
    after: ServerState | None = None
    why: str = ""


def rule(standing: Standing | None, report: JobReport, expected: Callable[[], Iterable[str]]) -> Ruling:
    """Judge one report.

    Args:
        standing: None: the job is unknown.
        expected: gives the names of the files that a finished job must report with size and checksum.
    """
    if report.status not in REPORTABLE:
        known = ", ".join(sorted(REPORTABLE))
        return Ruling(reply=NotAccepted(why=f"status {report.status!r} is none that can be reported; there is: {known}", final=True))
    if standing is None or standing.attempt != report.attempt:
        return Ruling(reply=TO_BE_KILLED)
    if standing.state in FINAL:
        return Ruling(reply=_to_late_report(standing, report))
    reply = TO_BE_KILLED if standing.killed else Accepted()
    match report.status:
        case "finished":
            missing = _missing(report, expected())
            why = f"Could not get GUID/LFN/MD5/FSIZE/SURL from pilot JSON: {', '.join(missing)}" if missing else report.why
            return Ruling(reply=reply, after=ServerState.FAILED if missing else ServerState.FINISHED, why=why)
        case "failed":
            return Ruling(reply=reply, after=ServerState.CANCELLED if standing.killed else ServerState.FAILED, why=report.why)
        case status:
            told = ServerState(status)
            return Ruling(reply=reply, after=max(standing.state, told, key=_RANK.__getitem__), why=report.why)


def tries_again(after: ServerState, report: JobReport, *, killed: bool) -> bool:
    """Tell whether a job that ended by ``report`` gets its next attempt by itself (if it has one left)."""
    return after is ServerState.FAILED and not killed and report.sub_status not in WANTED_ENDS


def _to_late_report(standing: Standing, report: JobReport) -> JobReply:
    ends = report.status in ("finished", "failed") and standing.state is not ServerState.CANCELLED
    return ALREADY_DONE if ends else TO_BE_KILLED


def _missing(report: JobReport, expected: Iterable[str]) -> list[str]:
    told = {file.lfn for file in report.outputs if file.size is not None and file.checksum}
    return [name for name in expected if name not in told]
