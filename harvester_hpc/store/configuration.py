"""Configurations in the store: those that the instance has worked with, and the version of its queue that each worker was made with."""
from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

#: So many configurations are kept.
KEPT = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A queue's configuration, as JSON that can be read again."""

    number: int
    queue: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A configuration that was in use from ``made`` (seconds since 1970) on, as JSON; ``how``: started or changed."""

    number: int
    made: float
    how: str
    content: str


def use(write: Write, queues: Mapping[str, str]) -> dict[str, int]:
    """Make new jobs and workers with these, {queue: content}; return {queue: number}. The same content has the same number."""
    sql = sentences("configuration")
    numbers = {}
    for queue, content in queues.items():
        write.connection.execute(sql["add_version"], (queue, content, write.now))
        write.connection.execute(sql["make_current"], (queue, content))
        numbers[queue] = int(write.connection.execute(sql["current"], (queue,)).fetchone()[0])
    write.connection.execute(sql["unused"])
    return numbers


def under_way(connection: sqlite3.Connection) -> list[Version]:
    """Return the versions with which jobs and workers under way were made."""
    rows = connection.execute(sentences("configuration")["under_way"])
    return [Version(number=row[0], queue=row[1], content=row[2]) for row in rows]


def of_worker(connection: sqlite3.Connection, worker_id: int) -> int:
    """Return the version with which a worker was made; 0 if none is known."""
    return _number(connection, "of_worker", worker_id)


def of_job(connection: sqlite3.Connection, job_id: int) -> int:
    """Return the version with which a job was fetched; 0 if none is known."""
    return _number(connection, "of_job", job_id)


def of_worker_of_job(connection: sqlite3.Connection, job_id: int) -> int:
    """Return the version with which a job's newest worker was made; 0 if none is known."""
    return _number(connection, "of_worker_of_job", job_id)


def _number(connection: sqlite3.Connection, sentence: str, key: int) -> int:
    row = connection.execute(sentences("configuration")[sentence], (key,)).fetchone()
    return int(row[0]) if row else 0


def applied(write: Write, how: str, content: str) -> None:
    """Keep the configuration with which the instance works from now on; the same as before is not kept again."""
    last = last_applied(write.connection)
    if last is not None and last.content == content:
        return
    write.connection.execute(sentences("configuration")["add"], (write.now, how, content))
    write.connection.execute(sentences("configuration")["trim"], (KEPT,))


def last_applied(connection: sqlite3.Connection) -> Applied | None:
    """Return the configuration with which the instance works, or has worked last; None if it never did."""
    row = connection.execute(sentences("configuration")["last"]).fetchone()
    return None if row is None else Applied(number=row[0], made=row[1], how=row[2], content=row[3])
