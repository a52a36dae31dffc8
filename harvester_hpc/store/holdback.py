"""PanDA queues whose workers a limit of the site keeps back: no trouble, but ``status`` says it."""
from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdback:
    """One queue; ``since`` in seconds since 1970, ``why`` is the limit with the arithmetic."""

    queue: str
    since: float
    why: str


def hold(write: Write, queue: str, why: str) -> None:
    """Keep that a queue is held back; the time of its beginning stays."""
    write.connection.execute(sentences("holdback")["hold"], (queue, write.now, why))


def release(write: Write, queue: str) -> None:
    """It is no longer."""
    write.connection.execute(sentences("holdback")["release"], (queue,))


def release_all(write: Write) -> None:
    """A new process starts without what was held back before."""
    write.connection.execute(sentences("holdback")["release_all"])


def holdbacks(connection: sqlite3.Connection) -> list[Holdback]:
    """Return all queues that are held back now."""
    return [Holdback(queue=row[0], since=row[1], why=row[2]) for row in connection.execute(sentences("holdback")["all"])]
