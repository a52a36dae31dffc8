"""A clock that a test moves."""
from __future__ import annotations

import threading


class FakeClock:
    """Stands still until it is moved.

    Args:
        now: seconds since 1970 UTC.
    """

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self._now = now
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return the time in seconds since 1970 UTC."""
        return self._now

    def set(self, now: float) -> None:
        """Set the time."""
        with self._lock:
            self._now = now

    def advance(self, seconds: float) -> float:
        """Move the time on; return it."""
        with self._lock:
            self._now += seconds
            return self._now
