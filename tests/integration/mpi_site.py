"""A worker that eats event ranges, as real MPI ranks: its access point, what it is fed, and what it tells."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint

DEADLINE_S = 120.0
JOB = 5
RANKS = 4


def mpiexec() -> str | None:
    """Return the mpiexec that fits the mpi4py of this Python (both from PyPI), or one on PATH."""
    beside = Path(sys.executable).with_name("mpiexec")
    return str(beside) if beside.exists() else shutil.which("mpiexec")


def until(happened: Callable[[], object], what: str) -> None:
    """Wait until something has happened; fail after a deadline."""
    end = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.01)


def ranges(first: int, count: int) -> list[dict[str, Any]]:
    """Return event ranges of ten events each."""
    return [
        {"eventRangeID": f"1-{JOB}-7-{number}-1", "LFN": "in.root", "GUID": "G", "scope": "s",
         "startEvent": 10 * number, "lastEvent": 10 * number + 9}
        for number in range(first, first + count)
    ]


@dataclass
class MpiSite:
    """Workers of one job, each with an access point of its own; the harness's side of the letters is real."""

    root: Path
    messenger: SharedFileMessenger = field(default_factory=SharedFileMessenger)
    launches: list[subprocess.Popen[bytes]] = field(default_factory=list)
    told: Counter[tuple[str, str]] = field(default_factory=Counter)
    files: dict[str, str] = field(default_factory=dict)
    stock: list[dict[str, Any]] = field(default_factory=list)
    fed: list[str] = field(default_factory=list)
    bad: list[str] = field(default_factory=list)

    def point(self, worker: int = 1) -> AccessPoint:
        """Return a worker's access point."""
        root = self.root / "access"
        return AccessPoint(root=root, path=root / str(worker), instance="here", worker_id=worker, job_ids=(JOB,))

    def set_up(self, worker: int, transformation: str, parameters: str, script: str = "", **job: Any) -> AccessPoint:
        """Make a worker with the job; ``script`` lies beside as payload.sh."""
        point = self.point(worker)
        self.messenger.setup_access_points([point])
        described = {
            "PandaID": JOB, "taskID": 1, "jobsetID": 2, "eventService": "True", "transformation": transformation,
            "jobPars": parameters, **job,
        }
        self.messenger.feed_jobs(point, {JOB: described}, {})
        (point.path / "payload.sh").write_text(script)
        return point

    def start(
        self, point: AccessPoint, *options: str, environment: Mapping[str, str] | None = None, ranks: int = RANKS
    ) -> subprocess.Popen[bytes]:
        """Launch the ranks."""
        program = mpiexec()
        assert program is not None
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HARVESTER_", "SLURM_", "PBS_", "COBALT_"))}
        log = (self.root / f"launch.{len(self.launches)}.log").open("wb")
        with log:
            launch = subprocess.Popen(
                [program, "-n", str(ranks), sys.executable, "-m", "harvester_launch", "yoda", "--access-point", str(point.path), *options],
                env=inherited | dict(environment or {}), stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )
        self.launches.append(launch)
        return launch

    def log(self) -> str:
        """Return what the last launch has said."""
        return (self.root / f"launch.{len(self.launches) - 1}.log").read_text(errors="replace")

    def round(self, point: AccessPoint, *, last: bool = False) -> None:
        """Do what the daemon does: read and acknowledge, and answer requests from the stock."""
        news = self.messenger.collect(point, last=last)
        for one in news.files:
            if one.kind == "es_output":
                self.told[one.event_range_id, one.event_status] += 1
                self.files[one.event_range_id] = one.path
        for updates in news.event_updates.values():
            for update in updates:
                self.told[update.event_range_id, update.event_status] += 1
        self.bad += [letter.why for letter in news.bad]
        self.messenger.acknowledge(news)
        wanted = self.messenger.events_requested(point).get(JOB)
        if wanted is not None and not last:
            number = int(wanted["nRanges"])
            given, self.stock = self.stock[:number], self.stock[number:]
            self.fed += [one["eventRangeID"] for one in given]
            self.messenger.feed_events(point, {JOB: given})

    def serve(self, launch: subprocess.Popen[bytes], point: AccessPoint, *, enough: Callable[[], bool] | None = None) -> int | None:
        """Be the daemon until the launch has ended (its exit code is returned), or until ``enough`` (None)."""
        end = time.monotonic() + DEADLINE_S
        while launch.poll() is None:
            assert time.monotonic() < end, f"the launch does not end:\n{self.log()}"
            self.round(point)
            if enough is not None and enough():
                return None
            time.sleep(0.02)
        self.round(point, last=True)
        self.round(point, last=True)
        return launch.returncode

    def finished(self) -> dict[str, int]:
        """Return {range id: how often it was told as finished}."""
        return {range_id: count for (range_id, status), count in self.told.items() if status == "finished"}

    def ranks(self, launch: subprocess.Popen[bytes]) -> dict[int, int]:
        """Return {rank: process id} of a launch."""
        found = {}
        for pid in _session(launch.pid):
            try:
                environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
                command = Path(f"/proc/{pid}/cmdline").read_bytes()
            except OSError:
                continue
            rank = next((int(one[9:]) for one in environ if one.startswith(b"PMI_RANK=")), None)
            if rank is not None and b"harvester_launch" in command:
                found[rank] = pid
        return found

    def stop(self) -> None:
        """End what a failed test has left running."""
        for launch in self.launches:
            if launch.poll() is None:
                kill_all(launch)
                launch.wait(30)


def kill_all(launch: subprocess.Popen[bytes]) -> None:
    """Kill everything that a launch has started, as the end of an allocation does."""
    for pid in [*_session(launch.pid), launch.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _session(leader: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(fields[3]) == leader or _descends(int(entry.name), leader):
                found.append(int(entry.name))
    return found


def _descends(pid: int, ancestor: int) -> bool:
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            return False
        if pid == ancestor:
            return True
    return False


def alive(pids: Sequence[int]) -> list[int]:
    """Return those processes that still run (a zombie does not)."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        found += [pid] if state != "Z" else []
    return found
