"""Kill workers at random moments: payloads, launchers, or all that a worker has."""
from __future__ import annotations

import os
import random
import signal
from contextlib import suppress
from pathlib import Path


class Striker:
    """Kills processes of workers whose access points lie below one folder, and of nobody else.

    Attributes:
        struck: numbers of the workers that it has hit.
    """

    def __init__(self, root: Path, seed: int, chance: float = 0.05) -> None:
        self.struck: list[int] = []
        self._below = f"HARVESTER_ACCESS_POINT={root}/".encode()
        self._draw = random.Random(seed)
        self._chance = chance

    def maybe(self) -> None:
        """Strike now and then: one process of a worker, or all of them at once, as when a node dies."""
        if self._draw.random() >= self._chance:
            return
        found = sorted(self._processes().items())
        if not found:
            return
        worker, pids = self._draw.choice(found)
        self.struck.append(worker)
        for pid in pids if self._draw.random() < 0.5 else [self._draw.choice(pids)]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _processes(self) -> dict[int, list[int]]:
        """Return {worker number: its processes that have its access point in their environment}."""
        found: dict[int, list[int]] = {}
        for entry in os.scandir("/proc"):
            if not entry.name.isdigit():
                continue
            with suppress(OSError):  # gone meanwhile, or not ours
                for variable in Path(entry.path, "environ").read_bytes().split(b"\0"):
                    if variable.startswith(self._below):
                        number = variable.removeprefix(self._below).split(b"/")[0]
                        found.setdefault(int(number), []).append(int(entry.name))
        return found
