"""Signals that a rank receives: the batch system's word that the end is near, and the end of a child."""
from __future__ import annotations

import contextlib
import os
import signal
from types import FrameType

ENDINGS = (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2)


class Told:
    """Remembers the first signal. pipe: a descriptor to wait for; each signal and each end of a child makes it readable."""

    def __init__(self) -> None:
        self.name = ""
        self.pipe, self._wake = os.pipe()
        os.set_blocking(self.pipe, False)
        os.set_blocking(self._wake, False)

    def install(self) -> None:
        """Receive from now on; in the main thread."""
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        for number in ENDINGS:
            signal.signal(number, self._receive)

    def clear(self) -> None:
        """Empty the pipe."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.pipe, 4096):
                pass

    def _receive(self, number: int, frame: FrameType | None) -> None:
        self.name = self.name or signal.Signals(number).name


def _nothing(number: int, frame: FrameType | None) -> None:
    """Be there: an ignored signal would wake nobody."""
