"""Why a job did not end well, as one word; beside the verdict, which says it for people."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harvester_hpc.model.cause import FROM_OUTSIDE, Cause
from harvester_hpc.model.job import Job, Outcome
from harvester_hpc.model.worker import ENDS, WorkerState
from harvester_hpc.policy.verdict import was_told_to_end
from harvester_hpc.ports.batch import Seen


def cause_of(outcome: Outcome, job: Job, seen: Seen, said: str | None) -> Cause:
    """Return the cause that goes with ``verdict``; UNKNOWN if the job has finished.

    Args:
        outcome: the verdict.
        seen, said: as for ``verdict``.
    """
    if outcome is Outcome.FINISHED:
        return Cause.UNKNOWN
    if job.cancel:
        return Cause.KILLED
    if said == "finished" or (said is None and seen.state is WorkerState.FINISHED):
        return Cause.MISSING_OUTPUT
    if seen.state is WorkerState.CANCELLED:
        return seen.cause or Cause.BATCH_KILL
    if said == "failed":
        return seen.cause if seen.cause in FROM_OUTSIDE else Cause.PAYLOAD
    return seen.cause or Cause.WORKER


def cause_of_one(outcome: Outcome, job: Job, seen: Seen, said: str | None, attributes: Mapping[str, Any]) -> Cause:
    """Return the cause that goes with ``verdict_of_one``; UNKNOWN if the job has finished.

    Args:
        outcome: the verdict.
        seen, said, attributes: as for ``verdict_of_one``.
    """
    if outcome is Outcome.FINISHED:
        return Cause.UNKNOWN
    if job.cancel:
        return Cause.KILLED
    if said == "finished":
        return Cause.MISSING_OUTPUT
    outside = seen.cause if seen.state in ENDS and seen.cause in FROM_OUTSIDE else Cause.UNKNOWN
    if said is None:
        return outside or Cause.LOST
    if outcome is Outcome.CANCELLED:
        return outside or Cause.BATCH_KILL
    return outside if outside and was_told_to_end(attributes) else Cause.PAYLOAD
