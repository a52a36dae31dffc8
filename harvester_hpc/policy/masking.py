"""Masks the secrets of a text that comes in blocks: in bounded memory, and also those that lie across two blocks."""
from __future__ import annotations

import re

from harvester_hpc.policy.secrets import Span, secrets_in

MASK = b"[masked]"
#: Bytes that are held back until more is known: more than any secret but a token without end has, with its name.
HELD = 1 << 16
#: A secret that is longer has no end; what follows is passed over as long as it looks the same.
ENDLESS = 1 << 20
#: Bytes before a place that patterns look at.
BEFORE = 64
_SAME = re.compile(rb"[A-Za-z0-9_.~+/=\-]*")


def masked(text: str) -> str:
    """Return a short text without its secrets."""
    raw = text.encode(errors="replace")
    masking = Masking(0, 0, len(raw))
    return (masking.feed(raw) + masking.finish()).decode(errors="replace")


class Masking:
    """Masks one text.

    Args:
        at: offset of the first byte that is fed; the text may be a part of a larger one.
        begin, end: offsets between which the text is wanted; what lies around it helps to recognise what was cut.
    """

    def __init__(self, at: int, begin: int, end: int) -> None:
        self._text = b""
        self._at = at
        self._done = 0
        self._begin, self._end = begin, end
        self._endless = False

    def feed(self, block: bytes) -> bytes:
        """Take the next block; return what is now known to be good, perhaps nothing."""
        if self._endless:
            same = _SAME.match(block)
            self._at += same.end() if same else 0
            block = block[same.end():] if same else block
            self._endless = not block
        self._text += block
        if len(self._text) - self._done <= 2 * HELD:  # what is held back is searched again each time
            return b""
        return self._out(secrets_in(self._text, self._done), len(self._text) - HELD)

    def finish(self) -> bytes:
        """Return what was held back."""
        return self._out(secrets_in(self._text, self._done), len(self._text))

    def _out(self, spans: list[Span], limit: int) -> bytes:
        """Return the text up to ``limit``, or to where a secret begins that goes on behind it."""
        for start, end, *_ in sorted(spans, reverse=True):
            if start < limit < end and self._done <= start:
                limit = start
        if len(self._text) - limit > ENDLESS:
            limit, self._endless = len(self._text), True
        parts: list[bytes] = []
        place = self._done
        for _, _, start, end in sorted(spans, key=lambda span: span[2]):
            if start >= limit or end <= place:
                continue
            parts += [self._wanted(place, start), MASK if self._is_wanted(start, end) else b""]
            place = max(place, end)
        parts.append(self._wanted(place, limit))
        self._forget(max(place, limit))
        return b"".join(parts)

    def _wanted(self, start: int, end: int) -> bytes:
        return self._text[max(start, self._begin - self._at, 0):max(0, min(end, self._end - self._at))]

    def _is_wanted(self, start: int, end: int) -> bool:
        return self._at + start < self._end and self._at + end > self._begin

    def _forget(self, done: int) -> None:
        left_out = max(0, done - BEFORE)
        self._text = self._text[left_out:]
        self._at += left_out
        self._done = done - left_out
