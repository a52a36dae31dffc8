"""An entry of a priority queue, and what goes into one as text: JSON, never pickle."""
from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One thing in the queue.

    Attributes:
        id: number that the queue gave it; never used twice in one life of the queue.
        score: the lowest comes first, among equals the one that was put first. Agents use the time when it is due, seconds since 1970.
        item: anything that JSON can say.
    """

    id: int
    score: float
    item: Any


def rows_of(entries: Iterable[tuple[float, Any]]) -> list[tuple[float, str]]:
    """Return (score, item as JSON) of what is to be put in.

    Raises:
        ValueError: a score is no finite number, or JSON cannot say an item.
    """
    return [(_score(score), _text(item)) for score, item in entries]


def entry_of(row: tuple[int, float, str]) -> Entry:
    """Return the entry of a row (number, score, item as JSON)."""
    return Entry(id=row[0], score=row[1], item=json.loads(row[2]))


def _score(score: float) -> float:
    if isinstance(score, bool) or not isinstance(score, int | float) or not math.isfinite(score):
        raise ValueError(f"a score is a finite number; this is {score!r}")
    return float(score)


def _text(item: Any) -> str:
    try:
        return json.dumps(item, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"JSON cannot say an item of the queue: {error}") from error
