"""A worker, as the server takes it.

Source: harvester/update_workers: keys are columns; a text longer than its column fails the call, and no value is null.
"""
from __future__ import annotations

from typing import Any

from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.model.worker_log import LogKind
from harvester_panda.cleaning import LARGEST, marked_time, short, without_nothing
from harvester_panda.error_codes import worker_code

#: {key: bytes} of the texts.
LENGTHS = {
    "batchID": 80, "queueName": 80, "status": 80, "computingSite": 128, "nodeID": 80, "nativeStatus": 80, "diagMessage": 500,
    "computingElement": 128, "submissionHost": 128, "harvesterHost": 128, "resourceType": 56, "jobType": 52,
    "stdOut": 250, "stdErr": 250, "batchLog": 250, "jdl": 250,
}
#: Jobs of one worker that are named; each is a row.
MOST_JOBS = 5_000
SAID_AS = {WorkerState.PLANNED: "ready"}


def item_of(worker: Worker, host: str) -> dict[str, Any]:
    """Return a worker with the server's keys.

    Args:
        host: where we run.
    """
    item: dict[str, Any] = {
        "workerID": worker.id, "batchID": worker.batch_id, "queueName": worker.batch_queue or worker.queue,
        "status": str(SAID_AS.get(worker.state, worker.state)), "computingSite": worker.site or worker.queue, "nCore": worker.plan.cores,
        "nodeID": worker.node, "submitTime": marked_time(_submitted(worker)), "startTime": marked_time(worker.started),
        "endTime": marked_time(worker.ended), "nativeExitCode": _code(worker.exit_code), "nativeStatus": worker.native_status,
        "errorCode": worker_code(worker),
        "diagMessage": worker.why or worker.kill, "nJobs": len(worker.job_ids), "harvesterHost": host, "submissionHost": host,
        "jobType": worker.job_type, "resourceType": worker.resource_type, "syncLevel": 1 if worker.sync else None,
        "minRamCount": worker.plan.ram_mb or None, "pandaid_list": [int(one) for one in worker.job_ids][:MOST_JOBS] or None,
        **_logs(worker),
    }
    cut = {key: short(str(item[key]), length) for key, length in LENGTHS.items() if item.get(key)}
    return without_nothing({**item, **cut})


def _submitted(worker: Worker) -> float:
    # Batch systems start it before we have stored that they took it, and tell whole seconds: nobody waits for less than nothing.
    submitted = worker.submitted or worker.created
    return submitted if worker.started is None else min(submitted, worker.started)


def _logs(worker: Worker) -> dict[str, str | None]:
    """Return the addresses of its logs; a worker with no job or many has what the batch script prints for all of them."""
    batch = worker.logs.get(LogKind.BATCH)
    other = None if len(worker.job_ids) == 1 else batch
    logs = {"stdOut": worker.logs.get(LogKind.STDOUT, other), "stdErr": worker.logs.get(LogKind.STDERR, other), "batchLog": batch}
    return {key: url for key, url in logs.items() if url and len(url.encode()) <= LENGTHS[key]}  # one that is cut leads nowhere


def _code(number: int | None) -> int | None:
    return number if number is not None and abs(number) <= LARGEST else None
