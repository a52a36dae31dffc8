"""Times and spans as people write and read them."""
from __future__ import annotations

import re

import click

from harvester_hpc.clock import as_text

UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw])")


def seconds_of(text: str) -> float:
    """Return the seconds of a span of time such as 90s, 30m, 2h, 1d.

    Raises:
        BadParameter: it is no span.
    """
    match = _SPAN.fullmatch(text.strip())
    if match is None:
        raise click.BadParameter(f"{text!r} is no span of time; write a number and s, m, h, d or w, such as 2h")
    return float(match[1]) * UNITS[match[2]]


def iso(seconds: float | None) -> str | None:
    """Return ISO 8601 in UTC; None for None."""
    return None if seconds is None else as_text(seconds)


def span(seconds: float) -> str:
    """Return a span in two units at most: 42s, 5m10s, 3h02m, 4d11h."""
    left = max(0, int(seconds))
    if left < 60:
        return f"{left}s"
    if left < 3600:
        return f"{left // 60}m{left % 60:02}s"
    if left < 86400:
        return f"{left // 3600}h{left % 3600 // 60:02}m"
    return f"{left // 86400}d{left % 86400 // 3600:02}h"
