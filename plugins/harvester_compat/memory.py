"""What such plugins leave on their specs between two calls: kept for them, since the instance's store has no place for it."""
from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from harvester_compat.answers import text
from harvester_hpc.errors import Unavailable

BUSY_S = 10.0
_MAKE = "CREATE TABLE IF NOT EXISTS kept (thing TEXT PRIMARY KEY, content TEXT NOT NULL)"


class Memory:
    """A file with a dictionary for each thing (``job 17``); opened when it is first used."""

    def __init__(self, path: Path) -> None:
        self._path, self._lock = path, threading.Lock()

    def of(self, thing: str) -> dict[str, Any]:
        """Return what is kept of a thing; {} if nothing is."""
        row = self._run("SELECT content FROM kept WHERE thing = ?", (thing,))
        return json.loads(row[0], object_hook=_read) if row else {}

    def keep(self, thing: str, content: Mapping[str, Any]) -> None:
        """Keep this of a thing, in place of what was kept; nothing of an empty one. What JSON cannot say is kept as text."""
        if content:
            self._run("INSERT OR REPLACE INTO kept (thing, content) VALUES (?, ?)", (thing, _text_of(content)))
        else:
            self.forget(thing)

    def forget(self, thing: str) -> None:
        """Keep nothing of it."""
        if self._path.exists():
            self._run("DELETE FROM kept WHERE thing = ?", (thing,))

    def _run(self, sentence: str, given: tuple[Any, ...]) -> Any:
        with self._lock:
            try:
                self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                connection = sqlite3.connect(self._path, timeout=BUSY_S)
                try:
                    with connection:
                        connection.execute(_MAKE)
                        return connection.execute(sentence, given).fetchone()
                finally:
                    connection.close()
            except (OSError, sqlite3.Error) as error:
                remedy = "look at the disk, or move the file away"
                raise Unavailable(f"{self._path} cannot be used", why=str(error), remedy=remedy) from error


def _text_of(content: Mapping[str, Any]) -> str:
    """Return JSON of it; keys that JSON does not have are made text, and what goes round in a circle is left out."""
    try:
        return json.dumps(content, default=_written)
    except (TypeError, ValueError, RecursionError):
        return json.dumps(_plain(content, ()), default=_written)


def _plain(value: Any, above: tuple[int, ...]) -> Any:
    if not isinstance(value, Mapping | list | tuple):
        return value
    if id(value) in above:
        return None
    inside = (*above, id(value))
    if isinstance(value, Mapping):
        return {text(key): _plain(one, inside) for key, one in value.items()}
    return [_plain(one, inside) for one in value]


def _written(value: Any) -> Any:
    return {"__time__": value.isoformat()} if isinstance(value, datetime) else text(value)


def _read(value: dict[str, Any]) -> Any:
    return datetime.fromisoformat(value["__time__"]) if set(value) == {"__time__"} else value
