"""How fast the service is called: a bucket of calls, and quiet when it asks for that."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable

from harvester_hpc.errors import Unavailable

#: Calls that may come at once after a pause.
BURST = 10.0
#: Seconds of quiet when the service asks for some and does not say how long; and at most, whatever it says.
QUIET_S, LONGEST_QUIET_S = 10.0, 900.0


class Pace:
    """Holds calls back.

    Args:
        rate: calls in a second, on average.
        now: a clock that does not jump, in seconds.
        pause: waits some seconds.
    """

    def __init__(self, rate: float, now: Callable[[], float] = time.monotonic, pause: Callable[[float], object] | None = None) -> None:
        self.rate = rate
        self.now = now
        self._pause = pause or threading.Event().wait
        self._calls, self._since = BURST, now()
        self._quiet_until = 0.0

    def take(self) -> None:
        """Wait until the next call may be made, at most a second or so for each call before it.

        Raises:
            Unavailable: the service has asked for quiet.
        """
        left = self._quiet_until - self.now()
        if left > 0.0:
            raise Unavailable("Globus has asked for fewer calls", why=f"quiet for {left:.0f} s more")
        self._fill()
        if self._calls < 1.0:
            self._pause(min(1.0 - self._calls, 1.0) / self.rate)
            self._fill()
        self._calls -= 1.0

    def quiet(self, seconds: float | None) -> None:
        """Make no call for some time; None: the service has not said how long."""
        self._quiet_until = max(self._quiet_until, self.now() + (QUIET_S if seconds is None else min(seconds, LONGEST_QUIET_S)))

    def _fill(self) -> None:
        now = self.now()
        self._calls = min(BURST, self._calls + max(0.0, now - self._since) * self.rate)
        self._since = now
