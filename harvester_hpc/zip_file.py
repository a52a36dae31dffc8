"""A zip of many files that is finished or not there: stored, not compressed; written beside its place, brought to disk, renamed."""
from __future__ import annotations

import contextlib
import errno
import os
import stat
import zlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.zip_record import LARGE, Member, header, index

BLOCK = 1 << 20
#: A larger file is not held in memory as a whole.
SMALL = 1 << 20
_LONGEST_NAME = 0xFFFF
#: What a file server that is away, or a busy machine, answers: it says nothing of the file.
_PASSING = frozenset({
    errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EHOSTDOWN, errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE,
    errno.ENOMEM,
})


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What came of it.

    Attributes:
        size: bytes of the zip.
        lost: {member: why it is not in the zip}.
    """

    size: int
    lost: dict[str, str]


def write_zip(
    place: Path, members: Iterable[tuple[str, Path]], stop: Callable[[], bool] = lambda: False, *, patient: bool = False
) -> Packed:
    """Make a zip at ``place``, replacing one that lies there.

    Args:
        members: (name in the zip, file); a second member of one name is lost.
        stop: asked before each member; True ends the work with InterruptedError.
        patient: a member that cannot be opened for a reason that may pass is not lost: there is no zip now.

    Raises:
        OSError: the zip cannot be written; nothing lies at ``place`` that was not there before.
    """
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = place.with_name(f".{place.name}.part")  # one writer at a time: a part of a process that died is overwritten
    try:
        descriptor = os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with _Archive(descriptor) as archive:
            lost = _fill(archive, members, stop, patient=patient)
            size = archive.finish()
        part.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _sync_folder(place.parent)
    return Packed(size=size, lost=lost)


def _fill(archive: _Archive, members: Iterable[tuple[str, Path]], stop: Callable[[], bool], *, patient: bool) -> dict[str, str]:
    names: set[str] = set()
    lost: dict[str, str] = {}
    for name, path in members:
        if stop():
            raise InterruptedError(f"told to stop before {name}")
        if name in names:
            lost[name] = "another member has its name"
            continue
        names.add(name)
        why = _add(archive, name, path, patient=patient)
        if why:
            lost[name] = why
    return lost


def _add(archive: _Archive, name: str, path: Path, *, patient: bool) -> str:
    """Write one member; return why it is not there."""
    try:
        if len(name.encode()) > _LONGEST_NAME:
            return f"{path}: its name is too long for a zip"
        source = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if patient and error.errno in _PASSING:
            raise
        return f"{path}: {error.strerror}"
    except ValueError as error:  # half of a character, or a NUL, in one of the names
        return f"{str(path)!r}: {error}"
    try:
        there = os.fstat(source)
        if not stat.S_ISREG(there.st_mode):
            return f"{path}: is no regular file"
        archive.add(name, source, there.st_size)
    finally:
        os.close(source)
    return ""


class _Archive:
    """A zip while it is written.

    Args:
        descriptor: an empty file, open to read and write; closed at the end of the context.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._members: list[Member] = []
        self._waiting: list[bytes] = []
        self._waiting_size = 0
        self._written = 0
        self._checker = ThreadPoolExecutor(1, thread_name_prefix="zip-checksum")  # its thread begins with the first large file

    def __enter__(self) -> _Archive:
        return self

    def __exit__(self, *reason: object) -> None:
        self._checker.shutdown(wait=True)
        os.close(self._descriptor)

    def add(self, name: str, source: int, size: int) -> None:
        """Write one member: the first ``size`` bytes of ``source``, or fewer if it is cut short meanwhile."""
        offset = self._written + self._waiting_size
        if size > SMALL:
            self._members.append(self._copied(name, source, size, offset))
            return
        content = _read(source, size)
        member = Member(name=name, size=len(content), crc=zlib.crc32(content), offset=offset, large=False)
        self._members.append(member)
        self._put(header(member), content)

    def finish(self) -> int:
        """Write the index, bring all to disk, and return the size of the zip in bytes."""
        self._put(index(self._members, self._written + self._waiting_size))
        self._flush()
        os.fsync(self._descriptor)
        return self._written

    def _put(self, *pieces: bytes) -> None:
        self._waiting += pieces
        self._waiting_size += sum(map(len, pieces))
        if self._waiting_size >= BLOCK:
            self._flush()

    def _flush(self) -> None:
        self._write(memoryview(b"".join(self._waiting)))
        self._waiting, self._waiting_size = [], 0

    def _copied(self, name: str, source: int, size: int, offset: int) -> Member:
        """Write a large member: its content first, its header again when size and checksum are known."""
        announced = Member(name=name, size=size, crc=0, offset=offset, large=size >= LARGE)
        self._put(header(announced))
        self._flush()
        block, begin, crc = memoryview(bytearray(BLOCK)), self._written, 0
        # An empty slice reads nothing, as the end of the file does.
        while got := os.readv(source, [block[:begin + size - self._written]]):
            # Neither needs Python's lock: one thread checks what the other writes.
            checking = self._checker.submit(zlib.crc32, block[:got], crc)
            self._write(block[:got])
            crc = checking.result()
        member = Member(name=name, size=self._written - begin, crc=crc, offset=offset, large=announced.large)
        _write_at(self._descriptor, header(member), offset)
        return member

    def _write(self, left: memoryview) -> None:
        while left:
            written = os.write(self._descriptor, left)
            self._written += written
            left = left[written:]


def _read(source: int, size: int) -> bytes:
    """Return the first ``size`` bytes, or all that there are."""
    content = os.read(source, size) if size else b""
    while len(content) < size and (more := os.read(source, size - len(content))):
        content += more
    return content


def _write_at(descriptor: int, content: bytes, offset: int) -> None:
    while content:
        written = os.pwrite(descriptor, content, offset)
        content, offset = content[written:], offset + written


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems refuse fsync of a folder; their rename is synchronous.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
