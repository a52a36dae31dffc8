"""A copy of the store while others use it."""
from __future__ import annotations

import os
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

from harvester_hpc.errors import StoreCorrupt, StoreUnusable
from harvester_hpc.store import schema
from harvester_hpc.store.connection import open_file, translated


def backup(path: Path, target: Path) -> int:
    """Copy the store at ``path`` to a new file ``target``: one moment of it, verified and durable, or no file at all.

    Nobody has to stop; on a network file system writers wait until the copy is made.

    Returns:
        Bytes of the copy.

    Raises:
        StoreMissing, StoreCorrupt, StoreUnusable: the store cannot be read, or the copy not be written; ``target`` exists.
    """
    if os.path.lexists(target):
        raise StoreUnusable(f"the backup {target} exists already", remedy="name another file, or remove it first")
    draft = target.with_name(f"{target.name}.part")
    try:
        with closing(open_file(path, read_only=True)) as source:
            _check_ours(source, path)
            with translated(target):
                _copy(source, draft)
        _verify(draft, path, target)
        _settle(draft, target)
    except OSError as error:
        raise StoreUnusable(f"the backup {target} cannot be written", why=str(error), remedy="look at folder, quota and disk") from error
    finally:
        for left in (draft, draft.with_name(f"{draft.name}-journal")):
            with suppress(OSError):
                left.unlink()
    return target.stat().st_size


def rescue(source: sqlite3.Connection, target: Path) -> None:
    """Copy what an open connection sees to a new file ``target``, whatever became of the file that it opened.

    Raises:
        OSError, sqlite3.Error: there is no copy.
    """
    draft = target.with_name(f"{target.name}.part")
    try:
        _copy(source, draft)
        _settle(draft, target)
    finally:
        with suppress(OSError):
            draft.unlink()


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a power loss. Not for the store itself: closing it here drops SQLite's locks."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_ours(source: sqlite3.Connection, path: Path) -> None:
    with translated(path):
        application, _ = schema.marks(source)
        if application != schema.APPLICATION_ID and not schema.is_empty(source):
            raise StoreCorrupt(f"{path} is a database, but none of our stores", remedy="name the store of an instance")


def _copy(source: sqlite3.Connection, draft: Path) -> None:
    draft.unlink(missing_ok=True)
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    with closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = OFF")  # made durable as a whole afterwards
        source.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")  # one file, wherever it is put


def _verify(draft: Path, path: Path, target: Path) -> None:
    with translated(target), closing(sqlite3.connect(draft, isolation_level=None)) as copy:
        try:
            found = [str(row[0]) for row in copy.execute("PRAGMA quick_check(1)")]
        except sqlite3.DatabaseError as error:
            found = [str(error)]
    if found != ["ok"]:
        raise StoreCorrupt(
            f"the store {path} is damaged; no backup was made of it", why=found[0], remedy="go back to the newest backup that is whole"
        )


def _settle(draft: Path, target: Path) -> None:
    sync(draft)
    draft.rename(target)
    sync(target.parent)
