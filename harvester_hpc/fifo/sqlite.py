"""The queue in a SQLite file of its own; it may lie in memory (/dev/shm) and be lost with it."""
from __future__ import annotations

import logging
import os
import re
import secrets
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from harvester_hpc.clock import Clock, SystemClock
from harvester_hpc.errors import FifoLost, Unavailable
from harvester_hpc.model.fifo import Entry, entry_of, rows_of
from harvester_hpc.ports.context import Context
from harvester_hpc.store.filesystem import journal_mode, kind_of
from harvester_hpc.store.sql import sentences_in

log = logging.getLogger(__name__)

QUERIES = Path(__file__).with_name("queries.sql")
#: "HFIF", in the header of every file: what has another one is not ours, and is left alone.
APPLICATION_ID = 0x48464946
#: Seconds that a statement waits for the lock of another process.
BUSY_S = 10.0
#: No limit, where SQL wants one.
ANY_SCORE = float("inf")
PLACE = re.compile(r"\$\((AGENT|TITLE)\)")

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteFifoSettings:
    """Settings of the SQLite back end.

    Attributes:
        database_filename: file of a queue, with ``$(AGENT)`` where its title goes; relative to the state folder.
        durable: what was put in outlives a power loss, at the price of a wait for the disk; it outlives a kill -9 in any case.
    """

    database_filename: str = field(default="fifo_$(AGENT).db", metadata={"key": "database_filename"})
    durable: bool = False


class SqliteFifos:
    """Queues in files, one each."""

    Settings: ClassVar[type[Any]] = SqliteFifoSettings

    def __init__(self, settings: SqliteFifoSettings, context: Context, clock: Clock | None = None) -> None:
        """Keep what was given; nothing is touched."""
        self._settings, self._folder, self._clock = settings, context.state_dir, clock or SystemClock()

    @staticmethod
    def problems(settings: SqliteFifoSettings, context: Context) -> tuple[str, ...]:
        """Return what types cannot tell, one line each."""
        if not PLACE.search(settings.database_filename):
            return ("database_filename: wants $(AGENT) in it: each agent has a queue of its own",)
        return ()

    def open(self, title: str) -> SqliteFifo:
        """Open the queue of this title; see ``ports.fifo.Fifos``."""
        return SqliteFifo(self.path(title), self._clock, durable=self._settings.durable)

    def path(self, title: str) -> Path:
        """Return where the queue of this title lies."""
        return self._folder / PLACE.sub(title, self._settings.database_filename)


class SqliteFifo:
    """One queue.

    Args:
        path: its file; made, with its folder, if it is not there. A damaged one is put aside as ``<name>.damaged``.
        durable: each change waits for the disk.
    """

    def __init__(self, path: Path, clock: Clock, *, durable: bool = False) -> None:
        self._path, self._clock, self._durable = path, clock, durable
        self._lock = threading.Lock()
        self._sql = sentences_in(QUERIES)
        self._file: tuple[int, int] | None = None
        self._life = ""
        self._connection = self._opened()

    @property
    def life(self) -> str:
        """Name of this life of the queue."""
        return self._life

    def put(self, entries: Iterable[tuple[float, Any]]) -> Sequence[int]:
        """Put (score, item) pairs in; see ``ports.fifo.Fifo``."""
        rows = rows_of(entries)
        return self._change(lambda run: [run.execute(self._sql["put"], row).lastrowid or 0 for row in rows])

    def get(self, count: int = 1, most: float | None = None) -> Sequence[Entry]:
        """Take entries out; see ``ports.fifo.Fifo``."""

        def take(run: sqlite3.Connection) -> list[Entry]:
            found = self._first(run, count, most)
            run.executemany(self._sql["delete"], [(one.id,) for one in found])
            return found

        return self._change(take)

    def hold(self, until: float, count: int = 1, most: float | None = None) -> Sequence[Entry]:
        """Take entries out that come back at ``until``; see ``ports.fifo.Fifo``."""

        def take(run: sqlite3.Connection) -> list[Entry]:
            found = self._first(run, count, most)
            run.executemany(self._sql["hold"], [(until, one.id) for one in found])
            return found

        return self._change(take)

    def release(self, ids: Iterable[int]) -> int:
        """Put held entries back; see ``ports.fifo.Fifo``."""
        rows = [(one,) for one in ids]
        return self._change(lambda run: run.executemany(self._sql["release"], rows).rowcount if rows else 0)

    def delete(self, ids: Iterable[int]) -> int:
        """Take entries out; see ``ports.fifo.Fifo``."""
        rows = [(one,) for one in ids]
        return self._change(lambda run: run.executemany(self._sql["delete"], rows).rowcount if rows else 0)

    def peek(self, count: int = 1, skip: int = 0) -> Sequence[Entry]:
        """Return the first entries, and leave them in; see ``ports.fifo.Fifo``."""
        return self._change(lambda run: self._first(run, count, None, skip))

    def size(self) -> int:
        """Return how many entries there are."""
        return self._change(lambda run: int(run.execute(self._sql["size"]).fetchone()[0]))

    def held(self) -> int:
        """Return how many are held."""
        now = self._clock.now()
        return self._change(lambda run: int(run.execute(self._sql["held"], (now,)).fetchone()[0]))

    def clear(self) -> int:
        """Take everything out; see ``ports.fifo.Fifo``."""
        life = _new_life()

        def empty(run: sqlite3.Connection) -> int:
            run.execute(self._sql["next_life"], (life,))
            return run.execute(self._sql["clear"]).rowcount

        number = self._change(empty)
        self._life = life
        return number

    def close(self) -> None:
        """Let go of the file."""
        with self._lock:
            self._connection.close()

    # -- the file -----------------------------------------------------------------------------------------

    def _first(self, run: sqlite3.Connection, count: int, most: float | None, skip: int = 0) -> list[Entry]:
        run.execute(self._sql["back"], (self._clock.now(),))
        rows = run.execute(self._sql["first"], (ANY_SCORE if most is None else most, max(0, count), max(0, skip)))
        return [entry_of(row) for row in rows]

    def _change(self, change: Callable[[sqlite3.Connection], Answer]) -> Answer:
        """Return what ``change`` says, in one transaction of the same life."""
        with self._lock, self._translated():
            if self._mark() != self._file:
                self._begin_anew("its file was lost or replaced")
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                life = str(self._connection.execute(self._sql["life"]).fetchone()[0])
                answer = change(self._connection) if life == self._life else None
                self._connection.execute("COMMIT" if life == self._life else "ROLLBACK")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            if life != self._life:
                self._life = life
                raise FifoLost(f"the queue {self._path} was cleared by another process", remedy="it is filled anew")
            return answer  # type: ignore[return-value]  # None for a change that says None only

    def _begin_anew(self, why: str) -> None:
        self._connection.close()
        self._connection = self._opened()
        raise FifoLost(f"the queue {self._path} is a new one", why=why, remedy="it is filled anew")

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                self._connection.close()
                self._put_aside()
                self._begin_anew("it was damaged")
            remedy = "look at the disk, or name another place under fifo.database_filename"
            raise Unavailable(f"the queue {self._path} cannot be used", why=str(error), remedy=remedy) from error

    def _mark(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _opened(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            try:
                return self._made()
            except sqlite3.DatabaseError as error:
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
                    raise
                self._put_aside()
                return self._made()
        except (OSError, sqlite3.Error) as error:
            remedy = "give us write permission there, or name another place under fifo.database_filename"
            raise Unavailable(f"the queue {self._path} cannot be opened", why=str(error), remedy=remedy) from error

    def _put_aside(self) -> None:
        aside = self._path.with_name(f"{self._path.name}.damaged")
        log.warning("the queue is damaged and begins anew file=%s aside=%s", self._path, aside)
        self._path.replace(aside)
        for end in ("-wal", "-shm", "-journal"):
            self._path.with_name(f"{self._path.name}{end}").unlink(missing_ok=True)

    def _made(self) -> sqlite3.Connection:
        os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
        connection = sqlite3.connect(self._path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            self._check(connection)
            connection.execute(f"PRAGMA journal_mode = {journal_mode(kind_of(self._path))}")
            connection.execute(f"PRAGMA synchronous = {'FULL' if self._durable else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            for name in ("make_life", "make_entry", "make_order", "make_held"):
                connection.execute(self._sql[name])
            connection.execute(self._sql["begin_life"], (_new_life(),))
            self._life = str(connection.execute(self._sql["life"]).fetchone()[0])
            connection.execute("COMMIT")
            self._file = self._mark()
        except BaseException:
            connection.close()
            raise
        return connection

    def _check(self, connection: sqlite3.Connection) -> None:
        """Refuse a database that is somebody else's: the store itself, for one."""
        mark = int(connection.execute("PRAGMA application_id").fetchone()[0])
        has_tables = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is not None
        if mark not in (0, APPLICATION_ID) or (mark == 0 and has_tables):
            raise Unavailable(
                f"{self._path} is a database of another kind", remedy="name a file of its own for the queue under fifo.database_filename"
            )
        if mark == 0:
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")


def _new_life() -> str:
    return secrets.token_hex(8)
