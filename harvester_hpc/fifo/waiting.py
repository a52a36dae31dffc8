"""Waiting for something in a queue."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from harvester_hpc.model.fifo import Entry

#: Seconds between two looks: at first, and at last.
SHORTEST_S, LONGEST_S = 0.005, 0.25


def taken(take: Callable[[], Sequence[Entry]], timeout_s: float, stop: threading.Event) -> Sequence[Entry]:
    """Return what ``take`` gives as soon as it gives something; () after ``timeout_s`` or when ``stop`` is set.

    Args:
        take: ``fifo.get`` or ``fifo.hold`` with its arguments; called with growing pauses.
    """
    begin, pause = time.monotonic(), SHORTEST_S
    while True:
        found = take()
        left = timeout_s - (time.monotonic() - begin)
        if found or left <= 0 or stop.wait(min(pause, left)):
            return found
        pause = min(2 * pause, LONGEST_S)
