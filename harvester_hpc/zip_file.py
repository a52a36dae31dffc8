"""A zip of many files that is finished or not there: stored, not compressed; written beside its place, brought to disk, renamed."""
from __future__ import annotations

import contextlib
import os
import stat
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

BLOCK = 1 << 20
#: The oldest time that a zip can hold; members have it, so that the same members make the same zip.
EPOCH = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """What came of it.

    Attributes:
        size: bytes of the zip.
        lost: {member: why it is not in the zip}.
    """

    size: int
    lost: dict[str, str]


def write_zip(place: Path, members: Iterable[tuple[str, Path]], stop: Callable[[], bool] = lambda: False) -> Packed:
    """Make a zip at ``place``, replacing one that lies there.

    Args:
        members: (name in the zip, file); a second member of one name is lost.
        stop: asked before each member; True ends the work with InterruptedError.

    Raises:
        OSError: the zip cannot be written; nothing lies at ``place`` that was not there before.
    """
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    part = place.with_name(f".{place.name}.part")  # one writer at a time: a part of a process that died is overwritten
    lost: dict[str, str] = {}
    try:
        with os.fdopen(os.open(part, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600), "w+b") as stream:
            with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
                _fill(archive, members, lost, stop)
            stream.flush()
            os.fsync(stream.fileno())
            size = os.fstat(stream.fileno()).st_size
        part.replace(place)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    _sync_folder(place.parent)
    return Packed(size=size, lost=lost)


def _fill(archive: zipfile.ZipFile, members: Iterable[tuple[str, Path]], lost: dict[str, str], stop: Callable[[], bool]) -> None:
    names: set[str] = set()
    for name, path in members:
        if stop():
            raise InterruptedError(f"told to stop before {name}")
        if name in names:
            lost[name] = "another member has its name"
            continue
        names.add(name)
        why = _add(archive, name, path)
        if why:
            lost[name] = why


def _add(archive: zipfile.ZipFile, name: str, path: Path) -> str:
    """Write one member; return why it is not there."""
    try:
        source = os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb", buffering=0)
    except OSError as error:
        return f"{path}: {error.strerror}"
    with source:
        there = os.fstat(source.fileno())
        if not stat.S_ISREG(there.st_mode):
            return f"{path}: is no regular file"
        entry = zipfile.ZipInfo(name, EPOCH)
        entry.external_attr = 0o600 << 16
        entry.file_size = there.st_size
        with archive.open(entry, "w", force_zip64=there.st_size > zipfile.ZIP64_LIMIT - BLOCK) as member:
            left = there.st_size  # no more than was announced, should it grow
            while left and (block := source.read(min(BLOCK, left))):
                member.write(block)
                left -= len(block)
    return ""


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Some network file systems refuse fsync of a folder; their rename is synchronous.
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)
