"""Walltimes as people write them."""

from __future__ import annotations

import pytest

from harvester_hpc.config.walltime import seconds_of


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("00:00:01", 1), ("1:00:00", 3600), ("48:00:00", 172800), ("2-00:00:00", 172800), ("0-1:2:3", 3723), ("100:59:59", 363599)],
)
def test_text_becomes_seconds(text: str, seconds: int) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize("text", ["", "60", "1:00", "1:60:00", "1:00:60", "1h", "1-00", "-1:00:00", "1:00:00\n", "١:00:00", "1:00:00:00"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="12:00:00"):
        seconds_of(text)


@pytest.mark.parametrize("value", [5, 1.5, None, True, []])
def test_what_is_no_text_is_left_to_others(value: object) -> None:
    assert seconds_of(value) is value
