"""Reads a worker's log as it may be shown: head and tail of a long one, without secrets, and never through a link."""
from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from harvester_hpc.errors import Unavailable
from harvester_hpc.policy.masking import HELD, Masking

#: Bytes that are read at once.
BLOCK = 1 << 20
#: Of a long log a quarter of what is shown is its head.
HEAD_SHARE = 4
#: What the kernel says of a link where none may be, and of a socket.
_A_LINK = frozenset({errno.ELOOP, errno.EMLINK, errno.ENXIO})


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLog:
    """An open log; whoever has it closes it.

    Attributes:
        descriptor: of the file.
        size, stamp: bytes, and time of the last change (ns since 1970), when it was opened.
    """

    descriptor: int
    size: int
    stamp: int

    def close(self) -> None:
        """Close the file."""
        os.close(self.descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoLog:
    """There is nothing to show. ``why``: "" if the file is simply not there."""

    why: str = ""


def open_log(access_point: str, path: str) -> OpenLog | NoLog:
    """Open ``path`` within ``access_point``; no part of it may be a link, and it must be a plain file.

    Raises:
        Unavailable: the file system does not answer.
    """
    try:
        descriptor = _opened(access_point, path.split("/"))
    except FileNotFoundError:
        return NoLog()
    except (PermissionError, NotADirectoryError, IsADirectoryError) as error:
        return NoLog(why=f"{path}: {error.strerror}")
    except OSError as error:
        if error.errno in _A_LINK:
            return NoLog(why=f"{path} is a link, or no file")
        raise Unavailable(f"the log {access_point}/{path} cannot be opened", why=str(error)) from error
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        os.close(descriptor)
        return NoLog(why=f"{path} is no plain file")
    return OpenLog(descriptor=descriptor, size=found.st_size, stamp=found.st_mtime_ns)


def excerpt(log: OpenLog, most: int) -> Iterator[bytes]:
    """Give the log in blocks: all of it, or head and tail, ``most`` bytes in all, with a line that says how much is left out.

    Raises:
        Unavailable: the file system does not answer.
    """
    if log.size <= most:
        yield from _masked(log, 0, log.size)
        return
    head = most // HEAD_SHARE
    tail = log.size - (most - head)
    yield from _masked(log, 0, head)
    yield b"\n[... %d bytes left out here; the whole log has %d bytes ...]\n" % (tail - head, log.size)
    yield from _masked(log, tail, log.size)


def _masked(log: OpenLog, begin: int, end: int) -> Iterator[bytes]:
    """Give the bytes from ``begin`` to ``end``; what lies around them is read too, so that no secret is cut and missed."""
    at, last = max(0, begin - HELD), min(log.size, end + HELD)
    masking = Masking(at, begin, end)
    while at < last:
        block = _read(log, at, min(BLOCK, last - at))
        if not block:  # it has become shorter
            break
        at += len(block)
        if shown := masking.feed(block):
            yield shown
    if shown := masking.finish():
        yield shown


def _read(log: OpenLog, at: int, size: int) -> bytes:
    try:
        return os.pread(log.descriptor, size, at)
    except OSError as error:
        raise Unavailable("a log cannot be read", why=str(error)) from error


def _opened(access_point: str, parts: list[str]) -> int:
    """Open a file folder by folder, so that nobody puts a link in between."""
    folder = os.open(access_point, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
            os.close(folder)
            folder = inner
        # A pipe would keep us waiting for a writer.
        return os.open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
    finally:
        os.close(folder)
