"""The log of a job, packed on the login node from what its payload has left: bounded, slow on purpose, whole or not there."""
from __future__ import annotations

import contextlib
import fnmatch
import io
import os
import stat
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.messenger.letter import sync_folder

#: What belongs into a log. Source: existing Harvester, post-processing of the shared-file messenger.
PATTERNS = ("*.log", "*.txt", "*.xml", "*.json", "log*")
#: Of larger files only the beginning is packed, and of many files only so much, in bytes.
LARGEST, MOST = 100 << 20, 1 << 30
#: Files that are packed, at most.
MOST_FILES = 100_000
#: Bytes in a second that are read, and seconds for one log: the login node is borrowed.
RATE, LIMIT_S = 20 << 20, 1800.0
BLOCK = 1 << 20
#: In the log: what is not in it, and why.
LEFT_OUT = "harvester_left_out.txt"


class Stopped(Exception):
    """The process ends; what is not done is done by the next one."""


@dataclass(slots=True)
class Brake:
    """Lets bytes through at a rate.

    Args:
        wait: waits for so many seconds; True if it is to end.
    """

    wait: Callable[[float], bool]
    rate: float = RATE
    until: float = 0.0

    def spend(self, size: int) -> None:
        """Wait until so many bytes may be read.

        Raises:
            Stopped: it is to end.
        """
        now = time.monotonic()
        self.until = max(now, self.until) + size / self.rate
        if self.wait(max(0.0, self.until - now)):
            raise Stopped


class _Slowed(io.RawIOBase):
    """A file of which so many bytes are read, slowly; what it lacks is made up by zeros, since a tar has announced the size."""

    def __init__(self, file: io.BufferedReader, size: int, brake: Brake) -> None:
        self._file, self._left, self._brake = file, size, brake

    def read(self, size: int = -1) -> bytes:
        wanted = min(self._left, BLOCK if size < 0 else size)
        self._brake.spend(wanted)
        block = self._file.read(wanted)
        self._left -= wanted
        return block + b"\0" * (wanted - len(block))


def pack_log(folder: Path, target: Path, *, without: frozenset[str], tarball: str, brake: Brake) -> None:
    """Write ``target``, a gzipped tar of the log files in ``folder`` and its sub-folders; it is whole or not there.

    Args:
        without: names of files that do not belong in a log.
        tarball: a sub-folder that holds a file of this name is represented by that file alone; "" for none.

    Raises:
        OSError: it could not be written.
        Stopped: it was told to end.
    """
    part = target.with_name(f".{target.name}.part")
    left_out: list[str] = []
    try:
        with part.open("wb") as raw:
            with tarfile.open(fileobj=raw, mode="w:gz", compresslevel=6, dereference=False) as archive:
                _fill(archive, found(folder, without | {target.name}, tarball), brake, left_out)
                if left_out:
                    _note(archive, left_out)
            raw.flush()
            os.fsync(raw.fileno())
        part.replace(target)
        sync_folder(target.parent)
    finally:
        with contextlib.suppress(OSError):
            part.unlink()


def found(folder: Path, without: frozenset[str], tarball: str) -> Iterator[tuple[str, Path]]:
    """Give (name in the log, path) of log files; links are not followed, hidden files are not logs."""
    for root, folders, names in os.walk(folder):
        inside = Path(root)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        relative = inside.relative_to(folder)
        if tarball and inside != folder and tarball in names:
            folders.clear()
            yield f"{relative}.subdir.tar.gz", inside / tarball
            continue
        for name in sorted(names):
            if name not in without and not name.startswith(".") and any(fnmatch.fnmatch(name, pattern) for pattern in PATTERNS):
                yield str(relative / name), inside / name


def _fill(archive: tarfile.TarFile, files: Iterator[tuple[str, Path]], brake: Brake, left_out: list[str]) -> None:
    packed, began = 0, time.monotonic()
    for number, (name, path) in enumerate(files):
        if number >= MOST_FILES or packed >= MOST or time.monotonic() - began > LIMIT_S:
            left_out.append(f"{name} and all behind it: the log is long enough")
            return
        try:
            packed += _add(archive, name, path, min(LARGEST, MOST - packed), brake, left_out)
        except OSError as error:
            if error.filename is None:
                raise  # of the log itself: no space, no file system
            left_out.append(f"{name}: {error.strerror}")


def _add(archive: tarfile.TarFile, name: str, path: Path, most: int, brake: Brake, left_out: list[str]) -> int:
    # O_NONBLOCK: a named pipe would wait for a writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        there = os.fstat(descriptor)
        if not stat.S_ISREG(there.st_mode):
            return 0
        entry = tarfile.TarInfo(name)
        entry.size, entry.mtime = min(there.st_size, most), int(there.st_mtime)
        if entry.size < there.st_size:
            left_out.append(f"{name}: all of its {there.st_size} bytes but the first {entry.size}")
        archive.addfile(entry, _Slowed(file, entry.size, brake))
        return entry.size


def _note(archive: tarfile.TarFile, left_out: list[str]) -> None:
    text = "\n".join([*left_out, ""]).encode("utf-8", "replace")
    entry = tarfile.TarInfo(LEFT_OUT)
    entry.size, entry.mtime = len(text), int(time.time())
    archive.addfile(entry, io.BytesIO(text))
