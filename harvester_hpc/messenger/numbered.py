"""Numbered letters: one folder for each direction; each letter has a name of its own, and no letter replaces another.

    letters.out/00000001.yoda.json    {"version": 1, "number": 1, "writer": "yoda", "kind": "outputs", "content": {...}}
    letters.out/yoda.read             the last letter of this writer that was put away
    letters.in/00000001.login.json    the same from the login node to the worker
    letters.in/00000001.login.taken   one that the worker has taken in, and keeps for the case that it starts again

A writer counts from 1, and goes on after a restart. A letter comes into being by ``link`` of a file that is whole and on disk,
so that two writers of one name on two nodes never share a number. No link is followed.
"""
from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.letter import Whole, read_in

VERSION = 1
#: Who writes to the worker.
LOGIN = "login"
#: Bytes of a letter; JSON takes up to twenty times as much in memory.
LARGEST_NUMBERED = 16 << 20
#: What the last letter that was put away is called, behind its writer's name; and one that a worker has taken in.
READ, TAKEN = ".read", ".taken"
#: Numbers that are tried while others take them.
TRIES = 100

_NAME = re.compile(r"([0-9]{8,12})\.([A-Za-z0-9_-]{1,60})\.(json|taken)")
_WRITER = re.compile(r"[A-Za-z0-9_-]{1,60}")
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: What a file system without hard links answers.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


class Kind(StrEnum):
    """What a letter is about, and what its content is, always by job.

    The first five go to the login node, the last to the worker. OUTPUTS, EVENTS and RANGES are facts: each counts whenever it comes.
    The others are states: a newer one takes the place of an older one.
    """

    OUTPUTS = "outputs"        # {"<PandaID>": [item, ...]}, as event_status.dump.json
    EVENTS = "events"          # {"<PandaID>": [update, ...]}, as worker_updateevents.json
    ATTRIBUTES = "attributes"  # {"<PandaID>": {attributes}}, as worker_attributes.json
    END = "end"                # the same, the last word on these jobs
    REQUEST = "request"        # {"<PandaID>": {"nRanges": 10}}; stays until it is answered
    RANGES = "ranges"          # {"<PandaID>": [range, ...]}; [] says that there are no more; "answers": {writer: number of the request}


def make(folder: Path) -> None:
    """Make a folder for letters; harmless if it is there.

    Raises:
        OSError: it cannot be made; also if something else than a folder is there.
    """
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    os.close(open_folder(folder))


def open_folder(folder: Path) -> int:
    """Return a descriptor of a folder that is no link.

    Raises:
        FileNotFoundError: there is none.
        OSError: it is a link, no folder, or cannot be opened.
    """
    return os.open(folder, _FOLDER)


def parsed_name(name: str) -> tuple[int, str, bool] | None:
    """Return (number, writer, whether it was taken in) of a letter's file name; None for any other."""
    match = _NAME.fullmatch(name)
    if match is None or match[1] != f"{int(match[1]):08d}":
        return None  # another spelling of a number
    return int(match[1]), match[2], match[3] == "taken"


def name_of(number: int, writer: str) -> str:
    """Return the file name of a letter."""
    return f"{number:08d}.{writer}.json"


def last_read(folder: int, writer: str) -> int:
    """Return the number of the last letter of a writer that was put away; 0 if there is none that can be read.

    Args:
        folder: its descriptor.
    """
    try:
        reading = read_in(folder, f"{writer}{READ}", largest=LARGEST_NUMBERED)
    except OSError:
        return 0
    number = reading.content.get("number") if isinstance(reading, Whole) else 0
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 10**12 else 0


class Outgoing:
    """The letters of one writer into one folder. Several objects, also on several nodes, may write under one name."""

    def __init__(self, folder: Path, writer: str) -> None:
        if not _WRITER.fullmatch(writer):
            raise ValueError(f"{writer!r} is no name of a writer of letters")
        self._folder, self._writer = folder, writer
        self._last: int | None = None

    def send(self, kind: Kind, content: Mapping[str, Any], answers: Mapping[str, int] | None = None) -> int:
        """Write a letter, and return its number; it is on disk then.

        Args:
            answers: {writer: number} of the requests that this one answers.

        Raises:
            OSError: it was not written (EFBIG: it is longer than a letter may be).
        """
        body = json.dumps(content)
        if len(body) > LARGEST_NUMBERED - 1024:
            raise OSError(errno.EFBIG, f"a letter of {len(body)} bytes", str(self._folder))
        folder = open_folder(self._folder)
        try:
            for _ in range(TRIES):
                number = self._highest(folder) + 1 if self._last is None else self._last + 1
                if self._write(folder, number, self._sheet(number, kind, body, answers)):
                    self._last = number
                    _sync(folder)
                    return number
                self._last = None
        finally:
            os.close(folder)
        raise OSError(errno.EAGAIN, "others take every number", str(self._folder))

    def withdraw(self, number: int) -> None:
        """Take a letter back, if it was not put away. One that says nothing takes its place: a reader waits for a missing number.

        Raises:
            OSError: it is still there.
        """
        path = self.path_of(number)
        folder = open_folder(self._folder)
        part = f".{path.name}.{secrets.token_hex(8)}.part"
        try:
            os.stat(path.name, dir_fd=folder, follow_symlinks=False)
            _create(folder, part, self._sheet(number, Kind.ATTRIBUTES, "{}", None))
            os.rename(part, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except FileNotFoundError:
            return
        except OSError:  # a full disk takes no letter, and lets one go
            for name in (part, path.name):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(name, dir_fd=folder)
        finally:
            os.close(folder)

    def path_of(self, number: int) -> Path:
        """Return where a letter lies until it is put away."""
        return self._folder / name_of(number, self._writer)

    def _sheet(self, number: int, kind: Kind, body: str, answers: Mapping[str, int] | None) -> bytes:
        head = {"version": VERSION, "number": number, "writer": self._writer, "kind": kind, **({"answers": answers} if answers else {})}
        return f'{json.dumps(head)[:-1]}, "content": {body}}}'.encode()

    def _highest(self, folder: int) -> int:
        with os.scandir(folder) as entries:
            names = [parsed_name(entry.name) for entry in entries]
        return max(last_read(folder, self._writer), *(one[0] for one in names if one is not None and one[1] == self._writer), 0)

    def _write(self, folder: int, number: int, sheet: bytes) -> bool:
        """Make the letter; False if another has this number."""
        name = name_of(number, self._writer)
        part = f".{name}.{secrets.token_hex(8)}.part"
        try:
            _create(folder, part, sheet)
            return _linked(folder, part, name, sheet)
        finally:
            with contextlib.suppress(OSError):
                os.unlink(part, dir_fd=folder)


def _linked(folder: int, part: str, name: str, sheet: bytes) -> bool:
    try:
        os.link(part, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        # NFS may make a link and report that it failed: look whose it is.
        own, there = (os.stat(one, dir_fd=folder, follow_symlinks=False) for one in (part, name))
        return (own.st_dev, own.st_ino) == (there.st_dev, there.st_ino)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _created(folder, name, sheet)
    return True


def _created(folder: int, name: str, sheet: bytes) -> bool:
    # Without links a reader may see it unfinished, and waits.
    try:
        _create(folder, name, sheet)
    except FileExistsError:
        return False
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(name, dir_fd=folder)
        raise
    return True


def _create(folder: int, name: str, sheet: bytes) -> None:
    descriptor = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    with os.fdopen(descriptor, "wb") as file:
        file.write(sheet)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: int) -> None:
    # Some network file systems refuse fsync of a folder; their link is synchronous.
    with contextlib.suppress(OSError):
        os.fsync(folder)
