"""A JSON document of any size, read entry by entry as it arrives: a job with a million event ranges is answered with 100 MB."""
from __future__ import annotations

import codecs
import json
from collections.abc import Iterable, Iterator
from typing import Any

#: Characters that one key or value may have; what is longer is no entry.
LONGEST = 8 << 20
WHITE = " \t\r\n"
#: What may stand behind a key or value.
BEHIND = frozenset(":,}" + WHITE)


def entries(blocks: Iterable[bytes], depth: int) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield (path, value) of a document that is an object: at most ``depth`` keys in a path, and no object at a shorter one.

    Args:
        blocks: the document in UTF-8, cut anywhere.

    An empty object at a shorter path is yielded as such.

    Raises:
        ValueError: it is no object, or not whole.
    """
    text = _Text(blocks)
    text.take("{")
    path: list[str] = []
    while True:
        if text.next_is("}"):
            if not path:
                text.end()
                return
            path.pop()
        else:
            path.append(text.key())
            if len(path) < depth and text.next_is("{"):
                if not text.next_is("}"):
                    continue
                yield tuple(path), {}
            else:
                yield tuple(path), text.value()
            path.pop()
        text.separated()


class _Text:
    """What has arrived, and where we are in it."""

    def __init__(self, blocks: Iterable[bytes]) -> None:
        self._blocks = iter(blocks)
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self._decoder = json.JSONDecoder()
        self._text = ""
        self._at = 0
        self._whole = False

    def take(self, sign: str) -> None:
        if not self.next_is(sign):
            raise ValueError(f"{sign!r} is missing in what should be JSON")

    def next_is(self, sign: str) -> bool:
        """Tell whether the next sign is this one, and go past it if it is."""
        if self._peek() != sign:
            return False
        self._at += 1
        return True

    def separated(self) -> None:
        """Go past the comma, or stand before the end of the object."""
        if self._peek() == ",":
            self._at += 1
            if self._peek() == "}":
                raise ValueError("a comma with nothing behind it")
        elif self._peek() not in ("}", ""):
            raise ValueError("a comma is missing in what should be JSON")

    def key(self) -> str:
        key = self.value()
        if not isinstance(key, str):
            raise ValueError(f"{str(key)[:40]!r} is no key")
        self.take(":")
        return key

    def value(self) -> Any:
        """Return the next value, and go past it."""
        self._peek()
        while True:
            try:
                value, end = self._decoder.raw_decode(self._text, self._at)
            except ValueError:
                if self._whole or len(self._text) - self._at > LONGEST:
                    raise
            else:
                # "12." is 12 and a dot, until the rest has arrived.
                if self._text[end:end + 1] in BEHIND or self._whole or end - self._at > LONGEST:
                    self._at = end
                    return value
            self._more()

    def end(self) -> None:
        if self._peek():
            raise ValueError("there is more behind the end of the document")

    def _peek(self) -> str:
        """Return the next sign that is not white; "" at the end."""
        while True:
            while self._at < len(self._text):
                if self._text[self._at] not in WHITE:
                    return self._text[self._at]
                self._at += 1
            if self._whole:
                return ""
            self._more()

    def _more(self) -> None:
        block = next(self._blocks, None)
        self._whole = block is None
        self._text = self._text[self._at:] + self._decode(block or b"", self._whole)
        self._at = 0
