"""The second act of the demo: one job of many event ranges, shared by two workers, one of which is killed half-way."""
from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from harvester_hpc.app import send_command
from harvester_hpc.cli.demo import MPI, payload
from harvester_hpc.cli.demo.folder import JUMBO_QUEUE
from harvester_hpc.cli.demo.histogram import Histogram, histogram_in
from harvester_hpc.cli.instance import Instance
from harvester_hpc.errors import HarvesterError
from harvester_hpc.model.command import CommandKind
from harvester_hpc.model.event import EventState
from harvester_hpc.model.file import File, FileKind
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.store import event as events
from harvester_hpc.store import worker as workers

EVENTS_IN_A_RANGE = 5
#: Ranges that are done when a worker is killed, as a share of all.
HALF = 0.5
SUMMARY = Path("yoda") / "summary.json"


def missing(site: str) -> str:
    """Return what a jumbo job needs and is not there; "" if all is."""
    if find_spec(MPI) is None:
        return MPI
    beside = Path(sys.executable).with_name("mpiexec")
    return "" if site != "local" or beside.exists() or shutil.which("mpiexec") else "mpiexec"


def description(ranges: int) -> dict[str, Any]:
    """Return the job as the embedded system takes it."""
    return {
        "name": "demo-jumbo", "queue": JUMBO_QUEUE, "executable": sys.executable, "walltime": 600, "attempts": 3,
        "arguments": [str(Path(payload.__file__).resolve()), "--ranges"],
        "events": {"ranges": ranges, "perRange": EVENTS_IN_A_RANGE},
    }


@dataclass(slots=True)
class Killer:
    """Kills one worker of the job, once, when half of the ranges are done; worker: which one, None before that."""

    instance: Instance
    job_id: int
    ranges: int
    local: bool
    worker: int | None = None
    done_then: int = 0

    def look(self) -> None:
        """Strike, if the time has come."""
        if self.worker is not None:
            return
        with self.instance.reading() as connection:
            tally = events.tally(connection, self.job_id)
            running = [one for one in _workers(connection, self.job_id) if one.state is WorkerState.RUNNING]
        done = sum(number for state, number in tally.items() if state not in (EventState.LEASED, EventState.FED))
        if done < HALF * self.ranges or not running:
            return
        self.worker, self.done_then = int(running[0].id), done
        if self.local:
            _kill(running[0].access_point)
        else:
            send_command(self.instance.state_dir, CommandKind.KILL_WORKERS, (self.worker,), why="killed half-way, on purpose")


def _workers(connection: Any, job_id: int) -> list[Worker]:
    return list(workers.by_ids(connection, workers.of_job(connection, JobId(job_id))).values())


def _kill(access_point: str) -> None:
    """kill -9 of every process of a worker on this machine: what belongs to it has its access point in the environment."""
    mark = f"HARVESTER_ACCESS_POINT={access_point}".encode()
    for pid in _processes_with(mark):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGKILL)


def _processes_with(mark: bytes) -> Iterator[int]:
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if mark in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)


# -- what came of it ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """What one worker did. rate, busy: from its own summary; None for one that could not write any."""

    worker: Worker
    ranges: int
    rate: float | None
    busy: float | None


def shares(instance: Instance, job_id: int) -> list[Share]:
    """Return what each worker of the job did."""
    with instance.reading() as connection:
        found = _workers(connection, job_id)
        done = events.done_by_worker(connection, job_id)
    return [_share(worker, done.get(int(worker.id), 0)) for worker in found]


def _share(worker: Worker, ranges: int) -> Share:
    try:
        summary = json.loads((Path(worker.access_point) / SUMMARY).read_text())
    except (OSError, ValueError):
        summary = {}
    return Share(worker=worker, ranges=ranges, rate=summary.get("rangesPerSecond"), busy=summary.get("busyShare"))


def counted(zips: Sequence[Path], ranges: int) -> Histogram:
    """Return the histogram of all ranges.

    Raises:
        HarvesterError: a range is missing, or counted twice, or a zip cannot be read.
    """
    counts: Counter[int] = Counter()
    seen: Counter[str] = Counter()
    title = ""
    for path in zips:
        try:
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    one, seen_range = histogram_in(archive.read(name).decode(), f"{path}: {name}")
                    counts.update(one.counts)
                    title = one.title
                    seen[seen_range] += 1
        except (OSError, zipfile.BadZipFile) as error:
            raise HarvesterError(f"{path} cannot be read", why=str(error)) from error
    twice = [name for name, number in seen.items() if number > 1]
    if len(seen) != ranges or twice:
        raise HarvesterError(f"{len(seen)} of {ranges} ranges were brought away, {len(twice)} of them more than once")
    return Histogram(counts=counts, title=title)


def zips_of(files: Sequence[File], path_of: Any) -> list[Path]:
    """Return where the zips of a job lie."""
    return [path_of(file.url) for file in files if file.kind is FileKind.EVENT_ZIP and file.url]


def seconds_of(found: Sequence[Share], until: float | None = None) -> float:
    """Return the seconds from the start of the first worker to the end of the last."""
    begun = [one.worker.started for one in found if one.worker.started]
    ended = [one.worker.ended for one in found if one.worker.ended]
    return max(ended, default=until or time.time()) - min(begun, default=0.0)
