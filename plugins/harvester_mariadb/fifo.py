"""The queue in two tables of a MariaDB or MySQL database, which several hosts may share."""
from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from harvester_hpc.errors import FifoLost, Unavailable
from harvester_hpc.model.fifo import Entry, entry_of, rows_of
from harvester_hpc.ports.context import Context
from harvester_mariadb import queries
from harvester_mariadb.password import password_in

#: The largest DOUBLE: SQL has no infinity.
ANY_SCORE = 1.7e308
#: Rows in one sentence; a packet of the server has its limit.
AT_ONCE = 1000
LONGEST_TITLE = 190

Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True, kw_only=True)
class MariadbFifoSettings:
    """Settings of the back end; the names are the published ones, but for the password, which stands in a file.

    Attributes:
        db_host, db_port: of the server.
        db_socket: its Unix socket, in place of host and port.
        db_password_file: file of mode 0600 with the password of ``db_user``; "" for none.
        db_schema: name of the database; it must be there.
        timeout_s: seconds that one answer is waited for.
    """

    db_schema: str = field(metadata={"key": "db_schema"})
    db_user: str = field(metadata={"key": "db_user"})
    db_host: str = field(default="localhost", metadata={"key": "db_host"})
    db_port: int = field(default=3306, metadata={"key": "db_port"})
    db_socket: str = field(default="", metadata={"key": "db_socket"})
    db_password_file: str = field(default="", metadata={"key": "db_password_file"})
    timeout_s: float = 20.0


class MariadbFifos:
    """Queues of this instance in a database; other instances may have theirs there too."""

    Settings: ClassVar[type[Any]] = MariadbFifoSettings

    def __init__(self, settings: MariadbFifoSettings, context: Context, now: Callable[[], float] = time.time) -> None:
        """Keep what was given; nothing is connected. ``now``: seconds since 1970."""
        self._settings, self._instance, self._now = settings, context.instance, now

    @staticmethod
    def problems(settings: MariadbFifoSettings, context: Context) -> tuple[str, ...]:
        """Return what types cannot tell, one line each."""
        from importlib.util import find_spec

        found = []
        if find_spec("pymysql") is None:
            found.append("the driver PyMySQL is not installed: pip install 'harvester_hpc[mariadb]'")
        if len(context.instance) > LONGEST_TITLE - 30:
            found.append(f"the name of the instance is too long for a queue: {LONGEST_TITLE - 30} characters at most")
        return tuple(found)

    def open(self, title: str) -> MariadbFifo:
        """Open the queue of this title; see ``ports.fifo.Fifos``."""
        return MariadbFifo(self._settings, f"{self._instance}/{title}", self._now)


class MariadbFifo:
    """One queue.

    Args:
        queue: its name in the database.
    """

    def __init__(self, settings: MariadbFifoSettings, queue: str, now: Callable[[], float]) -> None:
        self._settings, self._queue, self._now = settings, queue, now
        self._lock = threading.Lock()
        self._connection: Any = None
        self._life, self._next = "", 1
        with self._lock:
            self._call(self._connect)

    @property
    def life(self) -> str:
        """Name of this life of the queue."""
        return self._life

    def put(self, entries: Iterable[tuple[float, Any]]) -> Sequence[int]:
        """Put (score, item) pairs in; see ``ports.fifo.Fifo``."""
        rows = rows_of(entries)

        def insert(run: Any) -> list[int]:
            numbers = list(range(self._next, self._next + len(rows)))
            run.execute(queries.COUNT_ON, (len(rows), self._queue))
            run.executemany(queries.PUT, [(self._queue, number, *row) for number, row in zip(numbers, rows, strict=True)])
            return numbers

        return self._change(insert) if rows else []

    def get(self, count: int = 1, most: float | None = None) -> Sequence[Entry]:
        """Take entries out; see ``ports.fifo.Fifo``."""

        def take(run: Any) -> list[Entry]:
            found = self._first(run, count, most)
            _each(run, queries.DELETE, (self._queue,), [one.id for one in found])
            return found

        return self._change(take)

    def hold(self, until: float, count: int = 1, most: float | None = None) -> Sequence[Entry]:
        """Take entries out that come back at ``until``; see ``ports.fifo.Fifo``."""

        def take(run: Any) -> list[Entry]:
            found = self._first(run, count, most)
            _each(run, queries.HOLD, (until, self._queue), [one.id for one in found])
            return found

        return self._change(take)

    def release(self, ids: Iterable[int]) -> int:
        """Put held entries back; see ``ports.fifo.Fifo``."""
        wanted = list(ids)
        return self._change(lambda run: _each(run, queries.RELEASE, (self._queue,), wanted))

    def delete(self, ids: Iterable[int]) -> int:
        """Take entries out; see ``ports.fifo.Fifo``."""
        wanted = list(ids)
        return self._change(lambda run: _each(run, queries.DELETE, (self._queue,), wanted))

    def peek(self, count: int = 1, skip: int = 0) -> Sequence[Entry]:
        """Return the first entries, and leave them in; see ``ports.fifo.Fifo``."""
        return self._change(lambda run: self._first(run, count, None, skip))

    def size(self) -> int:
        """Return how many entries there are."""
        return self._change(lambda run: _number(run, queries.SIZE, (self._queue,)))

    def held(self) -> int:
        """Return how many are held."""
        now = self._now()
        return self._change(lambda run: _number(run, queries.HELD, (self._queue, now)))

    def clear(self) -> int:
        """Take everything out; see ``ports.fifo.Fifo``."""
        life = secrets.token_hex(8)

        def empty(run: Any) -> int:
            run.execute(queries.NEXT_LIFE, (life, self._queue))
            return int(run.execute(queries.CLEAR, (self._queue,)))

        number = self._change(empty)
        self._life = life
        return number

    def close(self) -> None:
        """Let go of the connection."""
        with self._lock:
            self._drop()

    # -- the server ----------------------------------------------------------------------------------------

    def _first(self, run: Any, count: int, most: float | None, skip: int = 0) -> list[Entry]:
        run.execute(queries.BACK, (self._queue, self._now()))
        run.execute(queries.FIRST, (self._queue, ANY_SCORE if most is None else most, max(0, count), max(0, skip)))
        return [entry_of(row) for row in run.fetchall()]

    def _change(self, change: Callable[[Any], Answer]) -> Answer:
        """Return what ``change`` says, in one transaction of the same life."""
        with self._lock:
            return self._call(lambda: self._changed(change))

    def _changed(self, change: Callable[[Any], Answer]) -> Answer:
        before = self._life
        if self._connection is None:
            self._connect()
        with self._connection.cursor() as run:
            run.execute(queries.LIFE, (self._queue,))
            found = run.fetchone()
            self._life, self._next = found or ("", 1)
            if self._life != before:
                self._connection.rollback()
                self._drop()
                raise FifoLost(f"the queue {self._queue} was cleared or lost in the database", remedy="it is filled anew")
            answer = change(run)
        self._connection.commit()
        return answer

    def _call(self, call: Callable[[], Answer]) -> Answer:
        import pymysql

        try:
            return call()
        except (pymysql.Error, OSError) as error:
            self._drop()
            where = self._settings.db_socket or f"{self._settings.db_host}:{self._settings.db_port}"
            what = f"the database of queues at {where} cannot be used"
            raise Unavailable(what, why=_words(error), remedy="look at the server") from error

    def _connect(self) -> None:
        import pymysql

        given = self._settings
        place = {"unix_socket": given.db_socket} if given.db_socket else {"host": given.db_host, "port": given.db_port}
        self._connection = pymysql.connect(
            **place, user=given.db_user, password=password_in(given.db_password_file), database=given.db_schema, charset="utf8mb4",
            defer_connect=True, connect_timeout=max(1, round(given.timeout_s)),
            read_timeout=given.timeout_s, write_timeout=given.timeout_s, autocommit=False,
        )
        self._connection.connect(_socket_to(given.db_socket, given.timeout_s) if given.db_socket else None)
        with self._connection.cursor() as run:
            run.execute(queries.MAKE_QUEUE)
            run.execute(queries.MAKE_ENTRY)
            run.execute(queries.BEGIN_LIFE, (self._queue, secrets.token_hex(8)))
            self._connection.commit()  # two who hold a row for reading and want it for writing would wait for each other
            run.execute(queries.LIFE, (self._queue,))
            self._life, self._next = run.fetchone()
        self._connection.commit()

    def _drop(self) -> None:
        import pymysql

        if self._connection is None:
            return
        with contextlib.suppress(pymysql.Error, OSError):  # it may be gone already
            self._connection.close()
        self._connection = None


def _socket_to(path: str, timeout_s: float) -> socket.socket:
    """Return a connection to a Unix socket. The driver's own way leaves one open if nobody listens there."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.settimeout(timeout_s)
        made.connect(path)
    except OSError:
        made.close()
        raise
    return made


def _each(run: Any, sentence: str, given: tuple[Any, ...], ids: Sequence[int]) -> int:
    return sum(run.execute(sentence, (*given, tuple(ids[start:start + AT_ONCE]))) for start in range(0, len(ids), AT_ONCE))


def _number(run: Any, sentence: str, given: tuple[Any, ...]) -> int:
    run.execute(sentence, given)
    return int(run.fetchone()[0])


def _words(error: Exception) -> str:
    return str(error.args[-1]) if error.args else str(error)
