"""Batch jobs of the local scheduler: processes of this machine, named so that a reused number is never taken for ours."""
from __future__ import annotations

import os
import re
import signal
import threading
import time
from dataclasses import dataclass
from pathlib import Path

LOOKS_S = 0.05
DEAD = frozenset("ZXx")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stat:
    """A line of /proc/PID/stat: state letter, parent, session, start in ticks since boot."""

    state: str
    parent: int
    session: int
    start: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """``PID.START@HOST``: one process for ever."""

    pid: int
    start: str
    host: str

    @property
    def is_here(self) -> bool:
        """It is one of this machine's."""
        return self.host == os.uname().nodename

    @property
    def is_alive(self) -> bool:
        """It runs still; a zombie does not, nor does another process with its number."""
        stat = stat_of(self.pid)
        return stat is not None and stat.start == self.start and stat.state not in DEAD


def process_of(batch_id: str) -> Process | None:
    """Return the process that a local batch id names; None if it names none."""
    found = re.fullmatch(r"(\d+)\.(\d+)@(\S+)", batch_id.strip())
    return Process(pid=int(found[1]), start=found[2], host=found[3]) if found else None


def stat_of(pid: int) -> Stat | None:
    """Return what the kernel tells of a process; None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return Stat(state=fields[0], parent=int(fields[1]), session=int(fields[3]), start=fields[19])


def family(process: Process) -> list[int]:
    """Return the living members of its session, and their descendants elsewhere."""
    stats = {pid: stat for pid in _pids() if (stat := stat_of(pid)) is not None and stat.state not in DEAD}
    members = {pid for pid, stat in stats.items() if stat.session == process.pid}
    while more := {pid for pid, stat in stats.items() if stat.parent in members and pid not in members}:
        members |= more
    return sorted(members)


def end(process: Process, patience_s: float) -> bool:
    """Tell a process and its family to end, and kill what has not after ``patience_s`` seconds; return whether all is gone."""
    known = family(process) if process.is_alive else []
    if not known:
        return True
    starts = {pid: stat.start for pid in known if (stat := stat_of(pid)) is not None}
    _signal([process.pid], starts, signal.SIGTERM, group=True)
    if _gone(starts, patience_s):
        return True
    starts |= {pid: stat.start for pid in family(process) if (stat := stat_of(pid)) is not None}
    _signal(list(starts), starts, signal.SIGKILL)
    return _gone(starts, patience_s)


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _lives(pid: int, start: str) -> bool:
    stat = stat_of(pid)
    return stat is not None and stat.start == start and stat.state not in DEAD


def _gone(starts: dict[int, str], patience_s: float) -> bool:
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while any(_lives(pid, start) for pid, start in starts.items()):
        if time.monotonic() > deadline:
            return False
        pause.wait(LOOKS_S)
    return True


def _signal(pids: list[int], starts: dict[int, str], number: signal.Signals, *, group: bool = False) -> None:
    for pid in pids:
        if not _lives(pid, starts.get(pid, "")):
            continue
        try:
            if group:
                os.killpg(pid, number)
            else:
                os.kill(pid, number)
        except ProcessLookupError:
            continue
