"""Where a worker's letters lie."""
from __future__ import annotations

from pathlib import Path

from harvester_hpc.messenger.values import AccessPoint
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, Worker


def point_of(worker: Worker, queue: Queue, instance: str) -> AccessPoint:
    """Return the access point of a worker as the messenger wants it."""
    return AccessPoint(
        root=Path(queue.access_root),
        path=Path(worker.access_point),
        instance=instance,
        worker_id=worker.id,
        job_ids=worker.job_ids,
        many=worker.map_type is MapType.MANY_TO_ONE,
    )


def place(queue: Queue, worker_id: int, instance: str) -> str:
    """Return the absolute access point of a new worker, from the queue's template."""
    return (
        queue.access_point.replace("${workerID}", str(worker_id))
        .replace("${harvesterID}", instance)
        .replace("${queueName}", queue.name)
    )
