"""Faults that a fake shows for its next calls."""
from __future__ import annotations

import threading

from harvester_hpc.errors import Unavailable

ANY = ""


class Faults:
    """Counts down the calls that get no answer."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: dict[str, int] = {}
        self._why, self._of = "", ""

    def unavailable_for(self, calls: int, why: str = "told to be unavailable") -> None:
        """Let the next ``calls`` calls, whichever they are, raise Unavailable; 0 ends it."""
        self.fail(ANY, calls, why)

    def fail(self, what: str, times: int, why: str = "told to be unavailable", of: str = "") -> None:
        """Let the next ``times`` calls of the method ``what`` raise Unavailable, which several queues may share (``of``)."""
        with self._lock:
            self._left[what] = times
            self._why, self._of = why, of

    def clear(self) -> None:
        """Let every call be answered again."""
        with self._lock:
            self._left.clear()

    def check(self, what: str) -> None:
        """Raise Unavailable if this call is to get no answer."""
        if not self._left:
            return
        with self._lock:
            for name in (what, ANY):
                left = self._left.get(name, 0)
                if left:
                    self._left[name] = left - 1
                    raise Unavailable(f"{what} does not answer", why=self._why, of=self._of)
