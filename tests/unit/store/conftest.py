"""Real file systems for the store: read-only, full, in a mount namespace of their own."""
from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from harvester_hpc.store.migrate import migrate
from harvester_hpc.testing.fake_clock import FakeClock
from tests.conftest import WITHIN_S

OwnMounts = Callable[[list[list[str]], str, Path], str]

RUNNER = """
import subprocess, sys
for mount in {mounts!r}:
    subprocess.run(mount, check=True, timeout=30)
from pathlib import Path
path = Path(sys.argv[1])
{script}
"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def store(tmp_path: Path, clock: FakeClock) -> Path:
    """A new store in a folder of its own."""
    path = tmp_path / "state" / "store.db"
    migrate(path, clock)
    return path


@pytest.fixture
def own_mounts(unshare: list[str]) -> OwnMounts:
    """Return ``own_mounts(mounts, script, path)``: run Python where only it sees ``mounts``; give what it printed."""

    def run(mounts: list[list[str]], script: str, path: Path) -> str:
        code = RUNNER.format(mounts=mounts, script=script)
        done = subprocess.run(
            [*unshare, sys.executable, "-W", "error", "-c", code, str(path)], capture_output=True, text=True, timeout=WITHIN_S, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run
