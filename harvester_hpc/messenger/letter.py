"""One letter: a JSON file that is written at once, read whole or not at all, taken, and put away.

Written: a part file in the same folder, fsync, rename. Taken: renamed to a name of its own (``X.taken.<time>.<token>``),
so that the writer may write the next ``X`` and nobody can put away a letter that he has not read. Put away:
``X.read.<UTC time>``. Put aside: ``X.bad.<n>``, with the reason in ``X.bad.<n>.reason``.
"""
from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.names import IN, OUT, STRANGE

#: Bytes; a longer letter is a bad one.
LARGEST = 64 << 20
#: Read letters that are kept of each name, for a person to look at.
KEPT_READ = 3
#: Bad letters that are kept of each name; the last place is used again and again.
KEPT_BAD = 50

TAKEN = ".taken."
READ = ".read."
BAD = ".bad."


@dataclass(frozen=True, slots=True)
class Shape:
    """What tells whether a file has changed: time of modification in ns, size in bytes, inode."""

    mtime_ns: int
    size: int
    inode: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Whole:
    """A letter with its content, a JSON object or (``worker_pandaids.json``) array."""

    content: Any
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """There is no such file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfit:
    """A file that is no letter.

    Attributes:
        hopeless: it is complete and yet no letter; otherwise it may be in the middle of being written.
    """

    why: str
    shape: Shape
    hopeless: bool = False


Reading = Whole | Absent | Unfit


def write(path: Path, content: object, *, sync: bool = True) -> None:
    """Write ``content`` (bytes as they are, anything else as JSON) so that a reader sees all of it or nothing.

    Args:
        sync: also bring the name to disk; False where ``sync_folder`` follows after several letters.

    Raises:
        OSError: it was not written; what was there before is unchanged.
    """
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    part = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    if sync:
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in ``folder`` to disk, where the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems refuse fsync of a folder; their rename is synchronous.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(path: Path, *, expected: type = dict, largest: int = LARGEST) -> Reading:
    """Read a letter whole or not at all.

    Args:
        expected: dict, or list.
        largest: bytes.

    Raises:
        OSError: the file system gave no answer (stale handle, I/O error): nothing is known.
    """
    try:
        raw, shape = _bytes_of(path, largest)
    except FileNotFoundError:
        return Absent()
    except _NotReadable as error:
        return Unfit(why=str(error), shape=error.shape)
    return _parsed(raw, shape, expected)


def read_in(folder: int, name: str, *, largest: int = LARGEST) -> Reading:
    """Read a letter of an open folder as ``read`` does; a link is none, and is not followed.

    Args:
        folder: its descriptor.

    Raises:
        OSError: the file system gave no answer: nothing is known.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW, dir_fd=folder)
    except FileNotFoundError:
        return Absent()
    except OSError as error:
        there = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if isinstance(error, PermissionError) or not stat.S_ISREG(there.st_mode):
            return Unfit(why=f"cannot be read: {error.strerror}", shape=shape_of(there), hopeless=not stat.S_ISREG(there.st_mode))
        raise
    try:
        raw, shape = _bytes_in(descriptor, largest)
    except _NotReadable as error:
        return Unfit(why=str(error), shape=error.shape, hopeless=True)
    finally:
        os.close(descriptor)
    return _parsed(raw, shape, dict)


def read_plain(path: Path, largest: int = 65536) -> dict[str, Any]:
    """Return the content of a small letter; {} if there is none, or none that can be read."""
    try:
        reading = read(path, largest=largest)
    except OSError:
        return {}
    return reading.content if isinstance(reading, Whole) else {}


def _parsed(raw: bytes, shape: Shape, expected: type) -> Reading:
    if not raw:
        return Unfit(why="empty", shape=shape)
    try:
        # NaN is no JSON, yet Python writes it; nobody after us could read it.
        content = json.loads(raw, parse_constant=lambda _: None)
    except (ValueError, RecursionError) as error:
        return Unfit(why=f"no JSON: {str(error) or type(error).__name__}", shape=shape)
    if not isinstance(content, expected):
        return Unfit(why=f"a JSON {type(content).__name__} where a {expected.__name__} is expected", shape=shape, hopeless=True)
    return Whole(content=_without_surrogates(raw, content), shape=shape)


def _without_surrogates(raw: bytes, content: Any) -> Any:
    # "\ud800" alone is allowed in JSON, and a text that no database takes.
    if b"\\ud" not in raw and b"\\uD" not in raw:
        return content
    return json.loads(json.dumps(content, ensure_ascii=False).encode("utf-8", "replace"))


class _NotReadable(Exception):
    """Something is there, but nothing to read."""

    def __init__(self, why: str, shape: Shape) -> None:
        super().__init__(why)
        self.shape = shape


def _bytes_of(path: Path, largest: int) -> tuple[bytes, Shape]:
    try:
        # Without O_NONBLOCK the open of a named pipe would wait for ever.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        # A dangling link is a file that cannot be read, not an absent one: it would stay for ever.
        there = path.lstat()
        if isinstance(error, PermissionError) or not stat.S_ISREG(there.st_mode):
            raise _NotReadable(f"cannot be read: {error.strerror}", shape_of(there)) from error
        raise
    try:
        return _bytes_in(descriptor, largest)
    finally:
        os.close(descriptor)


def _bytes_in(descriptor: int, largest: int) -> tuple[bytes, Shape]:
    there = os.fstat(descriptor)
    shape = shape_of(there)
    if not stat.S_ISREG(there.st_mode):
        raise _NotReadable("not a regular file", shape)
    if there.st_size > largest:
        raise _NotReadable(f"too long: {there.st_size} bytes, and {largest} are allowed", shape)
    return _read_at_most(descriptor, largest), shape


def _read_at_most(descriptor: int, largest: int) -> bytes:
    blocks: list[bytes] = []
    length = 0
    while length <= largest and (block := os.read(descriptor, min(1 << 20, largest + 1 - length))):
        blocks.append(block)
        length += len(block)
    return b"".join(blocks)[:largest]


def shape_of(there: os.stat_result) -> Shape:
    """Return the shape that a stat result shows."""
    return Shape(there.st_mtime_ns, there.st_size, there.st_ino)


def take(path: Path) -> Path | None:
    """Rename a letter to a name of its own and return that; None if somebody else was faster.

    Raises:
        OSError: it could not be renamed; it stays where it was.
    """
    taken = path.with_name(f"{path.name}{TAKEN}{time.time_ns():020d}.{secrets.token_hex(4)}")
    try:
        path.rename(taken)
    except FileNotFoundError:
        return None
    return taken


def taken_among(entries: Iterable[str], name: str) -> list[str]:
    """Return the letters called ``name`` that were taken and not put away, oldest first.

    ``X.read`` is what the existing Harvester calls such a one.
    """
    return sorted(entry for entry in entries if entry == f"{name}.read" or entry.startswith(name + TAKEN))


def acknowledge(taken: Path) -> None:
    """Put a taken letter away as ``X.read.<UTC time>``; harmless if it is gone. Only the last few are kept.

    Raises:
        OSError: it stays where it is, and will be read again.
    """
    name = _own_name(taken)
    stamp = datetime.fromtimestamp(time.time(), tz=UTC).strftime("%Y-%m-%d_%H_%M_%S.%f")
    try:
        taken.rename(taken.with_name(f"{name}{READ}{stamp}"))
    except FileNotFoundError:
        return
    read_before = sorted(entry for entry in taken.parent.iterdir() if entry.name.startswith(name + READ))
    for entry in read_before[:-KEPT_READ]:
        entry.unlink(missing_ok=True)


def put_aside(path: Path, why: str, content: object = None) -> Path:
    """Rename a bad letter to ``X.bad.<n>``, its reason beside it, and return where it lies now.

    Args:
        path: the letter; a taken one is called by its own name again.
        content: if given, this is written there as JSON instead, and the letter stays (one bad item of it).

    Raises:
        OSError: it stays where it is.
    """
    aside = _free_place(path.with_name(_own_name(path)), why)
    if content is not None:
        write(aside, content)
        return aside
    with contextlib.suppress(FileNotFoundError):
        path.rename(aside)
    return aside


def _own_name(path: Path) -> str:
    if path.parent.name in (OUT, IN):
        return STRANGE  # each letter has a name of its own there, and only so many bad ones are kept
    return path.name.split(TAKEN)[0].removesuffix(".read")


def _free_place(path: Path, why: str) -> Path:
    for number in range(1, KEPT_BAD):
        aside = path.with_name(f"{path.name}{BAD}{number}")
        try:
            # The reason is written first: who makes it owns the number.
            with aside.with_name(f"{aside.name}.reason").open("x", encoding="utf-8", errors="replace") as file:
                file.write(f"{why}\n")
        except FileExistsError:
            continue
        return aside
    aside = path.with_name(f"{path.name}{BAD}{KEPT_BAD}")
    write(aside.with_name(f"{aside.name}.reason"), f"{why}\n".encode("utf-8", "replace"))
    return aside


def deliver(path: Path, content: object) -> None:
    """Write a letter that must not replace an unread one of the same name: that one is left as taken, to be read first.

    Raises:
        OSError: it was not written.
    """
    take(path)
    write(path, content)
