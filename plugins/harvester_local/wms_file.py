"""The file of the embedded workload management system: its schema, its sentences, one transaction at a time."""
from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

from harvester_hpc.errors import HarvesterError, Unavailable

VERSION = 2
HERE = Path(__file__).parent
_HEAD = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)


@cache
def sentences() -> Mapping[str, str]:
    """Return {name: SQL} of ``queries.sql``."""
    parts = _HEAD.split((HERE / "queries.sql").read_text())
    return dict(zip(parts[1::2], parts[2::2], strict=True))


class WmsUnusable(HarvesterError):
    """The file cannot be used at all. No StoreError: that is said of the store of the instance."""


class WmsFile:
    """An SQLite file that the daemon and the command line share.

    A connection lives for one call only: nothing stays open between rounds. The journal is a rollback journal, for the
    folder may lie on a network file system, where WAL must not be used; it is truncated rather than deleted, because SQLite
    syncs the truncation, but not the folder after a deletion.

    Args:
        busy_s: seconds to wait for another process that writes.
    """

    def __init__(self, path: Path, busy_s: float) -> None:
        self.path = path
        self._busy_s = busy_s
        # Threads of this process queue here: SQLite's own waiting is a sleep that starves some.
        self._lock = threading.Lock()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for reading.

        Raises:
            Unavailable: locked for too long, out of reach, no permission.
            WmsUnusable: the file cannot be used at all.
        """
        with self._translated(), closing(self._open()) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in a transaction: on disk when the block is left, or nothing of it if an error leaves it.

        Raises:
            Unavailable, WmsUnusable: as in ``read``.
        """
        with self._lock, self._translated(), closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def _open(self) -> sqlite3.Connection:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(f"no folder {self.path.parent}", why=str(error), remedy="choose another 'folder'") from error
        connection = sqlite3.connect(self.path, timeout=self._busy_s, isolation_level=None, check_same_thread=False)
        try:
            connection.row_factory = sqlite3.Row
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = FULL")
        version = int(connection.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            raise WmsUnusable(f"{self.path} was written by a newer program", why=f"its version is {version}, ours {VERSION}",
                              remedy="update harvester_hpc")
        if version < VERSION:
            connection.executescript((HERE / "schema.sql").read_text())

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            remedy = "see that its disk is writable and not full"
            raise Unavailable(f"{self.path} cannot be used now", why=str(error), remedy=remedy) from error
        except sqlite3.DatabaseError as error:
            if type(error) is not sqlite3.DatabaseError:
                raise
            raise WmsUnusable(f"{self.path} cannot be used", why=str(error),
                              remedy="move it away, and submit again the jobs that are not done") from error
