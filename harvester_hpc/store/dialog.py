"""Dialogs in the store: an outbox for an operator far away, and never an inbox of alarms: one message for each cause and day."""
from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Any

from harvester_hpc.model.dialog import Dialog, Level
from harvester_hpc.model.turn import PROPAGATOR
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

DAY_S = 86400.0
#: Messages that are sent in a day; what is more is kept here, and told to nobody.
MOST = 50
#: Longest texts that are kept, in characters (the server's columns).
NAME, MESSAGE = 100, 500
#: What stands in a message of which the middle was cut out.
CUT = " [...] "


def add(write: Write, module: str, identifier: str, level: Level, message: str) -> None:
    """Tell an operator that a person is needed; the same cause within a day is counted only.

    Args:
        module: who says it: an agent, a plugin.
        identifier: the cause, in words that stay the same as long as it is the same: ``queue Q``, ``credential of panda``.
        message: what does not work, why, and what to do. Never a secret.
    """
    cause, words = (module[:NAME], identifier[:NAME]), _short(message)
    known = write.connection.execute(sentences("dialog")["count"], (write.now, words, *cause, write.now - DAY_S)).rowcount
    if known:
        return
    sent: int = write.connection.execute(sentences("dialog")["sent_since"], (write.now - DAY_S,)).fetchone()[0]
    write.connection.execute(sentences("dialog")["insert"], (*cause, level, words, write.now, write.now if sent < MOST else None))
    write.ring(PROPAGATOR)


def over(write: Write, module: str, identifier: str) -> None:
    """The cause is no more: what was not told of it yet is not told any more."""
    write.connection.execute(sentences("dialog")["over"], (module[:NAME], identifier[:NAME]))


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[Dialog]:
    """Return messages that are to be sent now, the oldest first."""
    return [_dialog(row) for row in connection.execute(sentences("dialog")["due"], (now, limit))]


def next_due(connection: sqlite3.Connection) -> float | None:
    """Return when the next message is to be sent; None if there is none."""
    time: float | None = connection.execute(sentences("dialog")["next_due"]).fetchone()[0]
    return time


def told(write: Write, ids: Iterable[int]) -> None:
    """These were taken."""
    write.connection.executemany(sentences("dialog")["told"], [(write.now, one) for one in ids])


def forget(write: Write, before: float) -> int:
    """Drop messages about what happened before ``before``; return how many."""
    return write.connection.execute(sentences("dialog")["forget"], (before,)).rowcount


def newest(connection: sqlite3.Connection, limit: int) -> list[Dialog]:
    """Return the newest messages, for people."""
    return [_dialog(row) for row in connection.execute(sentences("dialog")["newest"], (limit,))]


def _dialog(row: tuple[Any, ...]) -> Dialog:
    return Dialog(
        id=row[0], module=row[1], identifier=row[2], level=Level(row[3]), message=row[4], number=row[5], since=row[6], last=row[7],
        told=row[8],
    )


def _short(message: str) -> str:
    """Return a message within its length: who is told what does not work, and what to do, wants its end too."""
    if len(message) <= MESSAGE:
        return message
    half = (MESSAGE - len(CUT)) // 2
    return message[:half] + CUT + message[-half:]
