"""A fed access point, and the launcher as a real process."""
from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint, News

DEADLINE_S = 60.0


def until(happened: Callable[[], object], what: str) -> None:
    """Wait until something has happened; fail after a deadline."""
    end = time.monotonic() + DEADLINE_S
    while not happened():
        assert time.monotonic() < end, f"never happened: {what}"
        time.sleep(0.01)


@dataclass
class Site:
    """An access point with one job (number 5), and the launchers that run in it."""

    point: AccessPoint
    messenger: SharedFileMessenger = field(default_factory=SharedFileMessenger)
    launchers: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        return self.point.folder_of(5)

    def feed(self, script: str = "", **job: Any) -> None:
        """Give the worker a job that runs ``script`` in bash, unless ``job`` says otherwise."""
        described = {"PandaID": 5, "transformation": "bash", "jobPars": "payload.sh", "coreCount": 2, **job}
        self.messenger.setup_access_points([self.point])
        self.messenger.feed_jobs(self.point, {5: described}, {})
        (self.folder / "payload.sh").write_text(script)

    def start(self, *options: str, environment: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the launcher."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("HARVESTER_", "SLURM_", "PBS_", "COBALT_"))}
        launcher = subprocess.Popen(
            [sys.executable, "-m", "harvester_launch", "single", "--access-point", str(self.point.path), *options],
            env=environ | dict(environment or {}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        self.launchers.append(launcher)
        return launcher

    def run(self, *options: str, environment: Mapping[str, str] | None = None) -> int:
        """Run the launcher to its end; return its exit code."""
        launcher = self.start(*options, environment=environment)
        launcher.communicate(timeout=DEADLINE_S)
        return launcher.returncode

    def news(self) -> News:
        """Return what the worker has told."""
        return self.messenger.collect(self.point, last=True)

    def told(self) -> Mapping[str, Any]:
        """Return the attributes of the job."""
        return self.news().attributes[5]

    def stop(self) -> None:
        """End what a failed test has left running."""
        for launcher in self.launchers:
            if launcher.poll() is None:
                launcher.kill()
            launcher.communicate(timeout=DEADLINE_S)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    root = tmp_path / "access"
    made = Site(AccessPoint(root=root, path=root / "7", instance="here", worker_id=7, job_ids=(5,)))
    yield made
    made.stop()


def alive(pids: Sequence[int]) -> list[int]:
    """Return those processes that still run (a zombie does not)."""
    found = []
    for pid in pids:
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        found += [pid] if state != "Z" else []
    return found
