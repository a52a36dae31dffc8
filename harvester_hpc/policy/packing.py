"""How many workers to make."""
from __future__ import annotations

from collections.abc import Mapping

from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerState


def workers_to_make(queue: Queue, counts: Mapping[WorkerState, int], bunch: int) -> int:
    """Return how many new workers the limits of the queue leave room for.

    Args:
        queue: limit_queued_workers (waiting in the batch queue), max_workers (in the batch system; 0: no limit),
            max_new_workers (in one round; 0: no limit).
        counts: workers of the queue by state.
        bunch: at most so many in one round.

    Source: published queue configuration: nQueueLimitWorker, maxWorkers, maxNewWorkersPerCycle.
    """
    queued = counts.get(WorkerState.PLANNED, 0) + counts.get(WorkerState.SUBMITTED, 0)
    room = bunch
    if queue.limit_queued_workers is not None:
        room = min(room, queue.limit_queued_workers - queued)
    if queue.max_workers:
        room = min(room, queue.max_workers - queued - counts.get(WorkerState.RUNNING, 0))
    if queue.max_new_workers:
        room = min(room, queue.max_new_workers)
    return max(0, room)
