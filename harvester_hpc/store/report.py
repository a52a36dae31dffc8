"""The outbox: what the workload management system is to be told of jobs."""
from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from harvester_hpc.model.job import JobId, JobState
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One letter to the workload management system.

    Attributes:
        seq: grows when a newer word replaces this one.
        told: the state was taken before; this is a heartbeat.
        tries: how often it was sent without being taken.
    """

    job_id: JobId
    seq: int
    state: JobState
    told: bool
    tries: int


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[Report]:
    """Return reports and heartbeats that are to be sent now, the oldest first."""
    return [
        Report(job_id=JobId(row[0]), seq=row[1], state=JobState(row[2]), told=bool(row[3]), tries=row[4])
        for row in connection.execute(sentences("report")["due"], (now, limit))
    ]


def next_due(connection: sqlite3.Connection) -> float | None:
    """Return when the next report or heartbeat is to be sent; None if there is none."""
    time: float | None = connection.execute(sentences("report")["next_due"]).fetchone()[0]
    return time


def taken(write: Write, report: Report, again: float | None) -> None:
    """The report was taken; ``again``: when the next heartbeat is due, None after the last word."""
    if again is None:
        write.connection.execute(sentences("report")["delete"], (report.job_id, report.seq))
        return
    write.connection.execute(sentences("report")["taken"], (again, report.job_id, report.seq))


def again(write: Write, report: Report, due: float) -> None:
    """The report was not taken: send it again at ``due``."""
    write.connection.execute(sentences("report")["again"], (due, report.job_id, report.seq))


def untold(connection: sqlite3.Connection) -> tuple[int, float | None]:
    """Return how many reports wait, and since when the oldest of them."""
    number, since = connection.execute(sentences("report")["untold"]).fetchone()
    return number, since
