"""What is remembered of a submission."""
from __future__ import annotations

from pathlib import Path

from harvester_psij.records import Record


def test_the_grace_time_begins_with_the_first_empty_answer(tmp_path: Path) -> None:
    record = Record(tmp_path)
    assert record.first_empty_answer(100.0) == 100.0
    assert record.first_empty_answer(150.0) == 100.0


def test_the_grace_time_does_not_wait_for_a_clock_that_was_set_back(tmp_path: Path) -> None:
    record = Record(tmp_path)
    record.first_empty_answer(86500.0)
    assert record.first_empty_answer(100.0) == 100.0
    assert record.first_empty_answer(150.0) == 100.0
