"""At least 100 kills between any two steps and at random times; nothing is lost and nothing is doubled."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.harness import torture


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20261121, 20261125))
def test_a_hundred_kills_lose_and_double_nothing(tmp_path: Path, seed: int) -> None:
    # In four parts, which may run side by side; each goes through all thirteen points by turns, and through as many random times.
    found = torture(tmp_path, kills=26, seed=seed, jobs=10)
    assert found.kills >= 26
    assert found.wrong == []
    assert set(found.states) == {"finished"}
    assert set(found.executions.values()) == {1}
