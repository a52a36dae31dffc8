"""What the limits of a queue are held against: jobs and workers as they stand in the store."""
from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harvester_hpc.model.queue import Queue
from harvester_hpc.policy.fetching import JobCount, by_state, jobs_by_type
from harvester_hpc.store import job as jobs

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
