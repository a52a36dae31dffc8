"""One file brought to its place on a file system of this machine: whole and compared under its name, or not there at all."""
from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import zlib
from collections.abc import Callable
from pathlib import Path

from harvester_rucio.names import Known, measured

BLOCK = 4 << 20


class Wrong(Exception):
    """What lies there, or what has come, is not the file that is wanted."""


class Stopped(Exception):
    """It was asked to end."""


def stands(target: Path, wanted: Known) -> Known | None:
    """Return what lies at ``target`` if it is the wanted file; None if nothing is there, or another file that may be replaced.

    What is wanted has to have a checksum, else nothing can be the right file.

    Raises:
        Wrong: there is something that is no file.
        OSError: it cannot be read.
    """
    try:
        found = target.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        raise Wrong(f"{target}: is no ordinary file; move it away")
    if not wanted.checksum or wanted.size not in (None, found.st_size):
        return None
    there = measured(target, md5=bool(wanted.md5))
    return None if there.unlike(wanted) else there


def part_of(target: Path) -> Path:
    """Return where a file is put together before it has its name: the same place after a crash, and never a name too long."""
    return target.with_name(f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.part")


def bring(source: Path, target: Path, wanted: Known, stopped: Callable[[], bool]) -> Known:
    """Copy a file; harmless when repeated, and after a crash in the middle. Return what lies at ``target`` then.

    Raises:
        Wrong: the source is not what is wanted, or changed while it was read.
        Stopped: ``stopped()`` was true; nothing is there.
        OSError: a file cannot be read or written.
    """
    before = source.stat()
    if not stat.S_ISREG(before.st_mode):
        raise Wrong(f"{source}: is no ordinary file")

    def copy(part: Path) -> Known:
        found = _copied(source, part, before.st_size, stopped)
        after = source.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns):
            raise Wrong(f"{source}: changed while it was read")
        return found

    return fill(target, wanted, copy, str(source))


def fill(target: Path, wanted: Known, write: Callable[[Path], Known], what: str) -> Known:
    """Have ``write`` fill a part file, compare it, bring it to disk and give it its name. Return what lies at ``target`` then.

    Args:
        write: fills the file of that name, and returns what it has read elsewhere, as far as it knows.
        what: where it comes from, for messages.

    Raises:
        Wrong: it is not what is wanted, or ``target`` is no file.
        OSError: it cannot be written; and what ``write`` raises.
    """
    if target.is_dir():
        raise Wrong(f"{target}: is a folder; move it away")
    target.parent.mkdir(parents=True, exist_ok=True)
    part = part_of(target)
    try:
        part.unlink(missing_ok=True)
        read = write(part)
        found = measured(part, md5=bool(wanted.md5))
        if difference := found.unlike(wanted):
            raise Wrong(f"{what}: {difference}")
        if difference := found.unlike(read):
            raise Wrong(f"{target}: the copy {difference}")
        _sync(part)
        part.replace(target)
        _sync(target.parent)
    finally:
        part.unlink(missing_ok=True)
    return found


def _copied(source: Path, part: Path, most: int, stopped: Callable[[], bool]) -> Known:
    """Copy a file; one that grows while it is read is left as soon as there are more than ``most`` bytes."""
    size, sum32 = 0, 1
    with source.open("rb", buffering=0) as reader, part.open("wb") as writer:
        while size <= most and (block := reader.read(BLOCK)):
            if stopped():
                raise Stopped
            size += len(block)
            sum32 = zlib.adler32(block, sum32)
            writer.write(block)
    return Known(size=size, adler32=f"{sum32:08x}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        # Some network file systems refuse fsync of a folder; their rename is synchronous.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
