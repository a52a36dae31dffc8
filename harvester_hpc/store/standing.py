"""What one job or worker waits for, as the store has it; for people who ask."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from dataclasses import dataclass

from harvester_hpc.model.job import Job
from harvester_hpc.store import health
from harvester_hpc.store.health import Trouble
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """What is to be told of a job: its state in our words, whether that was told before (this is a heartbeat), tries, when."""

    state: str
    told: bool
    tries: int
    due: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A file on its way.

    Attributes:
        direction: in or out.
        state: waiting (for a batch) or moving (in one).
        tries: batches in which it did not arrive.
        due: when it, or its batch, is looked at next; seconds since 1970.
        why: what went wrong last, with it or its batch.
        transfer: number of the batch; None while it waits.
        remedy: what a person has to do before the batch goes on; "" if nothing.
    """

    lfn: str
    direction: str
    state: str
    tries: int
    due: float | None
    why: str
    transfer: int | None
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A worker asks for jobs: since when, when that is looked at, and jobs that are on their way to it."""

    since: float
    due: float
    pending: tuple[int, ...]


def untold(connection: sqlite3.Connection, job_id: int) -> Untold | None:
    """Return what is to be told of a job; None if nothing is left to tell."""
    row = connection.execute(sentences("standing")["report"], (job_id,)).fetchone()
    return None if row is None else Untold(state=row[0], told=bool(row[1]), tries=row[2], due=row[3])


def moves(connection: sqlite3.Connection, job_id: int) -> list[Move]:
    """Return the files of a job that are on their way in batches."""
    return [
        Move(
            lfn=row[0], direction=row[1], state=row[2], tries=row[3], due=row[8] if row[2] == "moving" else row[4], why=row[9] or row[5],
            transfer=row[6] if row[2] == "moving" else None, remedy=row[10] or "",
        )
        for row in connection.execute(sentences("standing")["moves"], (job_id,))
    ]


def jobs_before(connection: sqlite3.Connection, job: Job) -> int:
    """Return how many prepared jobs of its queue stand before a job."""
    number: int = connection.execute(sentences("standing")["jobs_before"], (job.queue, job.priority, job.id)).fetchone()[0]
    return number


def times(connection: sqlite3.Connection, worker_id: int) -> dict[str, float]:
    """Return {kill, letters, report: when a worker is looked after next}; what is not due at all is left out."""
    row = connection.execute(sentences("standing")["times"], (worker_id,)).fetchone() or (None, None, None)
    return {name: time for name, time in zip(("kill", "letters", "report"), row, strict=True) if time is not None}


def request(connection: sqlite3.Connection, worker_id: int) -> Request | None:
    """Return the request of a worker for jobs; None if it has none."""
    row = connection.execute(sentences("standing")["request"], (worker_id,)).fetchone()
    return None if row is None else Request(since=row[0], due=row[1], pending=tuple(json.loads(row[2])) if row[2] else ())


def troubles_of(connection: sqlite3.Connection, queue: str, agent: str = "", others: Collection[str] = ()) -> list[Trouble]:
    """Return the troubles of a queue, and those that several queues share; of one agent only if it is named.

    Args:
        others: names that are known to be of PanDA queues.
    """
    return [
        one for one in health.troubles(connection)
        if agent in ("", one.agent) and (one.queue in (queue, "") or not (one.queue in others or _is_queue(connection, one.queue)))
    ]


def _is_queue(connection: sqlite3.Connection, name: str) -> bool:
    return bool(connection.execute(sentences("standing")["is_queue"], (name,)).fetchone()[0])
