"""An access point with one worker, and a clock that the test moves."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def messenger(hand: Hand) -> SharedFileMessenger:
    return SharedFileMessenger(clock=hand)


@pytest.fixture
def point(tmp_path: Path, messenger: SharedFileMessenger) -> AccessPoint:
    root = tmp_path / "access"
    made = AccessPoint(root=root, path=root / "7", instance="here", worker_id=7, job_ids=(1,))
    messenger.setup_access_points([made])
    return made


@pytest.fixture
def many(tmp_path: Path, messenger: SharedFileMessenger) -> AccessPoint:
    """A ManyToOne worker with two jobs."""
    root = tmp_path / "access"
    made = AccessPoint(root=root, path=root / "8", instance="here", worker_id=8, job_ids=(1, 2), many=True)
    messenger.setup_access_points([made])
    messenger.feed_jobs(made, {1: {"PandaID": 1}, 2: {"PandaID": 2}}, {})
    return made
