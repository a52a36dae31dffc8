"""At least 100 kills between any two steps and at random times; nothing is lost and nothing is doubled."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.crash.harness import torture


@pytest.mark.slow
def test_a_hundred_kills_lose_and_double_nothing(tmp_path: Path) -> None:
    found = torture(tmp_path, kills=100, seed=20261121, jobs=10)
    assert found.kills >= 100
    assert found.wrong == []
    assert set(found.states) == {"finished"}
    assert set(found.executions.values()) == {1}
