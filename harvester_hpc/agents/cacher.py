"""The cacher: reads the configuration again, remote files and own ones, while the instance runs."""
from __future__ import annotations

from collections.abc import Callable

from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.errors import Unavailable
from harvester_hpc.model.turn import CACHER


class Cacher(Agent):
    """Reads every ``period_s``; what cannot be had or used is tried again sooner, and stands in ``status`` until it can.

    Args:
        read_again: reads, and lets what can take effect at once do so; returns how many queues have changed. Raises Unavailable if the
            newest configuration cannot be had or used; what could be done without it is done.
        trouble: what was wrong at the start; "" for nothing.
    """

    name = CACHER

    def __init__(self, house: Surroundings, period_s: float, read_again: Callable[[], int] = lambda: 0, trouble: str = "") -> None:
        super().__init__(house, period_s)
        self._read_again = read_again
        self._trouble = trouble
        self._next = self.clock.now() + period_s

    def run_once(self) -> int:
        """Read again if it is time; return 0: what has changed rings by itself."""
        now = self.clock.now()
        if self._trouble:
            self.begin_to_wait("", self._trouble)
            self._trouble = ""
            return 0
        # later than a period: the clock was set back
        if self.waits("") or (not self._waiting and 0.0 < self._next - now <= self.period_s):
            return 0
        self._next = now + self.period_s
        self.attempt("", self._read_again)
        return 0

    def next_due(self) -> float | None:
        """Return when it is read again."""
        return self.waits_until("") if self.waits("") else self._next


def refuse(why: str) -> Unavailable:
    """Return the error of a configuration that is not the newest."""
    return Unavailable("the newest configuration is not in use", why=why, remedy="the last good one goes on")
