"""A log exposer in memory."""
from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass

from harvester_hpc.ports.context import Context
from harvester_hpc.ports.log_exposer import ReadyLog, Shown
from harvester_hpc.ports.outcome import Done, Failed, Retry
from harvester_hpc.testing.faults import Faults

ADDRESS = "https://fake.test/logs"


class FakeLogExposer:
    """Keeps logs by name.

    Attributes:
        faults: lets calls raise Unavailable.
        answers: what the next calls of ``show_log`` give instead; nothing is shown then.
        shown: {name: bytes} of what people see.
        order: names in the order in which they were shown; one that was shown twice stands twice.
        hidden: names in the order in which they were hidden.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """``live``: folder whose files have an address while they grow; "" for none."""

        live: str = ""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.faults = Faults()
        self.answers: deque[Retry | Failed] = deque()
        self.shown: dict[str, bytes] = {}
        self.order: list[str] = []
        self.hidden: list[str] = []
        self._lock = threading.Lock()

    def live_address(self, path: str) -> str:
        """Return an address for files below ``live``."""
        below = self.settings.live and path.startswith(f"{self.settings.live}/")
        return f"{ADDRESS}/live{path.removeprefix(self.settings.live)}" if below else ""

    def show_log(self, ready: ReadyLog) -> Shown | Retry | Failed:
        """Keep the log."""
        self.faults.check("show_log")
        with self._lock:
            if self.answers:
                return self.answers.popleft()
            self.shown[ready.name] = b"".join(ready.blocks())
            self.order.append(ready.name)
        return Shown(url=f"{ADDRESS}/{ready.name}")

    def hide_log(self, name: str, worker_id: int) -> Done | Retry | Failed:
        """Forget the log."""
        self.faults.check("hide_log")
        with self._lock:
            self.shown.pop(name, None)
            self.hidden.append(name)
        return Done()

    def text(self, url: str) -> bytes | None:
        """Return what people see at an address; None if nothing."""
        return self.shown.get(url.removeprefix(f"{ADDRESS}/"))
