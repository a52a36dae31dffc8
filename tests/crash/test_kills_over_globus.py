"""The daemon is killed between any two steps of a transfer over Globus (emulated: our logic, not the service)."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.globus import TRANSFER_POINTS, GlobusHarness
from tests.crash.harness import torture


@pytest.mark.slow
def test_kills_at_every_step_of_a_transfer_submit_and_move_nothing_twice(tmp_path: Path) -> None:
    found = torture(tmp_path, kills=2 * len(TRANSFER_POINTS), seed=4, jobs=5, points=TRANSFER_POINTS, kind=GlobusHarness)
    assert found.wrong == []
    assert set(found.states) == {"finished"}
    assert set(found.executions.values()) == {1}
