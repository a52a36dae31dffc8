"""How many jobs to fetch."""
from __future__ import annotations

from collections.abc import Mapping

from harvester_hpc.model.job import JobState
from harvester_hpc.model.queue import Queue

WAITING = frozenset({JobState.FETCHED, JobState.PREPARING, JobState.PREPARED, JobState.SUBMITTED})


def jobs_to_fetch(queue: Queue, counts: Mapping[JobState, int], bunch: int) -> int:
    """Return how many jobs to ask for now: the limit minus those that wait already.

    Args:
        queue: ``limit_jobs`` is nQueueLimitJob; None fetches nothing.
        counts: jobs of the queue by state.
        bunch: at most so many in one call, so that a lost answer costs little.

    Source: nQueueLimitJob, "the max number of jobs pre-fetched and queued, i.e. jobs in starting state".
    """
    if queue.limit_jobs is None:
        return 0
    waiting = sum(number for state, number in counts.items() if state in WAITING)
    return max(0, min(bunch, queue.limit_jobs - waiting))
