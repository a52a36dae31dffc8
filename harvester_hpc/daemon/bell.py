"""The bell: a commit wakes the agents whose turn it now is."""
from __future__ import annotations

import threading
from collections.abc import Iterable


class Bells:
    """One bell an agent. No data passes; what there is to do stands in the store."""

    def __init__(self, names: Iterable[str]) -> None:
        self._events = {name: threading.Event() for name in names}

    def ring(self, names: Iterable[str]) -> None:
        """Wake these agents; unknown names are ignored."""
        for name in names:
            event = self._events.get(name)
            if event is not None:
                event.set()

    def ring_all(self) -> None:
        """Wake everybody."""
        self.ring(self._events)

    def silence(self, name: str) -> None:
        """Forget earlier rings; called before a round, so that a ring during the round is heard after it."""
        self._events[name].clear()

    def wait(self, name: str, seconds: float) -> bool:
        """Wait until the bell rings or ``seconds`` have passed; True if it rang."""
        return self._events[name].wait(max(0.0, seconds))
