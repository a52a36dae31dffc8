"""How long a letter that cannot be read is left alone: its writer may be in the middle of it."""
from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from harvester_hpc.messenger.letter import Shape

#: Files that are remembered; the oldest are forgotten, and only waited for again.
REMEMBERED = 10_000


class Patience:
    """Remembers the shape of files between looks. By our own clock, since that of a file server may be off.

    Args:
        settle_s: seconds for which a file must not change.
        clock: seconds, never going back.
    """

    def __init__(self, settle_s: float, clock: Callable[[], float]) -> None:
        self._settle_s = settle_s
        self._clock = clock
        self._seen: OrderedDict[Path, tuple[Shape, float]] = OrderedDict()
        self._lock = threading.Lock()

    def is_over(self, path: Path, shape: Shape) -> bool:
        """Tell whether an earlier look, at least ``settle_s`` ago, has seen the file just so; and remember it."""
        return self.unchanged_s(path, shape) >= self._settle_s

    def unchanged_s(self, path: Path, shape: Shape) -> float:
        """Return for how many seconds the file is known to look like this; -1 if it is seen so for the first time."""
        now = self._clock()
        with self._lock:
            seen = self._seen.get(path)
            if seen is not None and seen[0] == shape:
                return now - seen[1]
            self._seen[path] = (shape, now)
            self._seen.move_to_end(path)
            while len(self._seen) > REMEMBERED:
                self._seen.popitem(last=False)
        return -1.0

    def shape(self, path: Path) -> Shape | None:
        """Return how the file was seen last; None if it was not."""
        with self._lock:
            seen = self._seen.get(path)
            return seen[0] if seen else None

    def forget(self, path: Path) -> None:
        """Start again with this file."""
        with self._lock:
            self._seen.pop(path, None)
