"""A number and how it came about, in words that a person can check."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from harvester_hpc.model.limits import Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Reckoning:
    """The result of a decision.

    Attributes:
        number: at least 0.
        lines: the arithmetic, one limit a line; the last line has the result.
    """

    number: int
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """One limit: what it leaves (at least 0), and its arithmetic."""

    number: int
    words: str


def least_of(bounds: Iterable[Bound], what: str) -> Reckoning:
    """Return the smallest of some bounds (at least one), as the number of ``what``."""
    found = list(bounds)
    number = max(0, min(bound.number for bound in found))
    return Reckoning(number=number, lines=(*(bound.words for bound in found), f"so {number} {what}"))


def none_at_all(why: str, what: str) -> Reckoning:
    """Return 0, and why."""
    return Reckoning(number=0, lines=(why, f"so 0 {what}"))


def quota_left(quota: Quota, name: str, unit: str, waiting: int, running: int) -> Bound | None:
    """Return what a quota leaves; None if it limits nothing.

    Args:
        name: of the published attribute, such as nQueueLimitJob.
        unit: for the words: jobs, workers, cores, MB.
        waiting, running: in that unit; 0 where there is nothing.
    """
    if not quota.is_set:
        return None
    allowed, words = quota.limit or 0, f"{name} {quota.limit}"
    if quota.ratio is not None:
        part = running * quota.ratio // 100
        allowed = max(part, quota.least)
        words = f"{name}Ratio {quota.ratio} % of {running} {unit} running = {part}, at least {quota.least}"
        if quota.most is not None:
            allowed, words = min(allowed, quota.most), f"{words}, at most {quota.most}"
        words = f"{words}: {allowed}"
    left = max(0, allowed - waiting)
    return Bound(number=left, words=f"{words} - {waiting} {unit} waiting = {left}")
