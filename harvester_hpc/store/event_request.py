"""Requests of workers for event ranges, and calls to the workload management system whose answer is awaited."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from harvester_hpc.model.turn import EVENT_FEEDER
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


class Call(StrEnum):
    """What the workload management system is asked about event ranges."""

    LEASE = "lease"
    TELL = "tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A worker that wants ranges.

    Attributes:
        wanted: how many; None: as its letter says.
        pending: rows that were given to it in the store, and perhaps not in its letter.
    """

    worker_id: int
    wanted: int | None
    pending: tuple[int, ...] = ()


def want(write: Write, worker_id: int, wanted: int | None = None) -> None:
    """Note that a worker wants ranges; a request that is noted already stays."""
    write.connection.execute(sentences("event")["want"], (worker_id, wanted, write.now))
    write.ring(EVENT_FEEDER)


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[Request]:
    """Return requests that are to be answered now."""
    return [
        Request(worker_id=row[0], wanted=row[1], pending=tuple(json.loads(row[2])) if row[2] else ())
        for row in connection.execute(sentences("event")["requests"], (now, limit))
    ]


def next_due(connection: sqlite3.Connection) -> float | None:
    """Return when the next request is to be answered; None if there is none."""
    time: float | None = connection.execute(sentences("event")["next_request"]).fetchone()[0]
    return time


def put_pending(write: Write, worker_id: int, events: Sequence[int]) -> None:
    """These rows were given to a worker in the store, and are about to be written into its letter."""
    write.connection.execute(sentences("event")["put_pending"], (json.dumps(list(events)), worker_id))


def answered(write: Write, worker_id: int) -> None:
    """The request is answered, or nobody waits for an answer any more."""
    write.connection.execute(sentences("event")["answered"], (worker_id,))


def later(write: Write, worker_id: int, due: float) -> None:
    """The request is looked at again at ``due``."""
    write.connection.execute(sentences("event")["ask_later"], (due, worker_id))


def begin_call(write: Write, job_ids: Iterable[int], what: Call) -> None:
    """A call is about to be made. Until ``end_call`` nobody knows whether it was heard."""
    write.connection.executemany(sentences("event")["begin_call"], [(job_id, what) for job_id in job_ids])


def end_call(write: Write, job_ids: Iterable[int], what: Call) -> None:
    """The answer is stored."""
    write.connection.executemany(sentences("event")["end_call"], [(job_id, what) for job_id in job_ids])


def unanswered(connection: sqlite3.Connection, job_ids: Iterable[int], what: Call) -> set[int]:
    """Return those jobs of which nobody knows whether the last call was heard."""
    return {row[0] for row in connection.execute(sentences("event")["calls"], (json.dumps(list(job_ids)), what))}
