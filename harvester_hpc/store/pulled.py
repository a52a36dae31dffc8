"""Jobs that pull workers have fetched themselves: only their numbers are known here."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harvester_hpc.model.turn import PROPAGATOR
from harvester_hpc.model.worker import MapType, Worker
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


def put(write: Write, jobs: Mapping[int, Iterable[int]]) -> None:
    """Keep {worker: jobs that it has fetched}, and have the workload management system told of these workers."""
    for worker_id, ids in jobs.items():
        write.connection.executemany(sentences("pulled")["put"], [(worker_id, job_id) for job_id in ids])
        write.connection.execute(sentences("pulled")["tell"], (write.now, worker_id))
    write.ring(PROPAGATOR)


def of_workers(connection: sqlite3.Connection, workers: Iterable[int]) -> dict[int, tuple[int, ...]]:
    """Return {worker: jobs that it has fetched}; every worker asked for stands as a key."""
    found: dict[int, tuple[int, ...]] = dict.fromkeys(workers, ())
    for worker_id, job_id in connection.execute(sentences("pulled")["of_workers"], (json.dumps(list(found)),)):
        found[worker_id] += (job_id,)
    return found


def with_jobs(connection: sqlite3.Connection, workers: Sequence[Worker]) -> list[Worker]:
    """Return workers, those that fetch their jobs themselves with the numbers of these jobs."""
    found = of_workers(connection, [worker.id for worker in workers if worker.map_type is MapType.NO_JOB])
    return [replace(worker, job_ids=found[worker.id]) if worker.id in found else worker for worker in workers]
