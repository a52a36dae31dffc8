"""A store with rows, and what a command answers."""
from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.clock import SystemClock
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.worker import MapType
from harvester_hpc.store import job as jobs
from harvester_hpc.store.database import Database
from harvester_hpc.store.migrate import migrate

WORKER = """INSERT INTO worker (worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node,
    batch_id, created, changed) VALUES (?, ?, ?, ?, ?, ?, 1, 1, 60, 0, 0, ?, ?, ?)"""


@dataclass(frozen=True)
class Said:
    """What a command answered."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Said]


class Stored:
    """The store of the instance, to be filled."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = SystemClock()
        migrate(path, self.clock)

    def add_job(self, job_id: int, state: JobState = JobState.RUNNING, queue: str = "Q", *, age_s: float = 0.0, why: str = "") -> None:
        log = File(job_id=job_id, kind=FileKind.LOG, lfn=f"{job_id}.log", state=FileState.EXPECTED)
        with Database(self.path, self.clock) as database, database.write() as write:
            write.now -= age_s
            jobs.insert(write, [Job(id=JobId(job_id), queue=queue, state=state, why=why, params={"PandaID": job_id}, files=(log,))])

    def add_worker(self, worker_id: int, access_point: Path, state: str = "running", queue: str = "Q", job_id: int | None = None) -> None:
        now = self.clock.now()
        with Database(self.path, self.clock) as database, database.write() as write:
            row = (worker_id, queue, MapType.ONE_TO_ONE, state, f"k{worker_id}", str(access_point), f"b{worker_id}", now, now)
            write.connection.execute(WORKER, row)
            if job_id is not None:
                write.connection.execute("INSERT INTO bond (worker_id, job_id) VALUES (?, ?)", (worker_id, job_id))

    def sql(self, sentence: str, *values: object) -> None:
        with Database(self.path, self.clock) as database, database.write() as write:
            write.connection.execute(sentence, values)
