"""When files that wait for a batch go, and how many of them."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: Seconds for which the first file waits for others while the service has nothing else to do.
SETTLE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pile:
    """Files that may share a batch.

    Attributes:
        files, size: how many wait, and their bytes as far as they are known.
        since: when the first of them began to wait, seconds since 1970.
    """

    files: int
    size: int
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """What a batch may hold, how long its first file waits, and how many batches are under way at the same time."""

    files: int
    size: int
    wait_s: float
    active: int


def goes_at(pile: Pile, sizes: Sizes, active: int, now: float) -> float | None:
    """Return when a batch of this pile goes (``now`` or earlier: at once); None: when one of those under way has ended.

    A full batch goes at once. While nothing is under way a small one goes soon, for there is nothing to wait for;
    else it waits for more files, so that many of them share few batches.

    Args:
        active: batches under way.
    """
    if active >= sizes.active:
        return None
    if pile.files >= sizes.files or pile.size >= sizes.size or pile.since > now:  # later than now: the clock was set back
        return now
    return pile.since + (min(SETTLE_S, sizes.wait_s) if active == 0 else sizes.wait_s)


def cut(known: Sequence[int | None], sizes: Sizes) -> int:
    """Return how many of the first files make a batch: at least one, for a file that is larger than a batch goes alone.

    Args:
        known: bytes of each file in order; None if unknown; shape (n,), n >= 1.
    """
    total = 0
    for number, size in enumerate(known[: sizes.files]):
        total += size or 0
        if number and total > sizes.size:
            return number
    return min(len(known), sizes.files)
