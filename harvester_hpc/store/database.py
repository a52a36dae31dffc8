"""The store: readers for every thread, one writer, and the bell that a commit rings."""
from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from harvester_hpc.clock import Clock, as_text
from harvester_hpc.errors import LeaseLost
from harvester_hpc.store.backup import rescue
from harvester_hpc.store.connection import connect, translated
from harvester_hpc.store.lease import Lease

Bell = Callable[[frozenset[str]], None]


class Write:
    """One open write transaction: the connection, and the agents whose turn it is once it is committed."""

    __slots__ = ("agents", "connection", "now")

    def __init__(self, connection: sqlite3.Connection, now: float) -> None:
        self.connection = connection
        self.now = now
        self.agents: set[str] = set()

    def ring(self, agent: str | None) -> None:
        """Ring for ``agent`` after the commit."""
        if agent is not None:
            self.agents.add(agent)


class Database:
    """An open store file.

    Args:
        lease: held by this process, and looked for before each write. Without one nothing guards a write: for those who only read.
        ring: called after each commit with the names of the agents whose turn it now is.
    """

    def __init__(self, path: Path, clock: Clock, *, lease: Lease | None = None, ring: Bell | None = None) -> None:
        self.path = path
        self.clock = clock
        self._lease = lease
        self._ring = ring
        self._local = threading.local()
        self._readers: list[sqlite3.Connection] = []
        self._readers_lock = threading.Lock()
        self._write_lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._rescued = ""

    def __enter__(self) -> Database:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give this thread's own reading connection.

        Raises:
            StoreError: the file cannot be read; it says which and what to do.
        """
        with translated(self.path):
            yield self._reader()

    @contextmanager
    def write(self) -> Iterator[Write]:
        """Give a write transaction: all of it is durable at the end, or nothing of it.

        Raises:
            LeaseLost: another process has taken the store over, or its file is no longer in its place; nothing is written.
            StoreError: the file cannot be written; nothing is written.
        """
        with self._write_lock, translated(self.path):
            connection = self._writing()
            if not self._is_in_place():
                raise self._lost_file(connection)
            connection.execute("BEGIN IMMEDIATE")
            try:
                if self._lease is not None:
                    self._lease.check(connection)
                write = Write(connection, self.clock.now())
                yield write
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise
        if self._ring is not None and write.agents:
            self._ring(frozenset(write.agents))

    def close(self) -> None:
        """Close every connection; the lease stays as it is."""
        with self._write_lock, self._readers_lock:
            for connection in self._readers:
                connection.close()
            self._readers.clear()
            if self._writer is not None:
                self._writer.close()
                self._writer = None
        self._local = threading.local()

    def _reader(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = connect(self.path, read_only=True)
            self._local.connection = connection
            with self._readers_lock:
                self._readers.append(connection)
        return connection

    def _writing(self) -> sqlite3.Connection:
        if self._writer is None:
            self._writer = connect(self.path)
            there = self.path.stat()
            self._file = (there.st_dev, there.st_ino)
        return self._writer

    def _is_in_place(self) -> bool:
        # With a write-ahead log SQLite goes on in a file that was deleted or replaced, and nobody ever sees what it writes.
        try:
            there = self.path.stat()
        except FileNotFoundError:
            return False
        except OSError:
            return True  # SQLite will say what does not work
        return (there.st_dev, there.st_ino) == self._file

    def _lost_file(self, connection: sqlite3.Connection) -> LeaseLost:
        if not self._rescued:
            target = self.path.with_name(f"{self.path.name}.rescued.{as_text(self.clock.now()).replace('-', '').replace(':', '')}")
            try:
                rescue(connection, target)
                self._rescued = f"what was in it is kept in {target}: put it in the place of {self.path.name}, if that is what you want"
            except (OSError, sqlite3.Error) as error:
                self._rescued = f"what was in it could not be kept ({error}); go back to the newest backup"
        return LeaseLost(
            f"the store {self.path} was deleted, moved or replaced while it was open", why="its file is not in its place",
            remedy=f"this process has to end; {self._rescued}",
        )
