"""How the store's credentials stand, for ``status``: quick, and without the model."""
from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harvester_hpc.cli.times import iso, span
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One credential; times in seconds since 1970."""

    name: str
    state: str
    since: float
    until: float | None
    source_until: float | None
    why: str
    remedy: str
    failed: str

    def state_at(self, now: float) -> str:
        """Return how it stands: what was good when an instance looked last may have ended since."""
        return "expired" if self.state == "good" and self.until is not None and self.until <= now else self.state


HEADINGS = ("credential", "state", "left", "ends", "why")


def lines(connection: sqlite3.Connection) -> tuple[Line, ...]:
    """Return how they stood when an instance looked last."""
    return tuple(
        Line(name=row[0], state=row[1], since=row[2], until=row[3], source_until=row[4], why=row[5], remedy=row[6], failed=row[7])
        for row in connection.execute(sentences("credential")["standing"])
    )


def row(line: Line, now: float) -> tuple[object, ...]:
    """Return the cells of a table."""
    failed = f"not renewed: {line.failed}" if line.failed else ""
    said = "; ".join(part for part in (line.why, line.remedy, failed) if part)
    return line.name, line.state_at(now), left(line.until, now), iso(line.until), said


def facts(found: Sequence[Line], now: float) -> list[dict[str, Any]]:
    """Return the same as JSON."""
    return [
        {"credential": one.name, "state": one.state_at(now), "since": iso(one.since), "until": iso(one.until),
         "hours_left": hours(one.until, now), "source_until": iso(one.source_until), "why": one.why, "remedy": one.remedy,
         "failed": one.failed}
        for one in found
    ]


def left(until: float | None, now: float) -> str:
    """Return how long something lasts, in days and hours; "" if that is not known."""
    if until is None:
        return ""
    return span(until - now) if until > now else "none"


def hours(until: float | None, now: float) -> float | None:
    """Return the hours that are left; 0 if there are none."""
    return None if until is None else round(max(0.0, until - now) / 3600, 2)
