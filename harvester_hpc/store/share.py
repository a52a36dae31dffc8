"""What each of several workers tells of one job."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from harvester_hpc.model.worker import Share, WorkerId, WorkerState
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


def put(write: Write, worker: int, told: Mapping[int, Mapping[str, Any]]) -> list[int]:
    """Keep a worker's newest word on its jobs, {job number: attributes}; return the jobs on which it says something new."""
    sql, run = sentences("job")["set_share"], write.connection.execute
    written = {job_id: json.dumps(dict(words), separators=(",", ":")) for job_id, words in told.items()}
    return [job_id for job_id, words in written.items() if run(sql, (job_id, worker, words)).rowcount]


def of_job(connection: sqlite3.Connection, job_id: int) -> list[Share]:
    """Return the share of each worker that a job ever had, the oldest first."""
    return [
        Share(
            worker_id=WorkerId(row[0]), cores=row[1], state=WorkerState(row[2]), started=row[3], ended=row[4],
            attributes={} if row[5] is None else json.loads(row[5]),
        )
        for row in connection.execute(sentences("job")["shares"], (job_id,))
    ]
