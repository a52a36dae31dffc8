"""What a person asks of the store: rows by state, queue and age."""
from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass

from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which rows.

    Attributes:
        states: at least one of these.
        queue: None: any.
        since: changed at this time or later, seconds since 1970.
        limit: rows at most; None: all.
    """

    states: tuple[str, ...]
    queue: str | None = None
    since: float = 0.0
    limit: int | None = None

    def parameters(self) -> dict[str, object]:
        """Return the values of the sentences."""
        limit = -1 if self.limit is None else self.limit
        return {"states": json.dumps(self.states), "queue": self.queue, "since": self.since, "limit": limit}


def job_ids(connection: sqlite3.Connection, wanted: Wanted) -> list[int]:
    """Return the numbers of jobs, those that changed last first."""
    return [row[0] for row in connection.execute(sentences("look")["job_ids"], wanted.parameters())]


def job_number(connection: sqlite3.Connection, wanted: Wanted) -> int:
    """Return how many jobs there are, whatever the limit."""
    number: int = connection.execute(sentences("look")["job_number"], wanted.parameters()).fetchone()[0]
    return number


def worker_ids(connection: sqlite3.Connection, wanted: Wanted) -> list[int]:
    """Return the numbers of workers, those that changed last first."""
    return [row[0] for row in connection.execute(sentences("look")["worker_ids"], wanted.parameters())]


def worker_number(connection: sqlite3.Connection, wanted: Wanted) -> int:
    """Return how many workers there are, whatever the limit."""
    number: int = connection.execute(sentences("look")["worker_number"], wanted.parameters()).fetchone()[0]
    return number


def transfer_ids(connection: sqlite3.Connection, wanted: Wanted) -> list[int]:
    """Return the numbers of batches of files, those that changed last first."""
    return [row[0] for row in connection.execute(sentences("look")["transfer_ids"], wanted.parameters())]


def transfer_number(connection: sqlite3.Connection, wanted: Wanted) -> int:
    """Return how many batches of files there are, whatever the limit."""
    number: int = connection.execute(sentences("look")["transfer_number"], wanted.parameters()).fetchone()[0]
    return number


def command_result(connection: sqlite3.Connection, command_id: str) -> str | None:
    """Return what came of a command; None while it is not carried out (or not known)."""
    row = connection.execute(sentences("look")["command_result"], (command_id,)).fetchone()
    return None if row is None else str(row[0])
