"""``logs --follow``: what is written to logs as it is written, whatever becomes of the files."""
from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harvester_hpc.cli.log_text import BLOCK, start_of_last

#: Seconds between two looks at the files, and looks at the files for one at the store.
LOOK_S, LOOKS = 0.5, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """The files to follow, there or not yet, and whether nobody writes to them any more."""

    files: Sequence[Path]
    over: bool


class Tail:
    """One file: not there yet, growing, cut, replaced by another, or gone.

    Args:
        lines: how many of its last lines are shown of what is there at the beginning; None: all.
    """

    def __init__(self, file: Path, lines: int | None) -> None:
        self.file = file
        self._stream: IO[bytes] | None = None
        self._lines = lines

    def news(self) -> Iterator[bytes]:
        """Give what was written since the last time."""
        if self._stream is not None:
            yield from self._rest()
        if self._is_another():
            self.close()
            self._open()
            yield from self._rest()
        self._lines = None

    def close(self) -> None:
        """Close the file."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None

    def _rest(self) -> Iterator[bytes]:
        while self._stream is not None and (block := self._stream.read(BLOCK)):
            yield block

    def _is_another(self) -> bool:
        try:
            there = self.file.stat()
        except OSError:
            return False  # not there yet, or just being replaced
        if self._stream is None:
            return True
        ours = os.fstat(self._stream.fileno())
        return (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino) or there.st_size < self._stream.tell()

    def _open(self) -> None:
        try:
            if not self.file.is_file():  # a pipe would keep us waiting for a writer
                return
            start = 0 if self._lines is None else start_of_last(self.file, self._lines)
            self._stream = self.file.open("rb")
        except OSError:
            return
        self._stream.seek(start)


def follow(
    look: Callable[[], Followed], lines: int, write: Callable[[Path, bytes], None], wait: Callable[[float], object]
) -> None:
    """Write what is in the files and what comes, until it is over and everything is written.

    Args:
        look: asked every few seconds.
        lines: last lines of what is there at the beginning.
        wait: waits for so many seconds.
    """
    tails: dict[Path, Tail] = {}
    try:
        while True:
            found = look()
            for file in found.files:
                tails.setdefault(file, Tail(file, lines))
            for _ in range(1 if found.over else LOOKS):
                for tail in tails.values():
                    for block in tail.news():
                        write(tail.file, block)
                if found.over:
                    return
                wait(LOOK_S)
    finally:
        for tail in tails.values():
            tail.close()
