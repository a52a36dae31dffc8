"""Commands in the store: kept before anything is done, so that a crash loses none."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from harvester_hpc.model.command import Command, CommandKind
from harvester_hpc.model.turn import COMMAND_MANAGER
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """A command and what became of it. created: when it came, seconds since 1970."""

    command: Command
    done: bool
    result: str
    created: float


def insert(write: Write, commands: Iterable[Command]) -> None:
    """Keep commands; one that is known already is left alone."""
    for command in commands:
        where = None if command.where is None else json.dumps({key: list(values) for key, values in command.where.items()})
        write.connection.execute(
            sentences("command")["insert"],
            (command.id, command.kind, json.dumps(list(command.ids)), where, command.why, command.origin, int(command.ack), write.now,
             command.name, command.params),
        )
        write.ring(COMMAND_MANAGER)


def waiting(connection: sqlite3.Connection, limit: int) -> list[Command]:
    """Return commands that are not carried out, in the order in which they came."""
    return [_command(row) for row in connection.execute(sentences("command")["open"], (limit,))]


def newest(connection: sqlite3.Connection, limit: int) -> list[Known]:
    """Return the newest commands, for people, the newest first."""
    return [
        Known(command=_command(row), done=bool(row[9]), result=row[10], created=row[11])
        for row in connection.execute(sentences("command")["newest"], (limit,))
    ]


def drop_stops(write: Write) -> int:
    """Forget requests to stop that were meant for an earlier instance; return how many."""
    return write.connection.execute(sentences("command")["drop_stops"]).rowcount


def done(write: Write, command_id: str, result: str) -> None:
    """The command was carried out; ``result`` says what was asked and what was done."""
    write.connection.execute(sentences("command")["done"], (result, command_id))


def to_acknowledge(connection: sqlite3.Connection, limit: int) -> list[str]:
    """Return commands that are carried out and of which the workload management system wants to hear."""
    return [row[0] for row in connection.execute(sentences("command")["to_acknowledge"], (limit,))]


def acknowledged(write: Write, ids: Iterable[str]) -> None:
    """The workload management system has heard of these."""
    write.connection.executemany(sentences("command")["acknowledged"], [(command_id,) for command_id in ids])


def forget(write: Write, before: float) -> int:
    """Drop commands that were carried out and came before ``before``; return how many."""
    return write.connection.execute(sentences("command")["forget"], (before,)).rowcount


def _command(row: tuple[Any, ...]) -> Command:
    return Command(
        id=row[0], kind=CommandKind(row[1]), ids=tuple(json.loads(row[2])),
        where=None if row[3] is None else {key: tuple(values) for key, values in json.loads(row[3]).items()},
        why=row[4], origin=row[5], ack=bool(row[6]), name=row[7], params=row[8],
    )
