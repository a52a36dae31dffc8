"""Connections to the store file, and SQLite's errors in our words."""
from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from harvester_hpc.errors import StoreCorrupt, StoreError, StoreMissing, StoreUnusable
from harvester_hpc.store import schema
from harvester_hpc.store.filesystem import journal_mode, kind_of

#: Seconds that a statement waits for the lock of another connection.
BUSY_S = 10.0

CHECK = "`harvester-hpc store check` tries the folder and says what does not work there"

#: SQLite's primary result codes that are about the file: what is said of it, and what to do.
_SAYINGS = {
    sqlite3.SQLITE_BUSY: ("stays locked", f"another process is using it (`fuser -v` on the file names those of this node); {CHECK}"),
    sqlite3.SQLITE_LOCKED: ("stays locked", f"another process is using it (`fuser -v` on the file names those of this node); {CHECK}"),
    sqlite3.SQLITE_READONLY: (
        "cannot be written",
        "give yourself write permission to the file, those beside it (-wal, -shm) and its folder, or name another state_dir",
    ),
    sqlite3.SQLITE_FULL: ("cannot grow: its file system is full", "free some space or quota there; what was committed is safe"),
    sqlite3.SQLITE_IOERR: ("cannot be read or written", f"look at quota and disk; {CHECK}"),
    sqlite3.SQLITE_CANTOPEN: ("cannot be opened", f"look at the permissions of the file and its folder; {CHECK}"),
    sqlite3.SQLITE_PERM: ("cannot be opened", f"look at the permissions of the file and its folder; {CHECK}"),
    sqlite3.SQLITE_PROTOCOL: ("cannot be locked", CHECK),
    sqlite3.SQLITE_NOLFS: ("is too large for its file system", "name another state_dir in the configuration"),
    sqlite3.SQLITE_NOMEM: ("cannot be read: no memory is left", "free some memory on this node"),
}

#: Extended codes that deserve words of their own.
_EXACT = {
    sqlite3.SQLITE_READONLY_ROLLBACK: (
        "was left in the middle of a write and cannot be mended from here",
        "open it once with write permission to the file and its folder: `harvester-hpc store check` as its owner",
    ),
    sqlite3.SQLITE_READONLY_DBMOVED: ("was moved or replaced while it was open", "stop the instance, put the file back, and start again"),
    sqlite3.SQLITE_IOERR_LOCK: ("cannot be locked", f"its file system has no working locks; {CHECK}"),
    sqlite3.SQLITE_IOERR_RDLOCK: ("cannot be locked", f"its file system has no working locks; {CHECK}"),
}


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open the store; the caller closes it. Transactions are explicit (BEGIN), rows are tuples, any thread may use it.

    Args:
        read_only: nothing is changed, the journal mode included; no write permission is needed, to file or folder.

    Raises:
        StoreMissing: there is no file, or an empty one.
        StoreCorrupt: it is none of our stores, or damaged.
        StoreTooNew: a newer program wrote it.
        StoreUnusable: it cannot be opened, is locked, or has an older schema.
    """
    connection = open_file(path, read_only=read_only)
    try:
        with translated(path):
            schema.check(connection, path, oldest=schema.newest(), newest=schema.newest())
            if not read_only:
                settle_journal(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def open_file(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Open an existing file whatever its schema; the journal mode stays as it is.

    Raises:
        StoreMissing, StoreCorrupt, StoreUnusable: as ``connect``.
    """
    if sqlite3.sqlite_version_info < schema.OLDEST_SQLITE:
        raise StoreUnusable(
            f"the store {path} needs SQLite {'.'.join(map(str, schema.OLDEST_SQLITE))}",
            why=f"this Python brings SQLite {sqlite3.sqlite_version}",
            remedy="use a Python with a newer SQLite (conda, uv or spack have one)",
        )
    if _is_missing(path):
        raise _missing(path)
    with translated(path):
        return _reading(path) if read_only else _opened(path, "mode=rw")


def settle_journal(connection: sqlite3.Connection, path: Path) -> str:
    """Bring the file to the journal mode that is right where it lies; return the mode it has now, ``wal`` or ``delete``.

    For the process that holds the lease, and without a transaction open.

    Raises:
        StoreUnusable: it lies on a network file system with a write-ahead log that somebody has open.
    """
    wanted = journal_mode(kind_of(path))
    present = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    if present != wanted:
        present = _switched(connection, path, present, wanted)
    # A power loss may bring a deleted journal back, and undo the commit with it, unless the folder is synced too (EXTRA).
    connection.execute(f"PRAGMA synchronous = {'FULL' if present == 'wal' else 'EXTRA'}")
    return present


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors about the file ``path`` into ours; those about a statement (our defects) pass as they are."""
    try:
        yield
    except sqlite3.Error as error:
        ours = in_our_words(error, path)
        if ours is None:
            raise
        raise ours from error


def in_our_words(error: sqlite3.Error, path: Path) -> StoreError | None:
    """Return what SQLite's ``error`` means for the store ``path``; None if it is not about the file."""
    exact = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK)
    primary = exact & 0xFF
    if primary in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
        return StoreCorrupt(
            f"the store {path} is damaged or no store at all", why=str(error),
            remedy="stop the instance, move the file away (with its -wal or -journal), and put the newest backup in its place",
        )
    if primary == sqlite3.SQLITE_CANTOPEN and _is_missing(path):
        return _missing(path)
    if path.is_dir():
        return StoreUnusable(f"the store {path} is a folder", remedy="name another state_dir in the configuration")
    saying = _EXACT.get(exact) or _SAYINGS.get(primary)
    if saying is None:
        return None
    return StoreUnusable(f"the store {path} {saying[0]}", why=f"SQLite says: {error}", remedy=saying[1])


class _Lenient(sqlite3.Connection):
    """Takes halves of characters too, which SQLite does not: JSON and names of files may hold them, and nobody's words stop an agent."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        """Execute a sentence; what is no text in the values of its parameters is replaced by question marks."""
        try:
            return super().execute(sql, parameters)
        except UnicodeEncodeError:
            return super().execute(sql, [_as_text(value) for value in parameters])


def _as_text(value: Any) -> Any:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _opened(path: Path, query: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{query}", uri=True, timeout=BUSY_S, isolation_level=None, check_same_thread=False,
        cached_statements=256, factory=_Lenient,
    )
    try:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("PRAGMA temp_store = MEMORY")
        # SQLite opens the file at the first look into it; trouble shall show here.
        connection.execute("PRAGMA schema_version").fetchone()
    except BaseException:
        connection.close()
        raise
    return connection


def _reading(path: Path) -> sqlite3.Connection:
    try:
        return _opened(path, "mode=ro")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode == sqlite3.SQLITE_READONLY_ROLLBACK:
            # A writer died in the middle of a commit; SQLite undoes its half before anything can be read.
            connection = _opened(path, "mode=rw")
            connection.execute("PRAGMA query_only = ON")
            return connection
        if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN and _is_at_rest(path):
            # With a write-ahead log SQLite wants to put two files beside the store even to read it. Where we may not,
            # and where there is no log, the file alone is the whole truth.
            return _opened(path, "mode=ro&immutable=1")
        raise


def _is_at_rest(path: Path) -> bool:
    log = path.with_name(f"{path.name}-wal")
    try:
        return os.access(path, os.R_OK) and not os.access(path.parent, os.W_OK) and (not log.exists() or log.stat().st_size == 0)
    except OSError:
        return False


def _missing(path: Path) -> StoreMissing:
    return StoreMissing(f"there is no store {path}", remedy="`harvester-hpc init` makes one; or name the right state_dir")


def _is_missing(path: Path) -> bool:
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def _switched(connection: sqlite3.Connection, path: Path, present: str, wanted: str) -> str:
    try:
        return str(connection.execute(f"PRAGMA journal_mode = {wanted}").fetchone()[0])
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        if wanted == "wal":
            return present  # slower, never wrong
        raise StoreUnusable(
            f"the store {path} has a write-ahead log, which does not work on its file system, and somebody has it open",
            why=f"SQLite says: {error}",
            remedy="end the other processes that use it, on every node, and start again",
        ) from error
