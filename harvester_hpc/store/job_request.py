"""Requests of late workers for jobs, and the jobs that are bound to them."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from harvester_hpc.model.job import JobId
from harvester_hpc.model.turn import MESSENGER
from harvester_hpc.model.worker import Worker, WorkerId, WorkerState
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class JobRequest:
    """A worker that wants jobs.

    Attributes:
        since: when its request was seen first, seconds since 1970.
        due: when it is looked at; another value in the store says that jobs have become prepared meanwhile.
        pending: jobs that are bound to it in the store, and perhaps not in its letters.
    """

    worker_id: int
    since: float
    due: float = 0.0
    pending: tuple[JobId, ...] = ()


def note(write: Write, worker_id: int) -> None:
    """Note that a late worker wants jobs; a request that is noted already stays."""
    write.connection.execute(sentences("job_request")["note"], (worker_id, write.now))
    write.ring(MESSENGER)


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[JobRequest]:
    """Return requests that are to be looked at now."""
    return [
        JobRequest(worker_id=row[0], since=row[1], due=row[2], pending=tuple(json.loads(row[3])) if row[3] else ())
        for row in connection.execute(sentences("job_request")["due"], (now, limit))
    ]


def next_due(connection: sqlite3.Connection) -> float | None:
    """Return when the next request is to be looked at; None if there is none."""
    time: float | None = connection.execute(sentences("job_request")["next_due"]).fetchone()[0]
    return time


def bind(write: Write, worker_id: int, job_ids: Sequence[JobId]) -> list[JobId]:
    """Bind prepared jobs to a worker that asks, and keep them as pending; return those that are bound.

    A job that is no longer prepared, or is to be cancelled, is left out; a worker that has ended, or is to end, gets none.
    """
    if not write.connection.execute(sentences("job_request")["may_bind"], (worker_id,)).fetchone()[0]:
        return []
    bound = workers.bind(write, WorkerId(worker_id), job_ids)
    write.connection.execute(sentences("job_request")["put_pending"], (json.dumps(bound), worker_id))
    return bound


def later(write: Write, request: JobRequest, due: float) -> None:
    """The request is looked at again at ``due``, or when jobs become prepared."""
    write.connection.execute(sentences("job_request")["later"], (due, request.worker_id, request.due))


def answered(write: Write, worker_id: int) -> None:
    """The request is answered, or nobody waits for an answer any more."""
    write.connection.execute(sentences("job_request")["answered"], (worker_id,))


def takers(connection: sqlite3.Connection, queue: str, changed_after: float, limit: int) -> list[Worker]:
    """Return late workers that will take jobs; of those that run, the ones that have some, ask, or run since ``changed_after``."""
    return workers.from_rows(connection, connection.execute(sentences("job_request")["takers"], (queue, changed_after, limit)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fruitless:
    """Workers in a row, up to the newest, that were of no use. newest: its number; why: its reason; failed: it has failed."""

    number: int
    newest: int
    why: str
    failed: bool


def fruitless(connection: sqlite3.Connection, queue: str, most: int, shorter_s: tuple[float, float] | None = None) -> Fruitless | None:
    """Return the newest workers of a queue if they ended without ever having had a job; None if the newest did not.

    Args:
        most: so many are counted.
        shorter_s: of workers that fetch their jobs themselves: count those that failed in less than so many seconds, and those that
            ended well in less than so many: they have found nothing to do. Where nobody knows how long they ran, failures count.
    """
    rows = list(connection.execute(sentences("job_request")["ended_without_jobs"], (queue, most)))
    number = 0
    for _, state, had_jobs, ran_s, _ in rows:
        if shorter_s is None:
            was_of_use = had_jobs or state not in (WorkerState.FAILED, WorkerState.FINISHED)
        else:
            limit_s = {WorkerState.FAILED: shorter_s[0], WorkerState.FINISHED: shorter_s[1]}.get(WorkerState(state), 0.0)
            was_of_use = state != WorkerState.FAILED if ran_s is None else ran_s >= limit_s
        if was_of_use:
            break
        number += 1
    return Fruitless(number=number, newest=rows[0][0], why=rows[0][4], failed=rows[0][1] == WorkerState.FAILED) if number else None
