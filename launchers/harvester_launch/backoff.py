"""How long a rank waits when it has found nothing to do: not at all at first, then longer and longer, up to a limit."""
from __future__ import annotations


class Backoff:
    """Seconds to wait, round by round.

    Args:
        spins: rounds without waiting; an answer is mostly on its way.
        first_s, longest_s: the first wait and the last.
    """

    def __init__(self, longest_s: float, first_s: float = 0.00005, spins: int = 20) -> None:
        self._longest_s, self._first_s, self._spins = longest_s, first_s, spins
        self._round = 0

    def next_s(self, *, busy: bool) -> float:
        """Return how long to wait now; busy: this round has found something to do."""
        if busy:
            self._round = 0
            return 0.0
        self._round += 1
        if self._round <= self._spins:
            return 0.0
        return min(self._longest_s, self._first_s * 1.5 ** min(self._round - self._spins, 40))
