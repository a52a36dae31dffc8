"""A worker: one batch job that we submit, its states, and its steps as values."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NewType

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.lifecycle import Lifecycle

WorkerId = NewType("WorkerId", int)
"""Number of a worker within its instance; never used twice."""


class WorkerState(StrEnum):
    """Idle and pending are words of the batch system; they are kept as the native status."""

    PLANNED = "planned"      # submitter: the intent is stored, the batch system may or may not know it
    SUBMITTED = "submitted"  # monitor: in the batch queue
    RUNNING = "running"      # monitor
    FINISHED = "finished"    # sweeper, until its access point is cleaned
    FAILED = "failed"
    CANCELLED = "cancelled"
    MISSED = "missed"        # never reached the batch system


ENDS = frozenset({WorkerState.FINISHED, WorkerState.FAILED, WorkerState.CANCELLED})

WORKER_LIFECYCLE: Lifecycle[WorkerState] = Lifecycle(
    "worker",
    {
        WorkerState.PLANNED: frozenset({WorkerState.SUBMITTED, WorkerState.MISSED, WorkerState.CANCELLED}),
        WorkerState.SUBMITTED: frozenset({WorkerState.RUNNING, *ENDS}),
        # back to submitted: requeued by the batch system
        WorkerState.RUNNING: frozenset({WorkerState.SUBMITTED, *ENDS}),
        WorkerState.FINISHED: frozenset(),
        WorkerState.FAILED: frozenset(),
        WorkerState.CANCELLED: frozenset(),
        WorkerState.MISSED: frozenset(),
    },
)


class MapType(StrEnum):
    """How jobs and workers belong together (published queue attribute ``mapType``)."""

    NO_JOB = "NoJob"
    ONE_TO_ONE = "OneToOne"
    ONE_TO_MANY = "OneToMany"   # jumbo
    MANY_TO_ONE = "ManyToOne"   # multi-job


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerPlan:
    """What a worker maker decides: the size of one batch job.

    Attributes:
        nodes: number of nodes, >= 1.
        cores: cores in all, >= 1.
        walltime_s: seconds.
        ram_mb: MB on each node; 0 leaves it to the batch system.
        gpus_per_node: GPUs on each node.
        batch_queue: queue or partition for which it is made, where the PanDA queue names several; "" for the one it names.
    """

    nodes: int
    cores: int
    walltime_s: int
    ram_mb: int = 0
    gpus_per_node: int = 0
    batch_queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Worker:
    """One row of the store.

    Attributes:
        key: name of the batch job, unique, at most 15 characters of [a-z0-9-]; stored before anything is submitted.
        batch_id: the batch system's number; "" while unknown.
        access_point: absolute path of the worker's folder on the shared file system.
        batch_queue: queue or partition of the batch system; "" for its default.
        native_status: the batch system's own word and reason, for the operator.
        exit_code: of the batch script; None while unknown.
        submissions: how often the submission was begun.
        cause: of an end that is not good; UNKNOWN before that.
        kill: why it is to be killed; "" if it is not. The sweeper acts on it.
        due: when its owner looks next; None when nothing is left to do.
        gone: since when the batch system does not know it; None if it does.
        heartbeat: when the worker last gave a sign of life; None if it never did.
        late: it was submitted without a job, and gets its jobs when it asks.
        job_type, resource_type: for which jobs it is, in the words of the workload management system; "" for any.
        sync: the system is to end the jobs that it still has when it has ended: they report themselves.
        job_ids: jobs bound to it.
        logs: {stdout, stderr, batch: address where people find that log}; filled where a worker is told of.
        site: as of its queue, filled where a worker is told of; "" for the queue's own name.
    """

    id: WorkerId
    queue: str
    map_type: MapType
    state: WorkerState
    key: str
    access_point: str
    plan: WorkerPlan
    batch_id: str = ""
    batch_queue: str = ""
    native_status: str = ""
    node: str = ""
    exit_code: int | None = None
    submissions: int = 0
    tries: int = 0
    why: str = ""
    cause: Cause = Cause.UNKNOWN
    kill: str = ""
    created: float = 0.0
    changed: float = 0.0
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None
    due: float | None = None
    gone: float | None = None
    heartbeat: float | None = None
    late: bool = False
    job_type: str = ""
    resource_type: str = ""
    sync: bool = False
    job_ids: tuple[int, ...] = ()
    logs: Mapping[str, str] = field(default_factory=dict)
    site: str = ""

    @property
    def begins_one_by_one(self) -> bool:
        """Tell whether its jobs begin by themselves, each with a claim, and not with the worker."""
        return self.late or self.map_type is MapType.MANY_TO_ONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """The part of one worker in a job that has several.

    Attributes:
        cores: of all its nodes.
        started, ended: seconds since 1970; None before that.
        attributes: what it has told of the job last; empty if nothing.
    """

    worker_id: WorkerId
    cores: int
    state: WorkerState
    started: float | None = None
    ended: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStep:
    """One step of one worker, as a value; made with ``WHERE state = :before``, or dropped as stale.

    None leaves a field as it is (``due`` excepted).
    """

    worker_id: WorkerId
    before: WorkerState
    after: WorkerState
    due: float | None
    tries: int = 0
    batch_id: str | None = None
    native_status: str | None = None
    node: str | None = None
    exit_code: int | None = None
    submissions: int | None = None
    why: str | None = None
    cause: Cause | None = None
    submitted: float | None = None
    started: float | None = None
    ended: float | None = None

    def __post_init__(self) -> None:
        """Refuse a move that the lifecycle does not have."""
        if self.before is not self.after:
            WORKER_LIFECYCLE.check(self.before, self.after)


def submit_key(instance_tag: str, worker_id: int) -> str:
    """Return the batch job's name for a worker: ``h`` + tag of the instance + ``-`` + number in base 36.

    Args:
        instance_tag: 5 characters of [a-z0-9] that tell instances of one user apart.

    Returns:
        At most 15 characters of [a-z0-9-], the limit of old PBS: good for 36**8 workers.
    """
    return f"h{instance_tag[:5]}-{_base36(worker_id)}"


def _base36(number: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[rest] + digits
    return digits or "0"
