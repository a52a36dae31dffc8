"""Workers that have just been submitted get event ranges before they ask. A part of the submitter."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import WorkerId
from harvester_hpc.policy.event_feeding import prefetched
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import event as events
from harvester_hpc.store import event_request as requests
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write


def prefetch(write: Write, queues: Mapping[str, QueuePlugins], ids: Sequence[WorkerId]) -> None:
    """Note for each of these workers that it wants as many ranges as its queue and its cores say."""
    found = workers.by_ids(write.connection, ids).values()
    load = jobs.by_ids(write.connection, {job_id for worker in found for job_id in worker.job_ids})
    own = events.jobs(write.connection, load)
    for worker in found:
        plugins = queues.get(worker.queue)
        cores = [load[JobId(job_id)].cores for job_id in worker.job_ids if job_id in own]
        if plugins is None or not plugins.queue.prefetch_events or not cores:
            continue
        number = prefetched(worker.plan.cores, len(worker.job_ids), max(cores), plugins.queue.events_multiplier)
        requests.want(write, worker.id, number)
