"""What the emulated service knows, in one folder: it survives the death of the process that serves it."""
from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

SCHEMA = Path(__file__).with_name("schema.sql")

#: {name: its default}, what may be set.
SETTINGS: Mapping[str, Any] = MappingProxyType({
    "now": None,               # seconds since 1970; None: the time of this machine
    "secret": "emulated",      # of every client that has one
    "identity": "11111111-1111-4111-8111-111111111111",  # of every person that logs in
    "token_life_s": 7200,
    "submission_life_s": 1e9,
    "page": 100,               # rows of a page of successful transfers and of skipped errors
    "files_per_look": None,    # moved at each look at tasks; None: all
    "active_limit": 3,
    "pending_limit": 100,
    "stuck": False,            # no task makes progress
    "inactive": False,         # credentials of tasks have expired
    "corrupt": "",             # files whose destination has this in its path arrive with a wrong byte, once
    "lie": False,              # the check after the transfer does not see a wrong byte
    "broken": "",              # files whose destination has this in its path cannot be moved
    "forbidden": "",           # files whose source has this in its path may not be read
})


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """What goes wrong at a call. how: see ``faults``; more: its details."""

    how: str
    more: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Collection:
    """A folder that stands for a collection.

    Attributes:
        paused: message of its pause rule; "" if there is none.
        mapped: transfers want consent to ``data_access``, unless ``high_assurance``.
    """

    id: str
    name: str
    root: Path
    mapped: bool
    high_assurance: bool
    paused: str
    is_full: bool
    read_only: bool


class World:
    """The folder. May be opened by several processes: the emulator, and a test that sets faults and counts calls.

    Args:
        folder: absolute; is made.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._lock = threading.RLock()
        self._connection = sqlite3.connect(folder / "globus.db", isolation_level=None, check_same_thread=False, timeout=30)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=OFF")  # a killed process loses nothing; a machine that fails may
        self._connection.executescript(SCHEMA.read_text(encoding="utf-8"))

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def change(self) -> Iterator[None]:
        """One at a time, and all or nothing."""
        with self._lock:
            if self._connection.in_transaction:
                yield
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    def rows(self, sentence: str, *values: Any) -> list[sqlite3.Row]:
        """Return all rows of one sentence of SQL."""
        with self._lock:
            return self._connection.execute(sentence, values).fetchall()

    def row(self, sentence: str, *values: Any) -> sqlite3.Row | None:
        """Return the first row; None if there is none."""
        found = self.rows(sentence, *values)
        return found[0] if found else None

    def many(self, sentence: str, values: list[tuple[Any, ...]]) -> None:
        """Do one sentence for each of ``values``."""
        with self._lock:
            self._connection.executemany(sentence, values)

    # -- what a test says ------------------------------------------------------------------------

    def set(self, **settings: Any) -> None:
        """Change settings; see SETTINGS.

        Raises:
            KeyError: there is no such setting.
        """
        for name, value in settings.items():
            if name not in SETTINGS:
                raise KeyError(name)
            self.rows("INSERT INTO setting VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, json.dumps(value))

    def setting(self, name: str) -> Any:
        """Return one setting."""
        found = self.row("SELECT value FROM setting WHERE name = ?", name)
        return SETTINGS[name] if found is None else json.loads(found["value"])

    def fail(self, call: str, how: str, times: int = 1, **more: Any) -> None:
        """Let the next ``times`` calls of this name go wrong; see ``faults``."""
        self.rows("INSERT INTO fault (call, how, remaining, more) VALUES (?, ?, ?, ?)", call, how, times, json.dumps(more))

    def fault(self, call: str) -> Fault | None:
        """Use up one fault of this call; None if there is none."""
        with self.change():
            found = self.row("SELECT * FROM fault WHERE call = ? AND remaining > 0 ORDER BY id LIMIT 1", call)
            if found is None:
                return None
            self.rows("UPDATE fault SET remaining = remaining - 1 WHERE id = ?", found["id"])
        return Fault(how=found["how"], more=json.loads(found["more"]))

    def heal(self) -> None:
        """Forget all faults that are left."""
        self.rows("UPDATE fault SET remaining = 0")

    def count(self, call: str) -> None:
        """Count one call."""
        self.rows("INSERT INTO call VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET times = times + 1", call)

    def calls(self) -> Counter[str]:
        """Return how often each call was made, those that failed too."""
        return Counter({row["name"]: row["times"] for row in self.rows("SELECT * FROM call")})

    # -- collections -----------------------------------------------------------------------------

    def add_collection(self, name: str, root: Path, *, mapped: bool = False, high_assurance: bool = False) -> str:
        """Let a folder stand for a collection; return its id. The same name has the same id again."""
        found = self.row("SELECT id FROM collection WHERE name = ?", name)
        if found is not None:
            return str(found["id"])
        root.mkdir(parents=True, exist_ok=True)
        made = str(uuid.uuid4())
        self.rows(
            "INSERT INTO collection (id, name, root, mapped, high_assurance) VALUES (?, ?, ?, ?, ?)",
            made, name, str(root.resolve()), mapped, high_assurance,
        )
        return made

    def change_collection(self, collection: str, *, paused: str = "", is_full: bool = False, read_only: bool = False) -> None:
        """Pause a collection, fill it, or forbid to write in it; what is not said is as usual."""
        self.rows("UPDATE collection SET paused = ?, is_full = ?, read_only = ? WHERE id = ?", paused, is_full, read_only, collection)

    def collection(self, collection: str) -> Collection | None:
        """Return one collection; None if there is none of this id."""
        found = self.row("SELECT * FROM collection WHERE id = ?", collection)
        if found is None:
            return None
        return Collection(
            id=found["id"], name=found["name"], root=Path(found["root"]), mapped=bool(found["mapped"]), is_full=bool(found["is_full"]),
            high_assurance=bool(found["high_assurance"]), paused=found["paused"], read_only=bool(found["read_only"]),
        )

    # -- what a test asks ------------------------------------------------------------------------

    def tasks(self) -> list[sqlite3.Row]:
        """Return all tasks, in the order of their submission."""
        return self.rows("SELECT * FROM task ORDER BY number")

    def copies(self) -> dict[str, int]:
        """Return {destination path: how often bytes were written there}."""
        found = self.rows("SELECT destination, sum(copies) AS times FROM item GROUP BY destination")
        return {row["destination"]: row["times"] for row in found}
