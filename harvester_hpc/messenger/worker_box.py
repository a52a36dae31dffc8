"""The worker's side of numbered letters: it writes to the login node, and reads what comes from there."""
from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.incoming import Arrival, Incoming
from harvester_hpc.messenger.letter import Whole, read_in, read_plain
from harvester_hpc.messenger.names import IN, LETTERS, OUT, SENTINEL
from harvester_hpc.messenger.numbered import LARGEST_NUMBERED, READ, TAKEN, VERSION, Kind, Outgoing, make, open_folder, parsed_name
from harvester_hpc.messenger.patience import Patience

#: Bytes that the worker reads in one look: many ranges wait better on disk than in its memory.
MOST_BYTES = 1 << 20
TO_WORKERS = frozenset({Kind.RANGES})


def is_read(access_point: Path) -> bool:
    """Tell whether the login node reads numbered letters; one that does not know them says nothing of them."""
    version = read_plain(access_point / SENTINEL).get(LETTERS)
    return isinstance(version, int) and not isinstance(version, bool) and version >= VERSION


class WorkerBox:
    """The letters of one writer in an access point.

    Args:
        writer: its name; each of several writers in one access point has its own.
        reads: it also reads letters; one writer of a worker at most does.

    Raises:
        OSError: the folders cannot be made, or something else is there: use the letters of the existing protocol.
    """

    def __init__(self, access_point: Path, writer: str, patience: Patience, *, reads: bool) -> None:
        self._out, self._in, self.writer = access_point / OUT, access_point / IN, writer
        self._incoming = Incoming(patience, most_bytes=MOST_BYTES)
        # Whoever sees the folder for answers may be sure that the other one is there.
        make(self._out)
        if reads:
            make(self._in)
        self._outgoing = Outgoing(self._out, writer)

    def send(self, kind: Kind, content: Mapping[str, Any]) -> int:
        """Write a letter, and return its number; it is on disk then.

        Raises:
            OSError: it was not written.
        """
        return self._outgoing.send(kind, content)

    def withdraw(self, number: int) -> None:
        """Take a request back, if it was not answered.

        Raises:
            OSError: it is still there.
        """
        self._outgoing.withdraw(number)

    def lies_there(self, number: int) -> bool:
        """Tell whether one of our letters was not put away yet."""
        return self._outgoing.path_of(number).exists()

    def unread(self, numbers: Collection[int]) -> set[int]:
        """Return those of our letters that were not put away yet; one listing.

        Raises:
            OSError: the folder cannot be listed.
        """
        folder = open_folder(self._out)
        try:
            with os.scandir(folder) as entries:
                names = [parsed_name(entry.name) for entry in entries]
        finally:
            os.close(folder)
        return {name[0] for name in names if name is not None and name[1] == self.writer} & set(numbers)

    def sent(self) -> Iterator[Mapping[str, Any]]:
        """Yield the contents of our letters of outputs that are still there, and of the last one that was put away.

        Raises:
            OSError: the folder cannot be listed.
        """
        suffixes = (f".{self.writer}.json", f"{self.writer}{READ}")
        yield from (sheet["content"] for sheet in _sheets(self._out, suffixes) if sheet.get("kind") == Kind.OUTPUTS)

    def arrived(self) -> Arrival:
        """Read what has come and was not kept.

        Raises:
            OSError: it cannot be read.
        """
        return self._incoming.look(self._in, TO_WORKERS)

    def keep(self, letter: Path) -> None:
        """Put a letter away that was taken in; ``earlier`` finds it again.

        Raises:
            OSError: it comes again.
        """
        self._incoming.keep(letter)

    def earlier(self) -> Iterator[Mapping[str, Any]]:
        """Yield the contents of event ranges that an earlier run of this worker has taken in, in order.

        Raises:
            OSError: the folder cannot be listed.
        """
        yield from (sheet["content"] for sheet in _sheets(self._in, (TAKEN,)) if sheet.get("kind") == Kind.RANGES)


def _sheets(path: Path, suffixes: tuple[str, ...]) -> Iterator[Mapping[str, Any]]:
    folder = open_folder(path)
    try:
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries if entry.name.endswith(suffixes) and not entry.name.startswith("."))
        for name in names:
            reading = read_in(folder, name, largest=LARGEST_NUMBERED)
            if isinstance(reading, Whole) and isinstance(reading.content.get("content"), dict):
                yield reading.content
    finally:
        os.close(folder)
