"""One thing in which a site file and the live batch system do not agree, in words."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One thing in which a site file and the batch system do not agree.

    Attributes:
        where: path in the file, elements of lists by their names.
        file_says, scheduler_says: the two, in words.
        remedy: what to do.
        fails: whether batch jobs that follow the file would be refused, or never start.
    """

    where: str
    file_says: str
    scheduler_says: str
    remedy: str
    fails: bool = False


def some_of(names: Sequence[str], most: int = 12) -> str:
    """Return names with commas between them, and how many are left out."""
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def clock_of(seconds: int) -> str:
    """Return seconds as ``26:00:00``, the form that a site file takes."""
    return f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
