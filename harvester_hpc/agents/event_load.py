"""What is left to do of a job's event ranges: as its dictionary says, and as its workers have shown."""
from __future__ import annotations

import sqlite3
from dataclasses import replace

from harvester_hpc.model.job import Job
from harvester_hpc.policy.event_load import load_of
from harvester_hpc.store import event as events
from harvester_hpc.store import job as jobs
from harvester_hpc.store import share as shares


def with_load(connection: sqlite3.Connection, job: Job, now: float) -> Job:
    """Return a job that is about to get a worker, with what is left to do of its event ranges, if it has any."""
    work = events.jobs(connection, [job.id])
    if job.id not in work:
        return job
    (whole,) = jobs.with_params(connection, [job])
    load = load_of(whole, events.tally(connection, job.id), shares.of_job(connection, job.id), dry=work[job.id], now=now)
    return replace(job, events=load)
