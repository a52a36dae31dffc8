"""The lease: which process may write to the store, seen alike from every node that sees the file.

A process number says nothing on another login node, so the lease stands in the store itself. It names its holder, and each
take-over raises its generation; a write looks for its own generation first, so that a process that was taken for dead and
wakes up again changes nothing.
"""
from __future__ import annotations

import math
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc import __version__
from harvester_hpc.clock import Clock, as_text
from harvester_hpc.errors import LeaseHeld, LeaseLost, StoreUnusable
from harvester_hpc.store import schema
from harvester_hpc.store.connection import BUSY_S, CHECK, in_our_words, open_file, settle_journal, translated
from harvester_hpc.store.process import boot_id, boot_name, host_name, process_started
from harvester_hpc.store.sql import sentences

PROGRAM = f"harvester_hpc {__version__}"

#: A holder whose sign of life is old is watched for so many of its beats before it is taken for dead.
BEATS_WATCHED = 1.5

#: Start times of processes are counted in ticks of 1/100 s; nearer than this, in seconds, is the same.
SAME_START_S = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who has the lease, or had it last: one row of the store.

    Attributes:
        process_started: seconds between the boot of its host and the start of the process; tells it from a later
            process with the same number.
        boot: ``<boot id>/<pid namespace>`` of its host; within an equal one, process numbers can be compared.
        since, beat: when it took the lease, and its last sign of life; seconds since 1970 by its own clock.
        beats: signs of life so far; needs no clock.
        generation: 1 for the first holder ever, one more for each that follows.
    """

    host: str
    pid: int
    process_started: float
    boot: str
    since: float
    beat: float
    beats: int
    generation: int
    released: bool
    program: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """Our right to write to the store at ``path``; it goes with the process that acquired it, not with its children."""

    path: Path
    generation: int
    pid: int
    since: float

    def check(self, connection: sqlite3.Connection) -> None:
        """Raise LeaseLost unless the lease is still ours. Inside an open write transaction, before anything else."""
        if connection.execute(sentences("lease")["check"], self._ours()).fetchone() is None:
            raise self._lost(connection)

    def beat(self, connection: sqlite3.Connection, now: float) -> None:
        """Give a sign of life. Raises LeaseLost."""
        if connection.execute(sentences("lease")["beat"], (now, *self._ours())).rowcount != 1:
            raise self._lost(connection)

    def release(self, connection: sqlite3.Connection) -> None:
        """Give the lease back: from the commit on this process cannot write, and the next one need not wait. Raises LeaseLost."""
        if connection.execute(sentences("lease")["release"], self._ours()).rowcount != 1:
            raise self._lost(connection)

    def _ours(self) -> tuple[int, int, float]:
        # Not the generation alone: a backup that was put in place may count towards the same number again.
        return self.generation, self.pid, self.since

    def _lost(self, connection: sqlite3.Connection) -> LeaseLost:
        now = holder(connection)
        by = "nobody has it" if now is None or now.released else f"{now.host}, process {now.pid}, has it since {as_text(now.since)}"
        return LeaseLost(
            f"the lease of the store {self.path} is no longer ours (generation {self.generation})", why=by,
            remedy="nothing was written; this process has to end",
        )


def holder(connection: sqlite3.Connection) -> Holder | None:
    """Return who has the lease, or had it last; None if nobody ever had it."""
    row = connection.execute(sentences("lease")["holder"]).fetchone()
    if row is None:
        return None
    return Holder(
        generation=row[0], host=row[1], pid=row[2], process_started=row[3], boot=row[4], since=row[5], beat=row[6], beats=row[7],
        released=bool(row[8]), program=row[9],
    )


def acquire(
    path: Path, *, clock: Clock, wait: Callable[[float], bool], host: str | None = None, limit_s: float = 120.0, beat_s: float = 20.0,
    newest: int | None = None,
) -> Lease:
    """Take the lease of the store; waits only while a holder on another host that looks dead is watched.

    Args:
        wait: waits for so many seconds; True if we are asked to stop (``Event.wait``).
        host: the name of this host; by default $HARVESTER_HPC_HOST or what the system says.
        limit_s: age of the last sign of life, in seconds, above which a holder on another host looks dead.
        beat_s: seconds between two signs of life.
        newest: newest schema that the caller knows; by default that of this program.

    Raises:
        LeaseHeld: a living process has it, or we are asked to stop while we watch.
        StoreError: the store cannot be used.
    """
    name, boot = host or host_name(), boot_name()
    with closing(open_file(path)) as connection, translated(path):
        schema.check(connection, path, oldest=1, newest=schema.newest() if newest is None else newest)
        candidate = _Candidate(path=path, clock=clock, host=name, boot=boot, limit_s=limit_s, beat_s=beat_s)
        seen = holder(connection)
        unmoved_s = candidate.watch(connection, seen, wait)
        with guard(path):
            lease = candidate.take(connection, seen, unmoved_s)
        settle_journal(connection, path)
    return lease


def is_dead(
    holder: Holder, *, now: float, host: str, boot: str, started: float | None, limit_s: float, beat_s: float, unmoved_s: float
) -> bool:
    """Tell whether the lease of ``holder`` may be taken over.

    On this host the process itself is asked, and clocks do not matter. Elsewhere only signs of life tell; clocks of login
    nodes differ, so an old one does not do, and it must not have moved while we watched.

    Args:
        now, host, boot: ours.
        started: start of the process that has the holder's number on this host, as ``Holder.process_started``; None if there
            is none; NaN if it cannot be told.
        limit_s, beat_s: as in ``acquire``.
        unmoved_s: seconds for which we watched, in which its signs of life did not move.
    """
    if holder.released:
        return True
    if holder.host == host and holder.boot == boot:
        return started is None or abs(started - holder.process_started) > SAME_START_S
    if holder.host == host and boot_id(holder.boot) != boot_id(boot):
        return True
    return (now - holder.beat > limit_s and unmoved_s >= BEATS_WATCHED * beat_s) or unmoved_s >= limit_s


def watch_s(holder: Holder, *, now: float, host: str, boot: str, limit_s: float, beat_s: float) -> float:
    """Return for how many seconds ``holder`` is to be watched before it is judged; 0: it can be judged at once."""
    nearby = holder.host == host and (holder.boot == boot or boot_id(holder.boot) != boot_id(boot))
    if holder.released or nearby:
        return 0.0
    age_s = now - holder.beat
    if age_s > limit_s:
        return BEATS_WATCHED * beat_s
    # A sign of life from our future: one of the two clocks is wrong, and its age says nothing.
    return limit_s if age_s < -limit_s else 0.0


def sentence(holder: Holder, path: Path, now: float) -> str:
    """Return who holds the store at ``path``, since when, and how long ago it gave a sign of life by the clock of ``now``."""
    age_s = now - holder.beat
    ago = f"{age_s:.0f} s ago" if age_s >= 0 else f"{-age_s:.0f} s ahead of our clock"
    return f"the store {path} is held by {holder.host}, process {holder.pid}, since {as_text(holder.since)}, last sign of life {ago}"


@contextmanager
def guard(path: Path) -> Iterator[None]:
    """Keep other processes from making, migrating or taking the store at ``path`` meanwhile; for moments only.

    Raises:
        StoreUnusable: another process keeps the lock file, or it cannot be locked.
    """
    from filelock import FileLock, Timeout  # takes 50 ms, which a reader need not pay

    file = path.with_suffix(".lock")
    lock = FileLock(file, timeout=BUSY_S, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise StoreUnusable(
            f"the store {path} is being made, taken or migrated by another process, which does not end",
            why=f"{file} stays locked", remedy=f"`fuser -v {file}` on each login node names it; end it and try again",
        ) from error
    except (OSError, NotImplementedError) as error:
        raise StoreUnusable(f"the lock file {file} of the store cannot be used", why=str(error), remedy=CHECK) from error
    try:
        yield
    finally:
        lock.release()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Candidate:
    """A process that wants the lease."""

    path: Path
    clock: Clock
    host: str
    boot: str
    limit_s: float
    beat_s: float

    def watch(self, connection: sqlite3.Connection, seen: Holder | None, wait: Callable[[float], bool]) -> float:
        """Return for how many seconds ``seen`` gave no sign of life before our eyes; LeaseHeld if it lives without a doubt."""
        if seen is None:
            return 0.0
        needed_s = watch_s(
            seen, now=self.clock.now(), host=self.host, boot=self.boot, limit_s=self.limit_s, beat_s=self.beat_s
        )
        if needed_s == 0 and not self._may_take(seen, 0.0):
            raise self._held(seen)
        unmoved_s, step_s = 0.0, self.beat_s / 4
        while unmoved_s < needed_s:
            if wait(step_s):
                raise self._held(seen, "we were asked to stop while we watched whether it lives")
            unmoved_s += step_s
            if not _same_sign(holder(connection), seen):
                return 0.0
        return unmoved_s

    def take(self, connection: sqlite3.Connection, seen: Holder | None, unmoved_s: float) -> Lease:
        """Take the lease if its holder is as dead as it was when we looked."""
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            ours = in_our_words(error, self.path)
            if seen is None or seen.released or ours is None or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
                raise
            raise self._held(seen, "it stopped in the middle of a write and keeps the file locked; only its end frees it") from error
        try:
            present = holder(connection)
            if present is not None and not self._may_take(present, unmoved_s if _same_sign(present, seen) else 0.0):
                raise self._held(present)
            lease = self._written(connection, 1 if present is None else present.generation + 1)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return lease

    def _may_take(self, present: Holder, unmoved_s: float) -> bool:
        return is_dead(
            present, now=self.clock.now(), host=self.host, boot=self.boot, started=process_started(present.pid), limit_s=self.limit_s,
            beat_s=self.beat_s, unmoved_s=unmoved_s,
        )

    def _written(self, connection: sqlite3.Connection, generation: int) -> Lease:
        now, pid = self.clock.now(), os.getpid()
        started = process_started(pid)
        # NaN would be stored as NULL; 0 is never the start of a process of ours.
        begun = started if started is not None and not math.isnan(started) else 0.0
        connection.execute(sentences("lease")["take"], (generation, self.host, pid, begun, self.boot, now, PROGRAM))
        return Lease(path=self.path, generation=generation, pid=pid, since=now)

    def _held(self, by: Holder, why: str = "") -> LeaseHeld:
        return LeaseHeld(sentence(by, self.path, self.clock.now()), why=why, remedy="stop it there with `harvester-hpc stop`")


def _same_sign(present: Holder | None, seen: Holder | None) -> bool:
    if present is None or seen is None:
        return present is seen
    return (present.generation, present.beats, present.since, present.released) == (seen.generation, seen.beats, seen.since, seen.released)
