"""One file brought to its place: whole and verified under its final name, or not there at all."""
from __future__ import annotations

import errno
import os
import secrets
import stat
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.model.checksum import BLOCK, Checksum, checksum_of
from harvester_local.durable import sync_folder

#: How the name of a part ends, and how long its beginning is.
PART, MARK = ".part", 10
#: Bytes from which on a second thread is worth it, and those that it gets at once: the two threads meet at each block.
LARGE, LARGE_BLOCK = 1 << 24, 8 * BLOCK
#: A hard link is not possible here; a copy is.
NO_LINK = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EACCES})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is known of the file beforehand: size in bytes (None: unknown), checksum ("" : unknown)."""

    size: int | None = None
    checksum: str = ""

    def refuses(self, size: int, checksum: str) -> str:
        """Return in words how a file differs from what is wanted; "" if it does not."""
        if self.size is not None and self.size != size:
            return f"has {size} bytes, expected {self.size}"
        if self.checksum and _padded(self.checksum) != checksum:
            return f"has checksum {checksum}, expected {self.checksum}"
        return ""


def _padded(checksum: str) -> str:
    """Some tools drop the leading zeros of an adler32."""
    kind, _, digits = checksum.lower().partition(":")
    return f"ad:{digits:0>8}" if kind == "ad" else checksum.lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """It lies at its place; size and checksum are verified there."""

    size: int
    checksum: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NotNow:
    """It could not be placed this time (missing source, full disk, ...)."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Differs:
    """The source is not the file that was promised."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Occupied:
    """Another file lies at the place and must not be replaced."""

    why: str


Placement = Placed | NotNow | Differs | Occupied


def place(
    source: Path, target: Path, wanted: Wanted, *, link: bool = False, replace: bool = True, one_of_many: bool = False
) -> Placement:
    """Bring ``source`` to ``target``; harmless when repeated, also after a crash in the middle.

    Args:
        link: make a hard link where the file system allows it, else a copy.
        replace: whether a different file at ``target`` may be replaced.
        one_of_many: the caller has made the folder and removed leftovers there, and brings its names to disk afterwards.
    """
    try:
        if (standing := _standing(source, target, wanted, replace)) is not None:
            return standing
        if one_of_many:
            return _place_anew(source, target, wanted, link)
        make_ready(target.parent, [target.name])
        placement = _place_anew(source, target, wanted, link)
        if isinstance(placement, Placed):
            sync_folder(target.parent)
        return placement
    except FileNotFoundError as error:
        return NotNow(why=f"{error.filename}: not there (yet)")
    except OSError as error:
        return NotNow(why=f"{error.filename or target}: {error.strerror or error}")


def _standing(source: Path, target: Path, wanted: Wanted, replace: bool) -> Placement | None:
    """Judge what lies at ``target``; None: it is to be placed."""
    try:
        found = target.lstat()
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return Occupied(why=f"{target}: is no ordinary file; remove it")
    checksum = checksum_of(target, wanted.checksum)
    known = wanted if wanted.checksum else _measured(source)
    difference = wanted.refuses(checksum.size, str(checksum)) or known.refuses(checksum.size, str(checksum))
    if not difference:
        return Placed(size=checksum.size, checksum=str(checksum))
    return None if replace else Occupied(why=f"{target}: another file lies there: it {difference}; move it away")


def _measured(source: Path) -> Wanted:
    checksum = checksum_of(source)
    return Wanted(size=checksum.size, checksum=str(checksum))


def _place_anew(source: Path, target: Path, wanted: Wanted, link: bool) -> Placement:
    before = source.stat()
    if not stat.S_ISREG(before.st_mode):
        return Differs(why=f"{source}: is no ordinary file")
    if difference := Wanted(size=wanted.size).refuses(before.st_size, ""):
        return Differs(why=f"{source}: {difference}")
    part = _part_of(target)
    try:
        linked = link and _linked(source, part)
        checksum, again = _linked_sum(source, wanted.checksum) if linked else _copied(source, part, wanted.checksum, before.st_size)
        after = source.stat()
        if (after.st_size, after.st_mtime_ns) != (before.st_size, before.st_mtime_ns) or checksum.size != after.st_size:
            return NotNow(why=f"{source}: changed while it was read")
        if difference := wanted.refuses(checksum.size, str(checksum)):
            return Differs(why=f"{source}: {difference}")
        if again is not None and (difference := Wanted(size=checksum.size, checksum=str(checksum)).refuses(again.size, str(again))):
            return NotNow(why=f"{target}: the copy {difference}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
    return Placed(size=checksum.size, checksum=str(checksum))


def _linked_sum(source: Path, like: str) -> tuple[Checksum, Checksum | None]:
    return checksum_of(source, like), None


def _linked(source: Path, part: Path) -> bool:
    try:
        # Through a symbolic link a hard link would be one of the link itself.
        os.link(source.resolve(), part)
    except OSError as error:
        if error.errno in NO_LINK:
            return False
        raise
    return True


def _copied(source: Path, part: Path, like: str, most: int) -> tuple[Checksum, Checksum]:
    """Copy the file, bring it to disk and read it again; return the checksums of what was read and of what was written.

    One that grows while it is read is left as soon as there are more than ``most`` bytes. Of a large file the checksum is made
    while the block before is written, and the copy is read while the disk takes it.
    """
    checksum = Checksum(like)
    with ExitStack() as stack:
        reader = stack.enter_context(source.open("rb", buffering=0))
        writer = stack.enter_context(part.open("xb", buffering=0))
        beside = stack.enter_context(ThreadPoolExecutor(1)).submit if most >= LARGE else _now
        size = LARGE_BLOCK if most >= LARGE else BLOCK
        while checksum.size <= most and (block := reader.read(size)):
            adding = beside(checksum.add, block)
            _write_all(writer.fileno(), block)
            adding.result()
        os.fchmod(writer.fileno(), stat.S_IMODE(os.fstat(reader.fileno()).st_mode) & 0o777 | stat.S_IWUSR)
        syncing = beside(os.fsync, writer.fileno())
        again = checksum_of(part, like)
        syncing.result()
    return checksum, again


def _now(act: Callable[[Any], object], what: Any) -> Future[object]:
    """Do it at once: a thread would cost a small file more than it gains."""
    done: Future[object] = Future()
    done.set_result(act(what))
    return done


def _write_all(descriptor: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(descriptor, view):]


def make_ready(folder: Path, names: Iterable[str]) -> None:
    """Make a folder, and remove what a process that was killed has left there of these files.

    Raises:
        OSError: the folder cannot be made or read.
    """
    marks = {_mark_of(name) for name in names}
    if not folder.is_dir():
        folder.mkdir(parents=True, exist_ok=True)
        sync_folder(folder.parent)
    with os.scandir(folder) as entries:
        leftovers = [entry.path for entry in entries if entry.name.endswith(PART) and entry.name[:MARK] in marks]
    for leftover in leftovers:
        Path(leftover).unlink(missing_ok=True)


def _part_of(target: Path) -> Path:
    """Return a new name beside ``target``; short, so that a long name of the file stays possible."""
    return target.with_name(f"{_mark_of(target.name)}{secrets.token_hex(4)}{PART}")


def _mark_of(name: str) -> str:
    """Return what the names of a file's parts begin with."""
    return f".{zlib.crc32(os.fsencode(name)):08x}."
