"""How long to wait after something did not work."""
from __future__ import annotations

FIRST_S = 5.0
LONGEST_S = 600.0
LONGEST_WITH_SPREAD_S = 1.25 * LONGEST_S


def pause_s(tries: int, spread: float, *, first_s: float = FIRST_S, longest_s: float = LONGEST_S) -> float:
    """Return the pause after the ``tries``-th failure in a row, in seconds: doubling, bounded, and spread.

    Args:
        tries: failures so far, >= 1.
        spread: a number in [0, 1), drawn by the caller, so that many instances do not come back at once.

    Returns:
        Seconds within [0.75, 1.25) of min(longest_s, first_s * 2**(tries - 1)).
    """
    steps = min(max(tries, 1) - 1, 32)
    return min(longest_s, first_s * 2.0**steps) * (0.75 + 0.5 * spread)
