"""What this process takes of the login node, told to the workload management system. A part of the propagator."""
from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from harvester_hpc.agents.base import Agent
from harvester_hpc.clock import as_text

#: Seconds between two reports, and after one that was not taken.
PERIOD_S, AGAIN_S = 300.0, 3600.0
METRICS = "metrics"
MIB = 1 << 20


class ServiceMetrics:
    """Sends memory, CPU and disk, with the names that the existing Harvester gives them."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self._at = 0.0
        self._cpu_s, self._since = _cpu_s(), agent.clock.now()

    def run_once(self) -> int:
        """Send what is to be sent; nothing waits for it, so what is not taken is left out."""
        now = self.agent.clock.now()
        if self.agent.waits("") or 0.0 < self._at - now <= AGAIN_S:
            return 0
        self._at = now + PERIOD_S
        values = self._values(now)
        if not self.agent.attempt(METRICS, lambda: self._sent(now, values)):
            self._at = now + AGAIN_S
            self.agent.forget_trouble(METRICS)
        return 0

    def _sent(self, now: float, values: dict[str, Any]) -> bool:
        self.house.communicator.update_service_metrics([(as_text(now), self.house.node_name, values)])
        return True

    def _values(self, now: float) -> dict[str, Any]:
        """Return memory (MiB, per cent of the machine), CPU (per cent of one core since the last time), disk (per cent used)."""
        values: dict[str, Any] = {}
        with suppress(OSError, ValueError, IndexError):
            rss = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            values["rss_mib"] = round(rss / MIB, 1)
            values["memory_pc"] = round(100 * rss / (os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")), 2)
        spent = _cpu_s()
        if now > self._since:
            values["cpu_pc"] = round(100 * (spent - self._cpu_s) / (now - self._since), 2)
        self._cpu_s, self._since = spent, now
        with suppress(OSError):
            disk = shutil.disk_usage(self.house.database.path.parent)
            values["volume_state_pc"] = round(100 * disk.used / max(1, disk.total), 2)
        return values


def _cpu_s() -> float:
    spent = os.times()
    return spent.user + spent.system
