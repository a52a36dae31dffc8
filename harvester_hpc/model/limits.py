"""What a PanDA queue may have at a time: jobs that wait, workers, their cores and memory."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class QueueStatus(StrEnum):
    """What a queue does (published attribute ``queueStatus``). Workers under way, and jobs that have one, always go on."""

    ONLINE = "online"            # all
    OFFLINE = "offline"          # fetches no jobs, makes no workers
    STANDBY = "standby"          # fetches jobs and stages their inputs, makes no workers
    MAINTENANCE = "maintenance"  # as offline; another word for the operators
    TEST = "test"                # all, with jobs of the label test only

    @property
    def fetches(self) -> bool:
        """Tell whether jobs are fetched."""
        return self not in (QueueStatus.OFFLINE, QueueStatus.MAINTENANCE)

    @property
    def makes_workers(self) -> bool:
        """Tell whether new workers are made."""
        return self in (QueueStatus.ONLINE, QueueStatus.TEST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """How much may wait, in one unit (jobs, workers, cores, MB).

    Attributes:
        limit: at most so much; None: no such limit. Not looked at where there is a ratio.
        ratio: percent of what runs; None: it does not matter what runs.
        least: with a ratio, at least so much, however little runs.
        most: with a ratio, at most so much, however much runs; None: no end. It comes before ``least``.
    """

    limit: int | None = None
    ratio: int | None = None
    least: int = 1
    most: int | None = None

    @property
    def is_set(self) -> bool:
        """Tell whether it limits anything."""
        return self.limit is not None or self.ratio is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeLimits:
    """Limits of one type of resources (SCORE, MCORE, SCORE_HIMEM, ...), beside those of the queue; None: no such limit.

    Attributes:
        jobs: fetched and not yet running.
        queued_workers: that wait in the batch queue.
        workers: in the batch system.
        cores, memory_mb: of all workers in the batch system.
    """

    jobs: int | None = None
    queued_workers: int | None = None
    workers: int | None = None
    cores: int | None = None
    memory_mb: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """All limits of a queue but the plain numbers of jobs and workers, which stand in ``Queue``.

    Attributes:
        jobs, job_cores: of jobs that are fetched and not yet running (nQueueLimitJob...).
        workers, worker_cores, worker_memory: of workers that wait in the batch queue (nQueueLimitWorker...); memory in MB.
        types: {type of resources, or "job type/type of resources"; "*" for any job type: its limits} (resourceTypeLimits).
        shares: {type of resources: weight} of a queue whose new workers are shared out by what waits; None: it is not
            (dynamicPartition).
    """

    jobs: Quota = Quota()
    job_cores: Quota = Quota()
    workers: Quota = Quota()
    worker_cores: Quota = Quota()
    worker_memory: Quota = Quota()
    types: Mapping[str, TypeLimits] = field(default_factory=dict)
    shares: Mapping[str, float] | None = None
