"""Small measuring tools: CPU, wake-ups and memory of a process, from /proc; and a figure with its yardstick."""
from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure beside its yardstick.

    Attributes:
        value, yardstick: same unit; ``smaller`` tells which way is better.
        source: where the yardstick comes from, in words.
    """

    name: str
    value: float
    unit: str
    yardstick: float
    source: str
    smaller: bool = True

    def line(self) -> str:
        """Return one line: name, value, yardstick, ratio (above 1: better than the yardstick)."""
        better, worse = (self.yardstick, self.value) if self.smaller else (self.value, self.yardstick)
        ratio = better / worse if worse else float("inf")
        return f"{self.name:<58} {self.value:>12.3f} {self.unit:<12} {self.yardstick:>10.3f} {ratio:>9.1f}x  {self.source}"


HEADER = f"{'figure':<58} {'measured':>12} {'unit':<12} {'yardstick':>10} {'ratio':>10}  yardstick is"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """CPU seconds, voluntary context switches (wake-ups) of all threads, and PSS in MB of a process."""

    cpu_s: float
    wakeups: int
    pss_mb: float


def usage(pid: int) -> Usage:
    """Return what a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    wakeups = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        found = re.search(r"^voluntary_ctxt_switches:\s+(\d+)", (task / "status").read_text(), re.MULTILINE)
        wakeups += int(found.group(1)) if found else 0
    pss = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    return Usage(cpu_s=(int(fields[11]) + int(fields[12])) / TICKS, wakeups=wakeups, pss_mb=int(pss.group(1)) / 1024 if pss else 0.0)


def best_ms(argv: Sequence[str], environment: Mapping[str, str], times: int = 9) -> float:
    """Return the shortest wall time of a command in milliseconds, output thrown away."""
    shortest = float("inf")
    for _ in range(times):
        begin = time.perf_counter()
        subprocess.run(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, timeout=120)
        shortest = min(shortest, time.perf_counter() - begin)
    return shortest * 1000.0


def metadata_calls(argv: Sequence[str], environment: Mapping[str, str]) -> int | None:
    """Return how many system calls that take a file name a command makes; None without strace."""
    if shutil.which("strace") is None:
        return None
    done = subprocess.run(
        ["strace", "-f", "-qq", "-e", "trace=%file", "-o", "/dev/stdout", *argv],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=False, timeout=120,
    )
    return sum("(" in line for line in done.stdout.splitlines())
