"""Requests for jobs to a system that gives each job once: an answer that is lost cannot be asked for again, so it is told of."""
from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

#: Seconds after which PanDA gives up jobs that it has sent and never heard of.
GIVEN_UP_S = 1800.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LostAnswer:
    """Up to ``wanted`` jobs that the system may have given to a queue at ``asked`` (seconds since 1970), and that never arrived."""

    queue: str
    asked: float
    wanted: int
    why: str = ""


def begin(write: Write, queue: str, wanted: int) -> None:
    """A request for at most ``wanted`` jobs is about to be made."""
    write.connection.execute(sentences("job_call")["begin"], (queue, write.now, wanted))


def answered(write: Write, queue: str) -> None:
    """The answer is stored, or is that nothing was given."""
    write.connection.execute(sentences("job_call")["answered"], (queue,))


def lost(write: Write, queue: str, why: str) -> None:
    """Nobody knows what was given: keep that for people; it is given up there after half an hour."""
    write.connection.execute(sentences("job_call")["lost"], (queue, why))
    write.connection.execute(sentences("job_call")["forget"], (write.now - 48 * GIVEN_UP_S,))
    answered(write, queue)


def under_way(connection: sqlite3.Connection) -> list[LostAnswer]:
    """Return the requests whose answer is not stored."""
    return [LostAnswer(queue=row[0], asked=row[1], wanted=row[2]) for row in connection.execute(sentences("job_call")["under_way"])]


def lost_since(connection: sqlite3.Connection, since: float) -> list[LostAnswer]:
    """Return the answers that were lost, the oldest first."""
    rows = connection.execute(sentences("job_call")["lost_since"], (since,))
    return [LostAnswer(queue=row[0], asked=row[1], wanted=row[2], why=row[3]) for row in rows]
