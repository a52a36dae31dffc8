"""The daemon and its workers killed at random moments; ``python -m tests.crash --kill-workers --map-type ...`` does thousands."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.crowds import RANGES, LateJobs, ManyJobs, SharedJobs
from tests.crash.harness import EVENT_POINTS, LATE_POINTS, torture


@pytest.mark.slow
def test_no_job_of_many_runs_twice_or_is_lost_whoever_is_killed(tmp_path: Path) -> None:
    found = torture(tmp_path, kills=6, seed=20261121, jobs=16, kind=ManyJobs, kill_workers=True)
    assert found.wrong == []
    assert set(found.states) <= {"finished", "failed"}
    assert max(found.executions.values()) == 1


@pytest.mark.slow
def test_no_job_that_is_bound_late_runs_twice_or_is_lost_whoever_is_killed(tmp_path: Path) -> None:
    found = torture(tmp_path, kills=8, seed=20261121, jobs=12, kind=LateJobs, kill_workers=True, points=LATE_POINTS)
    assert found.wrong == []
    assert set(found.states) <= {"finished", "failed"}
    assert max(found.executions.values()) == 1


@pytest.mark.slow
def test_every_range_is_done_once_whoever_is_killed(tmp_path: Path) -> None:
    found = torture(tmp_path, kills=6, seed=20261121, jobs=1, kind=SharedJobs, kill_workers=True, points=EVENT_POINTS)
    assert found.wrong == []
    assert found.ranges >= RANGES
