"""What works and what does not: troubles and last rounds, for ``status``."""
from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """Something outside does not work.

    Attributes:
        queue: the PanDA queue concerned; "" for the agent as a whole.
        since, until: seconds since 1970: when it began, when it is tried again.
        count: tries without success so far.
        credential: the one that is waited for; "" if it is none.
    """

    agent: str
    queue: str
    since: float
    until: float
    count: int
    why: str
    credential: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Beat:
    """An agent's last round: when, how many rounds and changes since the start of the process."""

    agent: str
    round: float
    rounds: int
    changes: int


def trouble(write: Write, agent: str, queue: str, until: float, why: str, credential: str = "") -> None:
    """Keep that something does not work; the time of its beginning stays."""
    write.connection.execute(sentences("health")["trouble"], (agent, queue, write.now, until, why, credential))


def no_trouble(write: Write, agent: str, queue: str) -> None:
    """It works again."""
    write.connection.execute(sentences("health")["no_trouble"], (agent, queue))


def credential_changed(write: Write, name: str) -> None:
    """There is another content of a credential: who waits for it tries again, and speaks up if it is no better."""
    write.connection.execute(sentences("health")["credential_changed"], (name,))


def no_trouble_at_all(write: Write) -> None:
    """A new process starts without the troubles of the one before."""
    write.connection.execute(sentences("health")["no_trouble_at_all"])


def troubles(connection: sqlite3.Connection) -> list[Trouble]:
    """Return all that does not work now, the oldest first."""
    return [
        Trouble(agent=row[0], queue=row[1], since=row[2], until=row[3], count=row[4], why=row[5], credential=row[6])
        for row in connection.execute(sentences("health")["troubles"])
    ]


def beat(write: Write, beats: Iterable[Beat]) -> None:
    """Keep the last rounds of the agents."""
    write.connection.executemany(
        sentences("health")["beat"], [(one.agent, one.round, one.rounds, one.changes) for one in beats]
    )


def beats(connection: sqlite3.Connection) -> list[Beat]:
    """Return the last round of each agent."""
    return [Beat(agent=row[0], round=row[1], rounds=row[2], changes=row[3]) for row in connection.execute(sentences("health")["beats"])]
