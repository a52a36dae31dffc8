"""A throttler that says what a test wants."""
from __future__ import annotations

from dataclasses import dataclass

from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.throttler import Throttling
from harvester_hpc.testing.faults import Faults


class FakeThrottler:
    """Attributes: ``answer``: what it says; ``asked``: how often it was asked; ``faults``: lets calls fail."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue: why it is throttled; "" if it is not."""

        why: str = ""

    def __init__(self, settings: Settings, context: Context) -> None:
        self.answer = Throttling(is_on=bool(settings.why), why=settings.why)
        self.asked = 0
        self.faults = Faults()

    def to_be_throttled(self, queue: Queue) -> Throttling:
        """Give the answer."""
        self.asked += 1
        self.faults.check("to_be_throttled")
        return self.answer
