"""Throttlers of the published interface."""
from __future__ import annotations

from harvester_compat.adapters.base import Adapted
from harvester_compat.answers import said
from harvester_compat.specs import queue_config_of
from harvester_hpc.errors import Unavailable
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.throttler import Throttling

ASK = ("to_be_throttled",)


class AdaptedThrottler(Adapted):
    """Our throttler port over a published throttler."""

    kind = "throttler"

    def to_be_throttled(self, queue: Queue) -> Throttling:
        """Tell whether a queue gets no new workers now; see ``ports.throttler``."""
        plugin = self.plugin()
        try:
            answer = said(self.call(plugin, ASK, queue_config_of(queue, {"throttler": self._settings.arguments()})))
        except Exception as error:  # other people's code
            raise Unavailable(f"{self.name} does not work", why=self.raised(error, ASK[0])) from error
        if answer.verdict is None:
            raise Unavailable(f"{self.name} does not work", why=answer.words or "it does not say whether the queue is to be throttled")
        return Throttling(is_on=answer.verdict, why=answer.words)
