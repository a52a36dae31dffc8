"""Text of a log on its way to people: to a terminal without anything that the terminal would obey, into a pipe as it is."""
from __future__ import annotations

import codecs
import os
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import click

#: Bytes from the end of a file that are looked at for its last lines.
END_BYTES = 1 << 20
BLOCK = 1 << 16
#: Control characters as terminals show them: ^[ and the like; those of the upper half, which some obey too, as their number.
_VISIBLE = {
    **{code: f"^{chr(code ^ 64)}" for code in range(32) if chr(code) not in "\n\t"}, 127: "^?",
    **{code: f"\\x{code:02x}" for code in range(128, 160)},
}


def harmless(text: str) -> str:
    """Return a text without what a terminal would obey: control characters are shown, not sent."""
    return text.translate(_VISIBLE)


class Visible:
    """Makes a log harmless, block by block: control characters are shown, not sent; broken UTF-8 becomes a mark."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")
        self._return = ""

    def feed(self, block: bytes, *, final: bool = False) -> str:
        """Return the next piece of text; a line that ends with a carriage return, or is written over with it, is a line."""
        text = self._return + self._decoder.decode(block, final)
        self._return = "\r" if text.endswith("\r") and not final else ""
        text = text.removesuffix(self._return) if self._return else text
        return text.replace("\r\n", "\n").replace("\r", "\n").translate(_VISIBLE)


class Writer:
    """Writes blocks of logs to standard output. ``raw``: as they are; by default if that is no terminal."""

    def __init__(self, *, raw: bool | None = None) -> None:
        self._raw = not sys.stdout.isatty() if raw is None else raw
        self._visible: dict[Path, Visible] = {}

    def write(self, file: Path, block: bytes) -> None:
        """Write a block of one file."""
        if self._raw:
            click.echo(block, nl=False)
            return
        click.echo(self._visible.setdefault(file, Visible()).feed(block), nl=False, color=True)


def last_lines(file: Path, number: int) -> list[str]:
    """Return the last lines of a file, without their ends; at most those of its last 1 MiB."""
    with file.open("rb") as stream:
        stream.seek(_end_of(stream.seek(0, os.SEEK_END)))
        return [line.decode(errors="replace").rstrip("\r\n") for line in deque(stream, maxlen=number)]


def last_blocks(file: Path, number: int) -> Iterator[bytes]:
    """Give the last lines of a file as they are, the last one with an end."""
    with file.open("rb") as stream:
        stream.seek(_end_of(stream.seek(0, os.SEEK_END)))
        lines = deque(stream, maxlen=number)
    yield from lines
    if lines and not lines[-1].endswith(b"\n"):
        yield b"\n"


def start_of_last(file: Path, number: int) -> int:
    """Return where the last lines of a file begin, in bytes; at most 1 MiB before its end."""
    with file.open("rb") as stream:
        size = stream.seek(0, os.SEEK_END)
        stream.seek(_end_of(size))
        lines = deque(stream, maxlen=number)
        return stream.tell() - sum(map(len, lines))


def _end_of(size: int) -> int:
    return max(0, size - END_BYTES)
