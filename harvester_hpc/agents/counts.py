"""What the limits of a queue are held against: jobs and workers as they stand in the store."""
from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harvester_hpc.model.job import Job, JobState
from harvester_hpc.model.queue import Queue
from harvester_hpc.policy.fetching import JobCount, by_state, jobs_by_type
from harvester_hpc.policy.partition import in_order, partitioned
from harvester_hpc.policy.worker_budget import WorkerCount
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers

#: Criterion of a question for jobs, in the words of the workload management system.
RESOURCE_TYPE = "resource_type"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Jobs that are asked for together: how many at most, and which."""

    number: int
    criteria: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One call to the workload management system."""

    label: str
    criteria: Mapping[str, str]
    number: int


def job_counts(connection: sqlite3.Connection, queue: Queue) -> list[JobCount]:
    """Return the jobs of a queue that go on; by type of resources and with their cores only where its limits want that (it costs more)."""
    if not queue.limits.job_cores.is_set and not any(one.jobs is not None for one in queue.limits.types.values()):
        return list(by_state(jobs.queue_counts(connection, queue.name)))
    return [
        JobCount(state=state, resource_type=resource_type, number=number, cores=cores)
        for state, resource_type, number, cores in jobs.queue_amounts(connection, queue.name)
    ]


def parts_to_fetch(queue: Queue, counts: Sequence[JobCount], wanted: int) -> tuple[Part, ...]:
    """Return what to ask for: all at once, or each type of resources by itself where the queue limits them."""
    criteria = dict(queue.criteria or {})
    by_type = jobs_by_type(queue, counts, wanted)
    if not by_type:
        return (Part(number=wanted, criteria=criteria),)
    return tuple(
        Part(number=one.number, criteria={**criteria, RESOURCE_TYPE: name}) for name, one in by_type.items() if one.number
    )


def worker_counts(connection: sqlite3.Connection, queue: Queue, node_mb: int) -> list[WorkerCount]:
    """Return the workers of a queue that go on, by state and kind.

    Args:
        node_mb: megabytes of a node, for workers that do not say what they take; 0: unknown, and counted as 0.
    """
    return [
        WorkerCount(
            state=state, job_type=job_type or queue.label, resource_type=resource_type, number=number, cores=cores,
            memory_mb=memory_mb + nodes * node_mb,
        )
        for state, job_type, resource_type, number, cores, memory_mb, nodes in workers.queue_amounts(connection, queue.name)
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeCounts:
    """By type of resources: prepared jobs, and workers that go on."""

    waiting: Mapping[str, int]
    held: Mapping[str, int]


def type_counts(connection: sqlite3.Connection, queue: Queue) -> TypeCounts:
    """Return what a dynamic partition goes by."""
    prepared = (one for one in jobs.queue_amounts(connection, queue.name) if one[0] is JobState.PREPARED)
    held: dict[str, int] = {}
    for one in workers.queue_amounts(connection, queue.name):
        held[one[2]] = held.get(one[2], 0) + one[3]
    return TypeCounts(waiting={one[1]: one[2] for one in prepared}, held=held)


def candidates(connection: sqlite3.Connection, queue: Queue, limit: int) -> list[Job]:
    """Return prepared jobs in the order in which they get workers, at most ``limit`` of each type where the queue tells types apart."""
    if not queue.limits.types and queue.limits.shares is None:
        return jobs.pick(connection, queue.name, limit)
    by_type = jobs.pick_by_type(connection, queue.name, limit)
    if queue.limits.shares is None:
        return in_order(by_type)
    counts = type_counts(connection, queue)
    return partitioned(by_type, counts.waiting, counts.held, queue.limits.shares)
