"""Ending with one's parent, so that a killed batch script or launcher leaves no payload behind (Linux)."""
from __future__ import annotations

import ctypes
import os
import signal
from collections.abc import Callable

_PR_SET_PDEATHSIG = 1


def tie_to_parent(number: signal.Signals) -> None:
    """Let this process get the signal ``number`` when its parent dies; if the system cannot do that, nothing happens."""
    parent = os.getppid()
    if _death_signal()(number) and os.getppid() != parent:
        os.kill(os.getpid(), number)


def tied_child() -> Callable[[], object]:
    """Return what a child has to call before it becomes another program: it is killed when this process dies.

    The library is loaded now, because a child between fork and exec must do as little as possible.
    """
    tie = _death_signal()
    return lambda: tie(signal.SIGKILL)


def _death_signal() -> Callable[[int], bool]:
    try:
        prctl = ctypes.CDLL(None).prctl
    except (OSError, AttributeError):
        return lambda number: False
    return lambda number: prctl(_PR_SET_PDEATHSIG, int(number), 0, 0, 0) == 0
