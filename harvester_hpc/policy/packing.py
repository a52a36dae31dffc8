"""How many workers to make."""
from __future__ import annotations

from collections.abc import Mapping

from harvester_hpc.model.limits import Quota
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.policy.reckoning import Bound, Reckoning, least_of, none_at_all, quota_left

WHAT = "workers to make"


def workers_to_make(queue: Queue, counts: Mapping[WorkerState, int], bunch: int, wished: int | None = None) -> Reckoning:
    """Return how many new workers the limits of the queue leave room for.

    Args:
        queue: limit_queued_workers, or limits.workers with a ratio (waiting in the batch queue), max_workers (in the batch system;
            0: no limit), max_new_workers (in one round; 0: no limit), status.
        counts: workers of the queue by state.
        bunch: at most so many in one round.
        wished: how many more the workload management system wants (runMode slave).

    Source: published queue configuration: nQueueLimitWorker, maxWorkers, maxNewWorkersPerCycle, queueStatus.
    """
    if not queue.status.makes_workers:
        return none_at_all(f"queueStatus {queue.status} makes no workers", WHAT)
    waiting = counts.get(WorkerState.PLANNED, 0) + counts.get(WorkerState.SUBMITTED, 0)
    running = counts.get(WorkerState.RUNNING, 0)
    bounds = [quota_left(workers_quota(queue), "nQueueLimitWorker", "workers", waiting, running)]
    if queue.max_workers:
        left = max(0, queue.max_workers - waiting - running)
        bounds.append(Bound(number=left, words=f"maxWorkers {queue.max_workers} - {waiting} waiting - {running} running = {left}"))
    if queue.max_new_workers:
        bounds.append(Bound(number=queue.max_new_workers, words=f"maxNewWorkersPerCycle {queue.max_new_workers}"))
    if wished is not None:
        bounds.append(Bound(number=wished, words=f"runMode slave: {wished} more are wished"))
    bounds.append(Bound(number=bunch, words=f"in one round at most {bunch}"))
    return least_of((bound for bound in bounds if bound is not None), WHAT)


def workers_quota(queue: Queue) -> Quota:
    """Return the limit on waiting workers, wherever it stands."""
    return queue.limits.workers if queue.limits.workers.ratio is not None else Quota(limit=queue.limit_queued_workers)
