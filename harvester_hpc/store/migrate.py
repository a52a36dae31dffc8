"""Brings a store to the schema that this program knows."""
from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

from harvester_hpc.clock import Clock
from harvester_hpc.errors import LeaseLost, StoreError, StoreMissing, StoreUnusable
from harvester_hpc.store import schema
from harvester_hpc.store.backup import backup, sync
from harvester_hpc.store.connection import in_our_words, open_file, settle_journal, translated
from harvester_hpc.store.lease import Lease, acquire, guard


def migrate(
    path: Path, clock: Clock, *, folder: Path = schema.MIGRATIONS, wait: Callable[[float], bool] | None = None, limit_s: float = 120.0,
    beat_s: float = 20.0,
) -> tuple[int, int]:
    """Make the store at ``path`` if there is none, and run the migrations that it lacks.

    A store that holds something is copied aside first, to ``store.db.v<version>.<UTC time>``. Each migration is made as a
    whole or not at all. The lease is held meanwhile, so that no older program writes to a schema that it does not know.

    Args:
        folder: where the migrations are, ``NNNN_name.sql``.
        wait, limit_s, beat_s: as in ``lease.acquire``.

    Returns:
        The schema version before (0: there was none) and after.

    Raises:
        LeaseHeld: a migration is needed, and a living process has the store.
        StoreTooNew, StoreCorrupt, StoreUnusable: the store stays as it was, or at the last migration that was made.
    """
    newest = schema.newest(folder)
    before = _version_or_none(path, newest)
    if before == newest:
        return newest, newest
    found = before or _create(path, folder)
    if found < newest:
        _upgrade(path, clock, folder, found, acquire(
            path, clock=clock, wait=wait or threading.Event().wait, limit_s=limit_s, beat_s=beat_s, newest=newest,
        ))
    return before, newest


def version(path: Path) -> int:
    """Return the schema version of the store at ``path``, be it newer than this program's.

    Raises:
        StoreMissing, StoreCorrupt, StoreUnusable: there is none, or it cannot be read.
    """
    with closing(open_file(path, read_only=True)) as connection, translated(path):
        return schema.check(connection, path, oldest=0, newest=schema.ANY_VERSION)


def statements(script: str) -> Iterator[str]:
    """Give the statements of ``script`` one by one; a ``;`` within a string, a comment or a trigger ends none."""
    held = ""
    for piece in script.split(";"):
        held += piece
        if sqlite3.complete_statement(f"{held};"):
            if held.strip():
                yield held.strip()
            held = ""
        else:
            held += ";"
    if held.strip(" \t\r\n;"):
        yield held


def _version_or_none(path: Path, newest: int) -> int:
    try:
        with closing(open_file(path, read_only=True)) as connection, translated(path):
            return schema.check(connection, path, oldest=1, newest=newest)
    except StoreMissing:
        return 0


def _create(path: Path, folder: Path) -> int:
    """Make the store unless another process is faster; return the schema version that it has then."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with guard(path):
            _make_file(path)
            with closing(open_file(path)) as connection, translated(path):
                if schema.is_empty(connection):
                    settle_journal(connection, path)
                    # In one transaction: who looks meanwhile sees no store of an older schema.
                    _run(connection, path, schema.migrations(folder), None)
                return schema.check(connection, path, oldest=1, newest=schema.newest(folder))
    except OSError as error:
        raise StoreUnusable(
            f"the store {path} cannot be made", why=str(error), remedy="look at the permissions of its folder, or name another state_dir"
        ) from error


def _make_file(path: Path) -> None:
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except FileExistsError:
        return
    sync(path.parent)


def _upgrade(path: Path, clock: Clock, folder: Path, found: int, lease: Lease) -> None:
    with closing(open_file(path)) as connection, translated(path):
        try:
            backup(path, _aside(path, found, clock.now()))
            for migration in schema.migrations(folder)[found:]:
                lease.beat(connection, clock.now())
                _run(connection, path, [migration], lease)
        except BaseException:
            with suppress(sqlite3.Error, LeaseLost):
                lease.release(connection)
            raise
        lease.release(connection)


def _aside(path: Path, version: int, now: float) -> Path:
    """Return a free name beside the store, ``store.db.v3.20261121T100000Z``."""
    stamp = datetime.fromtimestamp(now, tz=UTC).strftime("%Y%m%dT%H%M%SZ")
    names = (path.with_name(f"{path.name}.v{version}.{stamp}{ending}") for ending in ("", *(f".{n}" for n in range(1, 1000))))
    return next(name for name in names if not os.path.lexists(name))


def _run(connection: sqlite3.Connection, path: Path, migrations: Sequence[schema.Migration], lease: Lease | None) -> None:
    """Run migrations, one at least, in one transaction.

    Foreign keys are looked at in the end only: a table that is made anew and renamed would otherwise take its children along.

    Source: SQLite, "Making Other Kinds Of Table Schema Changes".
    """
    migration = migrations[0]
    connection.execute("PRAGMA foreign_keys = OFF")
    connection.execute("BEGIN IMMEDIATE")
    try:
        if lease is not None:
            lease.check(connection)
        for migration in migrations:
            _execute(connection, migration.path.read_text(encoding="utf-8"))
            _check_references(connection)
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {migration.number}")
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        raise _failed(error, path, migration) from error
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        connection.execute("PRAGMA foreign_keys = ON")


def _execute(connection: sqlite3.Connection, script: str) -> None:
    def allow(action: int, *_: str | None) -> int:
        return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_TRANSACTION else sqlite3.SQLITE_OK

    connection.set_authorizer(allow)  # a COMMIT in the script would end our transaction half way
    try:
        for statement in statements(script):
            connection.execute(statement).fetchall()
    finally:
        connection.set_authorizer(None)


def _check_references(connection: sqlite3.Connection) -> None:
    broken = connection.execute("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise sqlite3.IntegrityError(f"row {broken[1]} of table {broken[0]} refers to no row of {broken[2]}")


def _failed(error: sqlite3.Error, path: Path, migration: schema.Migration) -> StoreError:
    return in_our_words(error, path) or StoreUnusable(
        f"the migration {migration.path.name} of the store {path} failed",
        why=f"SQLite says: {error}",
        remedy=f"the store stays at schema {migration.number - 1}; use the program that wrote it, and report this",
    )
