"""What time it is: a thing that is handed in, so that tests can move it."""
from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """A source of time."""

    def now(self) -> float:
        """Return the time in seconds since 1970 UTC (the store's unit)."""
        ...


class SystemClock:
    """The clock of this machine."""

    def now(self) -> float:
        """Return the time in seconds since 1970 UTC."""
        return time.time()


def as_datetime(seconds: float) -> datetime:
    """Return ``seconds`` since 1970 UTC as an aware datetime in UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def as_text(seconds: float) -> str:
    """Return ``seconds`` since 1970 UTC as ISO 8601 in UTC with whole seconds, such as 2026-11-21T10:00:00Z."""
    return as_datetime(seconds).strftime("%Y-%m-%dT%H:%M:%SZ")
