"""Commands of the server to its client: stored, handed out once, and read into ours."""
from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any

from harvester_hpc.model.command import Command, CommandKind
from harvester_local.wms_file import sentences

log = logging.getLogger(__name__)

#: Constraints of KILL_WORKERS; one that is missing or empty means: kill nothing.
CONSTRAINTS = ("computingSite", "computingElement", "submissionHost")


def put(db: sqlite3.Connection, command: str, params: Any, now: float, *, ack: bool) -> int:
    """Store a command in the server's words; return its number."""
    row = db.execute(sentences()["put_command"], {"command": command, "params": json.dumps(params), "ack": int(ack), "now": now}).lastrowid
    assert row is not None
    return row


def take(db: sqlite3.Connection, n: int, process: str) -> list[Command]:
    """new -> retrieved; those that mean nothing to us are dropped.

    One that wants to be acknowledged is given again to the next process if it was not.
    """
    taken: list[Command] = []
    for row in db.execute(sentences()["open_commands"], {"n": n, "process": process}).fetchall():
        command = command_of(row["id"], row["command"], json.loads(row["params"]), ack=bool(row["ack"]))
        if command is None:
            log.warning("dropped a command that means nothing here id=%s command=%s params=%s", row["id"], row["command"], row["params"])
        else:
            taken.append(command)
        db.execute(sentences()["take_command"], {"id": row["id"], "state": "retrieved" if command else "dropped", "process": process})
    return taken


def acknowledge(db: sqlite3.Connection, command_ids: Sequence[str]) -> None:
    """retrieved -> acknowledged."""
    numbers = [text.removeprefix("wms-") for text in command_ids]
    db.executemany(sentences()["acknowledge"], [{"id": int(number)} for number in numbers if number.isdecimal()])


def command_of(number: int, command: str, params: Any, *, ack: bool) -> Command | None:
    """Return the command in our words; None if there is nothing to do or we do not know it.

    Source: acquire_commands: KILL_WORKERS with constraints (status: submitted by default), SYNC_WORKERS_KILL with worker ids.
    """
    name = command.partition(":")[0]
    if name == "KILL_WORKERS" and isinstance(params, Mapping):
        where = _constraints(params)
        return Command(id=f"wms-{number}", kind=CommandKind.KILL_WORKERS, where=where, why=name, origin="wms", ack=ack) if where else None
    if name == "SYNC_WORKERS_KILL" and isinstance(params, list) and params and all(type(one) is int for one in params):
        return Command(id=f"wms-{number}", kind=CommandKind.KILL_WORKERS, ids=tuple(params), why=name, origin="wms", ack=ack)
    return None


def _constraints(params: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]] | None:
    where: dict[str, tuple[str, ...]] = {"status": _texts(params.get("status")) or ("submitted",)}
    for key in CONSTRAINTS:
        where[key] = _texts(params.get(key))
        if not where[key]:
            return None
    return where


def _texts(value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,) if value else ()
    return tuple(str(one) for one in value) if isinstance(value, list) else ()
