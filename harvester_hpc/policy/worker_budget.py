"""What the limits on cores, memory and types of resources leave for new workers, taken worker by worker."""
from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.policy.reckoning import quota_left

WAITING = (WorkerState.PLANNED, WorkerState.SUBMITTED)
GOING_ON = (*WAITING, WorkerState.RUNNING)
WORKERS, CORES, MEMORY = "workers", "cores", "MB"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerCount:
    """Workers of one state and kind: how many, their cores, and their megabytes, in all. Types are "" where they are of none."""

    state: WorkerState
    job_type: str = ""
    resource_type: str = ""
    number: int = 0
    cores: int = 0
    memory_mb: int = 0

    def amount(self, unit: str) -> int:
        """Return how much it is in a unit."""
        return {WORKERS: self.number, CORES: self.cores, MEMORY: self.memory_mb}[unit]


@dataclass(slots=True, kw_only=True)
class Allowance:
    """One limit.

    Attributes:
        unit: in which ``left`` is counted.
        job_type, resource_type: whom it concerns; "" for all.
        words: its arithmetic.
        first: a worker up to this size goes although there is less left, since none waits; 0: none does.
    """

    unit: str
    left: int
    words: str
    first: int = 0
    job_type: str = ""
    resource_type: str = ""

    def concerns(self, one: WorkerCount) -> bool:
        """Tell whether a worker falls under it."""
        return self.job_type in ("", one.job_type) and self.resource_type in ("", one.resource_type)

    def has_room(self, amount: int) -> bool:
        """Tell whether a new worker fits."""
        return amount <= max(self.left, self.first)

    def take(self, amount: int) -> None:
        """Take a new worker's part."""
        self.left, self.first = max(0, self.left - amount), 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why there is no room for a worker; ``of_type``: there may be some for others."""

    why: str
    of_type: bool


@dataclass(slots=True, kw_only=True)
class Budget:
    """All such limits of one queue."""

    allowances: list[Allowance]

    def take(self, one: WorkerCount) -> Refusal | None:
        """Take a new worker's part; or return what there is too little of: then nothing is taken."""
        concerned = [allowance for allowance in self.allowances if allowance.concerns(one)]
        for allowance in concerned:
            if not allowance.has_room(one.amount(allowance.unit)):
                words = f"{allowance.words}; one more takes {one.amount(allowance.unit)}"
                return Refusal(why=words, of_type=bool(allowance.resource_type))
        for allowance in concerned:
            allowance.take(one.amount(allowance.unit))
        return None


def budget(queue: Queue, counts: Sequence[WorkerCount]) -> Budget:
    """Return what is left of the limits of a queue.

    Args:
        counts: workers of the queue that have not ended.
    """
    return Budget(allowances=[*_of_all(queue, counts), *_of_types(queue, counts)])


def has_budget(queue: Queue) -> bool:
    """Tell whether there are such limits at all."""
    return queue.limits.worker_cores.is_set or queue.limits.worker_memory.is_set or bool(queue.limits.types)


def _of_all(queue: Queue, counts: Sequence[WorkerCount]) -> Iterator[Allowance]:
    waiting = [one for one in counts if one.state in WAITING]
    running = [one for one in counts if one.state is WorkerState.RUNNING]
    for unit, name, quota in (
        (CORES, "nQueueLimitWorkerCores", queue.limits.worker_cores), (MEMORY, "nQueueLimitWorkerMemory", queue.limits.worker_memory),
    ):
        left = quota_left(quota, name, unit, sum(one.amount(unit) for one in waiting), sum(one.amount(unit) for one in running))
        if left is not None:
            # A part of what runs is less than one worker while few run: then none would ever come, as with jobs.
            is_first = quota.ratio is not None and left.number > 0 and not waiting
            most = sys.maxsize if quota.most is None else quota.most
            yield Allowance(unit=unit, left=left.number, words=left.words, first=most if is_first else 0)


def _of_types(queue: Queue, counts: Sequence[WorkerCount]) -> Iterator[Allowance]:
    for name, limits in queue.limits.types.items():
        job_type, _, resource_type = name.rpartition("/")
        for unit, what, limit, states in (
            (WORKERS, "queuedWorkers", limits.queued_workers, WAITING), (WORKERS, "workers", limits.workers, GOING_ON),
            (CORES, "cores", limits.cores, GOING_ON), (MEMORY, "memoryMB", limits.memory_mb, GOING_ON),
        ):
            if limit is None:
                continue
            allowance = Allowance(unit=unit, left=0, words="", job_type=job_type, resource_type=resource_type)
            used = sum(one.amount(unit) for one in counts if one.state in states and allowance.concerns(one))
            allowance.left = max(0, limit - used)
            where = "waiting" if states == WAITING else "waiting and running"
            allowance.words = f"resourceTypeLimits {name} {what} {limit} - {used} {unit} {where} = {allowance.left}"
            yield allowance
