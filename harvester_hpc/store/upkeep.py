"""Looking after the store: check, backup, compact."""
from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.clock import Clock, SystemClock
from harvester_hpc.errors import HarvesterError, LeaseLost, StoreError
from harvester_hpc.store import probe, schema
from harvester_hpc.store.backup import backup
from harvester_hpc.store.connection import open_file, translated
from harvester_hpc.store.filesystem import OVERRIDE, journal_mode, kind_of
from harvester_hpc.store.lease import (
    Holder,
    Lease,
    acquire,
    holder,
    is_dead,
    sentence,
    watch_s,
)
from harvester_hpc.store.probe import Finding, Grade, bad, doubtful, good
from harvester_hpc.store.process import boot_name, host_name, process_started

__all__ = ["Finding", "Grade", "Report", "backup", "check", "compact"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a check has found, in the order in which it looked."""

    path: Path
    findings: tuple[Finding, ...]

    @property
    def usable(self) -> bool:
        """Whether nothing bad was found."""
        return all(finding.grade is not Grade.BAD for finding in self.findings)


def check(path: Path, *, clock: Clock | None = None, thorough: bool = False, limit_s: float = 120.0, beat_s: float = 20.0) -> Report:
    """Look at the store at ``path`` and try what it needs of its folder. Needs no daemon, and changes nothing in the store.

    Args:
        thorough: compare indices with tables too (``integrity_check``): takes several times as long.
        limit_s, beat_s: as in ``lease.acquire``.
    """
    return Report(path=path, findings=tuple(_findings(path, clock or SystemClock(), thorough, limit_s, beat_s)))


def compact(
    path: Path, *, clock: Clock, lease: Lease | None = None, wait: Callable[[float], bool] | None = None, limit_s: float = 120.0,
    beat_s: float = 20.0,
) -> tuple[int, int]:
    """Give the space of deleted rows back to the file system; needs the size of the store once more while it works.

    Args:
        lease: of the caller, who keeps it; without one it is taken for the time that it takes.
        wait, limit_s, beat_s: as in ``lease.acquire``.

    Returns:
        Bytes before and after.

    Raises:
        LeaseHeld, LeaseLost: a living process has the store.
        StoreError: it cannot be read or written; it stays as it was.
    """
    taken = lease or acquire(path, clock=clock, wait=wait or threading.Event().wait, limit_s=limit_s, beat_s=beat_s)
    with closing(open_file(path)) as connection, translated(path):
        before = _size(connection)
        try:
            taken.check(connection)
            connection.execute("PRAGMA temp_store = FILE")  # the copy that VACUUM makes need not fit into memory
            connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except BaseException:
            with suppress(sqlite3.Error, LeaseLost):
                _give_back(taken, lease, connection)
            raise
        _give_back(taken, lease, connection)
        return before, _size(connection)


def _give_back(taken: Lease, of_caller: Lease | None, connection: sqlite3.Connection) -> None:
    if of_caller is None:
        taken.release(connection)


def _findings(path: Path, clock: Clock, thorough: bool, limit_s: float, beat_s: float) -> Iterator[Finding]:
    folder = path.parent
    if not folder.is_dir():
        yield bad("folder", f"there is no folder {folder}")
        return
    yield from _where(path)
    yield from probe.tried(folder)
    yield from probe.room(folder)
    yield probe.permissions(folder, 0o700, "folder mode")
    try:
        with closing(open_file(path, read_only=True)) as connection, translated(path):
            yield probe.permissions(path, 0o600, "store mode")
            yield from _inside(connection, path, thorough)
            yield _lease(connection, path, clock.now(), limit_s, beat_s)
    except StoreError as error:
        yield bad("store", str(error))


def _where(path: Path) -> Iterator[Finding]:
    system = kind_of(path)
    text = f"{system.name}{', a network file system' if system.network else ''}, mounted at {system.mount_point or '?'}"
    if system.node_locks:
        yield bad("file system", f"{text} with {', '.join(system.node_locks)}: other nodes do not see its locks; use another folder")
    else:
        yield good("file system", text)
    try:
        mode = journal_mode(system)
    except HarvesterError as error:
        yield bad("journal setting", str(error))
        return
    if mode == "wal" and system.network:
        yield doubtful("journal setting", f"${OVERRIDE} asks for a write-ahead log on a network file system: one node only may use it")


def _inside(connection: sqlite3.Connection, path: Path, thorough: bool) -> Iterator[Finding]:
    version = schema.check(connection, path, oldest=0, newest=schema.ANY_VERSION)
    newest = schema.newest()
    if version > newest:
        yield bad("schema", f"{version}, written by a newer program; this one knows up to {newest}")
    elif version < newest:
        yield doubtful("schema", f"{version}; `harvester-hpc store migrate` (or the next start) brings it to {newest}")
    else:
        yield good("schema", str(version))
    yield _journal(connection, path)
    pragma = "integrity_check" if thorough else "quick_check"
    faults = [str(row[0]) for row in connection.execute(f"PRAGMA {pragma}(5)")]
    if faults == ["ok"]:
        yield good("content", f"whole ({pragma})")
    else:
        yield bad("content", f"damaged: {'; '.join(faults)}; go back to the newest backup that is whole")
    free = connection.execute("SELECT freelist_count * page_size FROM pragma_freelist_count, pragma_page_size").fetchone()[0]
    yield good("size", f"{_size(connection) / 2**20:.1f} MB, of which `harvester-hpc store compact` would give back {free / 2**20:.1f} MB")


def _journal(connection: sqlite3.Connection, path: Path) -> Finding:
    mode = str(connection.execute("PRAGMA journal_mode").fetchone()[0])
    system = kind_of(path)
    if mode == "wal" and system.network:
        return bad("journal", f"wal, which does not work on {system.name}; the next start changes it to delete")
    return good("journal", mode)


def _lease(connection: sqlite3.Connection, path: Path, now: float, limit_s: float, beat_s: float) -> Finding:
    found = holder(connection)
    if found is None or found.released:
        return good("lease", "free")
    text = sentence(found, path, now)
    if _looks_dead(found, now, limit_s, beat_s):
        return doubtful("lease", f"{text}; it looks dead; the next start takes the store over")
    return good("lease", text)


def _looks_dead(found: Holder, now: float, limit_s: float, beat_s: float) -> bool:
    host, boot = host_name(), boot_name()
    watched_s = watch_s(found, now=now, host=host, boot=boot, limit_s=limit_s, beat_s=beat_s)
    return is_dead(
        found, now=now, host=host, boot=boot, started=process_started(found.pid), limit_s=limit_s, beat_s=beat_s, unmoved_s=watched_s
    )


def _size(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size").fetchone()[0])
