"""The daemon is killed between any two steps of batches that it copies itself, and of those that it hands to a service."""
from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.crash.batches import BATCH_POINTS, Batches
from tests.crash.harness import torture


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("rsync") is None, reason="rsync is not installed")
def test_kills_at_every_step_of_a_batch_bring_each_file_to_its_place_once(tmp_path: Path) -> None:
    found = torture(tmp_path, kills=len(BATCH_POINTS), seed=20261121, jobs=6, points=BATCH_POINTS, kind=Batches)
    assert found.wrong == []
    assert set(found.states) == {"finished"}
    assert set(found.executions.values()) == {1}
