"""Tries in a folder what a store needs of its file system."""
from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

#: Below this, in bytes and files, a store soon cannot grow.
LITTLE_SPACE = 100 * 2**20
LITTLE_INODES = 1000


class Grade(StrEnum):
    """How good a finding is."""

    GOOD = "good"
    DOUBTFUL = "doubtful"  # works, and somebody should look at it
    BAD = "bad"            # a store cannot work like this


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: what, how good it is, and what was found, in one line."""

    name: str
    grade: Grade
    text: str


def good(name: str, text: str) -> Finding:
    """Return a finding that is as it should be."""
    return Finding(name=name, grade=Grade.GOOD, text=text)


def doubtful(name: str, text: str) -> Finding:
    """Return a finding that somebody should look at."""
    return Finding(name=name, grade=Grade.DOUBTFUL, text=text)


def bad(name: str, text: str) -> Finding:
    """Return a finding with which a store cannot work."""
    return Finding(name=name, grade=Grade.BAD, text=text)


def tried(folder: Path) -> Iterator[Finding]:
    """Try locks, fsync, rename and link in a folder of our own below ``folder``, and remove it."""
    try:
        place = Path(tempfile.mkdtemp(prefix=".check-", dir=folder))
    except OSError as error:
        yield bad("folder", f"nothing can be written to {folder}: {error.strerror}")
        return
    try:
        for name, trial in _TRIALS.items():
            yield _outcome(name, trial, place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


def room(folder: Path) -> Iterator[Finding]:
    """Tell free space and inodes of the file system; a quota shows only where the file system counts it as free space."""
    space = os.statvfs(folder)
    free, inodes = space.f_bavail * space.f_frsize, space.f_favail
    yield (good if free >= LITTLE_SPACE else doubtful if free else bad)("space", f"{free / 2**20:.0f} MB free (quotas may be tighter)")
    if space.f_files:  # btrfs and others count none
        yield (good if inodes >= LITTLE_INODES else doubtful if inodes else bad)("inodes", f"{inodes} files can be made")


def permissions(path: Path, wanted: int, name: str) -> Finding:
    """Tell whether we can write to ``path``, and whether anybody but the owner can get at it; its mode should be ``wanted``."""
    if not os.access(path, os.W_OK):
        return bad(name, f"{path} cannot be written: look at its permissions, and whether its file system is mounted read-only")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & ~wanted & 0o077:
        return doubtful(name, f"{path} has mode {mode:04o}, others can get at it; `chmod {wanted:o} {path}` closes it")
    return good(name, f"{path} has mode {mode:04o}")


def _outcome(name: str, trial: Callable[[Path], str], place: Path) -> Finding:
    try:
        return good(name, trial(place))
    except OSError as error:
        broken = f"does not work here: {error.strerror or error}"
        return doubtful(name, broken) if name == "link" else bad(name, broken)


def _lock(place: Path) -> str:
    with (place / "lock").open("w") as first, (place / "lock").open("w") as second:
        fcntl.lockf(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(first, fcntl.LOCK_UN)
        fcntl.flock(first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return "a lock keeps others out"
    raise OSError("two got the same lock")


def _fsync(place: Path) -> str:
    began = time.perf_counter()
    with (place / "sync").open("wb") as stream:
        stream.write(b"x" * 4096)
        stream.flush()
        os.fsync(stream.fileno())
    handle = os.open(place, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return f"a file and its folder took {(time.perf_counter() - began) * 1000:.1f} ms"


def _rename(place: Path) -> str:
    old, new = place / "name", place / "draft"
    old.write_text("old")
    new.write_text("new")
    with old.open() as stream:
        new.rename(old)
        if old.read_text() != "new" or stream.read() != "old" or new.exists():
            raise OSError("a rename does not replace the file at once")
    return "replaces a file at once"


def _link(place: Path) -> str:
    (place / "one").write_text("one")
    (place / "two").hardlink_to(place / "one")
    if (place / "one").stat().st_nlink != 2:
        raise OSError("a second name is not counted")
    return "a file can have two names"


_TRIALS: dict[str, Callable[[Path], str]] = {"lock": _lock, "fsync": _fsync, "rename": _rename, "link": _link}
