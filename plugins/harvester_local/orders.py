"""Commands of the server to its client: stored and handed out once."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any

from harvester_hpc.model.command import Command
from harvester_hpc.ports.orders import command_of
from harvester_local.wms_file import sentences


def put(db: sqlite3.Connection, command: str, params: Any, now: float, *, ack: bool) -> int:
    """Store a command in the server's words; return its number."""
    row = db.execute(sentences()["put_command"], {"command": command, "params": json.dumps(params), "ack": int(ack), "now": now}).lastrowid
    assert row is not None
    return row


def take(db: sqlite3.Connection, n: int, process: str) -> list[Command]:
    """new -> retrieved.

    One that wants to be acknowledged is given again to the next process if it was not.
    """
    taken: list[Command] = []
    for row in db.execute(sentences()["open_commands"], {"n": n, "process": process}).fetchall():
        taken.append(command_of(row["id"], row["command"], json.loads(row["params"]), ack=bool(row["ack"])))
        db.execute(sentences()["take_command"], {"id": row["id"], "state": "retrieved", "process": process})
    return taken


def acknowledge(db: sqlite3.Connection, command_ids: Sequence[str]) -> None:
    """retrieved -> acknowledged."""
    numbers = [text.removeprefix("wms-") for text in command_ids]
    db.executemany(sentences()["acknowledge"], [{"id": int(number)} for number in numbers if number.isdecimal()])
