"""How a job ended, judged from the end of its worker and from what the worker told."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, Outcome
from harvester_hpc.model.worker import ENDS, WorkerState
from harvester_hpc.policy.masking import masked
from harvester_hpc.ports.batch import Seen

#: What the launcher says of a payload that was ended by a signal from outside.
TOLD_TO_END = tuple(f"killed by signal {name}" for name in ("SIGTERM", "SIGINT", "SIGUSR1"))


def verdict(job: Job, seen: Seen, said: str | None, attributes: Mapping[str, Any], files: Sequence[File]) -> tuple[Outcome, str]:
    """Return how the job ended, and why if not well.

    Args:
        seen: the end of the worker; state finished, failed or cancelled.
        said: the worker's own word on this job, "finished" or "failed"; None if it gave none.
        attributes: what the worker told of the job.
        files: the job's files, after the worker's last letters.

    A job is finished only if its worker said so or ended with 0, and every output it was to make is there: a batch
    system's success alone proves nothing about the payload. A payload that the batch system ends says no more than which
    signal it got: then the batch system's reason comes first (time limit, out of memory, cancelled).
    """
    if job.cancel:
        return Outcome.CANCELLED, job.cancel
    if said == "finished" or (said is None and seen.state is WorkerState.FINISHED):
        return _if_complete(attributes, files)
    words = _diagnosis(attributes) if said == "failed" else ""
    if seen.state is WorkerState.CANCELLED:
        return Outcome.CANCELLED, _joined(seen.why or "the batch job was cancelled", words)
    if said == "failed":
        return Outcome.FAILED, _joined(_reason_from_outside(seen), words) or seen.why or "the payload failed without a word"
    if seen.exit_code is not None and not seen.why:
        return Outcome.FAILED, f"the batch job ended with exit code {seen.exit_code}"
    return Outcome.FAILED, seen.why or f"the batch job failed ({seen.native_status or 'no reason known'})"


def verdict_of_one(job: Job, seen: Seen, said: str | None, attributes: Mapping[str, Any], files: Sequence[File]) -> tuple[Outcome, str]:
    """Return how one job of a ManyToOne worker ended that was begun there, and why if not well.

    Args:
        seen: the worker now; it may still run.
        said, attributes, files: as for ``verdict``.

    The worker's end says nothing of one job of many, good or bad: only the job's own word counts, and one that was begun
    and has none was lost. The worker's reason is told of the jobs that it took down with it.
    """
    if job.cancel:
        return Outcome.CANCELLED, job.cancel
    if said == "finished":
        return _if_complete(attributes, files)
    ended = seen.state in ENDS
    reason = (seen.why or f"the batch job ended as {seen.native_status or seen.state}") if ended else ""
    if said is None:
        return Outcome.FAILED, _joined("it was begun, and its worker ended without a word on it", reason)
    words = _diagnosis(attributes) or "the payload failed without a word"
    if not words.startswith(TOLD_TO_END) or seen.state is WorkerState.FINISHED:
        return Outcome.FAILED, words
    if seen.state is WorkerState.CANCELLED:
        return Outcome.CANCELLED, _joined(seen.why or "the batch job was cancelled", words)
    return Outcome.FAILED, _joined(_reason_from_outside(seen) if ended else "", words)


def is_settled(job: Job, said: str | None) -> bool:
    """Tell whether one job of a ManyToOne worker can be judged while its worker runs, so that no later letter is lost.

    It has said how it ended, and declared all files that are still wanted of it: its log, and outputs if it finished. One
    that was told to end is judged with its worker, which is about to end and knows why, unless the job itself was cancelled.
    """
    if said is None or (not job.cancel and said == "failed" and _diagnosis(job.attributes).startswith(TOLD_TO_END)):
        return False
    optional = _names(job.attributes.get("allowNoOutput", ""))
    wanted = [FileKind.LOG, FileKind.OUTPUT] if said == "finished" else [FileKind.LOG]
    return not any(file.kind in wanted and file.state is FileState.EXPECTED and file.lfn not in optional for file in job.files)


def was_told_to_end(attributes: Mapping[str, Any]) -> bool:
    """Tell whether a payload was ended by a signal from outside."""
    return _diagnosis(attributes).startswith(TOLD_TO_END)


def _reason_from_outside(seen: Seen) -> str:
    """Return why the worker failed, unless that is its own exit code, on which the payload's words are better."""
    return "" if seen.state is WorkerState.FINISHED or seen.why == f"exit code {seen.exit_code}" else seen.why


def _joined(reason: str, words: str) -> str:
    return f"{reason} ({words})" if reason and words else reason or words


def _if_complete(attributes: Mapping[str, Any], files: Sequence[File]) -> tuple[Outcome, str]:
    missing = [file.lfn for file in files if file.kind is FileKind.OUTPUT and file.state is FileState.EXPECTED]
    optional = _names(attributes.get("allowNoOutput", ""))
    missing = [lfn for lfn in missing if lfn not in optional]
    if missing:
        return Outcome.FAILED, f"the payload ended well but did not make {', '.join(missing[:5])}"
    return Outcome.FINISHED, ""


def _names(listed: object) -> frozenset[str]:
    return frozenset(str(listed).split(",")) if listed else frozenset()


def _diagnosis(attributes: Mapping[str, Any]) -> str:
    for name in ("exeErrorDiag", "pilotErrorDiag"):
        if attributes.get(name):
            return masked(str(attributes[name]))  # with the last lines of what the payload has printed, perhaps
    code = attributes.get("transExitCode")
    return f"the payload ended with exit code {code}" if code not in (None, "", 0, "0") else ""
