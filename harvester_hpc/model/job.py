"""A job of the workload management system: its states, and its steps as values."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.event import EventLoad
from harvester_hpc.model.file import File
from harvester_hpc.model.lifecycle import Lifecycle

JobId = NewType("JobId", int)
"""PandaID: the job's number in the workload management system."""


class JobState(StrEnum):
    """Whose turn it is. Every state that is not final belongs to one agent."""

    FETCHED = "fetched"            # preparator: start stage-in
    PREPARING = "preparing"        # preparator: stage-in under way
    PREPARED = "prepared"          # submitter: wants a worker; late binding: messenger, when a worker asks
    SUBMITTED = "submitted"        # monitor: bound to a worker that waits in the batch queue, or has others to run first
    RUNNING = "running"            # monitor: its worker runs; of many jobs in one worker, only those it has begun
    TO_TRANSFER = "to_transfer"    # stager: start stage-out
    TRANSFERRING = "transferring"  # stager: stage-out under way
    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


JOB_LIFECYCLE: Lifecycle[JobState] = Lifecycle(
    "job",
    {
        JobState.FETCHED: frozenset({JobState.PREPARING, JobState.PREPARED, JobState.FAILED, JobState.CANCELLED}),
        # back to fetched: the stage-in was lost and is triggered again
        JobState.PREPARING: frozenset({JobState.FETCHED, JobState.PREPARED, JobState.FAILED, JobState.CANCELLED}),
        JobState.PREPARED: frozenset({JobState.SUBMITTED, JobState.FAILED, JobState.CANCELLED}),
        # back to prepared: the batch system refused the worker, or it ended without having begun this one of its many jobs
        JobState.SUBMITTED: frozenset(
            {JobState.RUNNING, JobState.PREPARED, JobState.TO_TRANSFER, JobState.FAILED, JobState.CANCELLED}
        ),
        # back to submitted: the batch system requeued the worker
        JobState.RUNNING: frozenset({JobState.SUBMITTED, JobState.TO_TRANSFER, JobState.FAILED, JobState.CANCELLED}),
        JobState.TO_TRANSFER: frozenset(
            {JobState.TRANSFERRING, JobState.FINISHED, JobState.FAILED, JobState.CANCELLED}
        ),
        # back to to_transfer: the stage-out was lost and is triggered again
        JobState.TRANSFERRING: frozenset(
            {JobState.TO_TRANSFER, JobState.FINISHED, JobState.FAILED, JobState.CANCELLED}
        ),
        JobState.FINISHED: frozenset(),
        JobState.FAILED: frozenset(),
        JobState.CANCELLED: frozenset(),
    },
)

#: States of a job that has a worker; its row is due only when the job is to end.
BOUND = (JobState.SUBMITTED, JobState.RUNNING)

#: What the workload management system is told for each of our states (PanDA's words).
TOLD_AS: Mapping[JobState, str] = {
    JobState.FETCHED: "starting",
    JobState.PREPARING: "starting",
    JobState.PREPARED: "starting",
    JobState.SUBMITTED: "starting",
    JobState.RUNNING: "running",
    JobState.TO_TRANSFER: "transferring",
    JobState.TRANSFERRING: "transferring",
    JobState.FINISHED: "finished",
    JobState.FAILED: "failed",
    JobState.CANCELLED: "failed",  # with the sub-status "killed"
}


class Outcome(StrEnum):
    """How the payload ended, kept while its outputs are staged out."""

    FINISHED = "finished"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One row of the store.

    Attributes:
        id: PandaID.
        queue: PanDA queue for which it was fetched.
        outcome: how the payload ended; None before that.
        attempt: attemptNr of the workload management system.
        cores, ram_mb, walltime_s: what the job asks for; 0 where it says nothing. ram_mb in MB, walltime_s in seconds.
        tries: how often the present step was tried without success; starts again with each state.
        submissions: how many workers were planned for it so far.
        why: the last thing that went wrong, in the words of who said it; "" if nothing.
        cause: of what did not go well; UNKNOWN if nothing, or nobody knows.
        cancel: why it is to be cancelled; "" if it is not. The owner of the state acts on it.
        due: when its owner wants to look at it next (seconds since 1970); None once final.
        params: the job dictionary as the workload management system sent it; empty unless it was asked for.
        attributes: what its worker told of it (exit codes, times, node, counts); empty unless it was asked for.
        files: inputs, outputs and log; empty unless they were asked for.
        events: what is left to do of its event ranges; None unless it was asked for, or if it has none.
    """

    id: JobId
    queue: str
    state: JobState
    outcome: Outcome | None = None
    attempt: int = 1
    task_id: int | None = None
    priority: int = 0
    resource_type: str = ""
    cores: int = 1
    ram_mb: int = 0
    walltime_s: int = 0
    tries: int = 0
    submissions: int = 0
    why: str = ""
    cause: Cause = Cause.UNKNOWN
    cancel: str = ""
    created: float = 0.0
    changed: float = 0.0
    due: float | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[File, ...] = ()
    events: EventLoad | None = None


#: Seconds: ``due`` of a job that is bound to a worker, for the worker's row says when they are looked at; a cancel brings it forward.
WITH_ITS_WORKER_S = 10 * 365 * 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStep:
    """One step of one job, as a value; the store makes it with ``WHERE state = :before``, or drops it as stale.

    Attributes:
        before, after: equal for a step that only reschedules (another look, another try).
        due: when the owner of ``after`` looks next, seconds since 1970; None for a final state.
        tries: as in Job.
        report: whether the workload management system is told of it.
    """

    job_id: JobId
    before: JobState
    after: JobState
    due: float | None
    tries: int = 0
    why: str = ""
    cause: Cause = Cause.UNKNOWN
    outcome: Outcome | None = None
    report: bool = False

    def __post_init__(self) -> None:
        """Refuse a move that the lifecycle does not have."""
        if self.before is not self.after:
            JOB_LIFECYCLE.check(self.before, self.after)


def step(
    job: Job,
    after: JobState,
    now: float,
    *,
    due: float | None = None,
    why: str = "",
    cause: Cause = Cause.UNKNOWN,
    outcome: Outcome | None = None,
) -> JobStep:
    """Return the step of ``job`` to another state at ``now``.

    Args:
        due: when the next owner looks; at once if not given. Ignored for a final state.
        why, cause: kept with the job; an earlier reason, and cause, stays if nothing is said.

    Raises:
        ForbiddenMove: the lifecycle has no such move.
    """
    final = JOB_LIFECYCLE.is_final(after)
    return JobStep(
        job_id=job.id,
        before=job.state,
        after=after,
        due=None if final else now if due is None else due,
        why=why or job.why,
        cause=cause or job.cause,
        outcome=outcome or job.outcome,
        report=TOLD_AS[after] != TOLD_AS[job.state] or final,
    )


def look_again(job: Job, due: float, *, why: str | None = None, failed_try: bool = False) -> JobStep:
    """Return the step of a job that stays where it is until ``due``.

    Args:
        why: replaces the job's reason if not None.
        failed_try: counts as a try without success.
    """
    return JobStep(
        job_id=job.id,
        before=job.state,
        after=job.state,
        due=due,
        tries=job.tries + (1 if failed_try else 0),
        why=job.why if why is None else why,
        cause=job.cause,
        outcome=job.outcome,
    )
