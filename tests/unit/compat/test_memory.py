"""What is kept for plugins between their calls."""
from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from harvester_compat.memory import Memory
from harvester_hpc.errors import Unavailable


def test_what_is_kept_comes_back_to_another_one_who_asks(tmp_path: Path) -> None:
    when = datetime(2026, 11, 21, 10, 0, 0)
    Memory(tmp_path / "a" / "kept.db").keep("job 1", {"groups": {"t": [1, None]}, "when": when, "id": b"12"})
    memory = Memory(tmp_path / "a" / "kept.db")
    assert memory.of("job 1") == {"groups": {"t": [1, None]}, "when": when, "id": "12"}
    assert memory.of("job 2") == {}


def test_what_is_forgotten_is_gone(tmp_path: Path) -> None:
    memory = Memory(tmp_path / "kept.db")
    memory.forget("job 1")
    assert not (tmp_path / "kept.db").exists()
    memory.keep("job 1", {"x": 1})
    memory.keep("job 1", {})
    assert memory.of("job 1") == {}


def test_a_file_that_is_none_of_ours_is_trouble_with_words(tmp_path: Path) -> None:
    (tmp_path / "kept.db").write_bytes(b"no database" * 100)
    with pytest.raises(Unavailable, match="move the file away"):
        Memory(tmp_path / "kept.db").of("job 1")
