"""The section ``throttler`` of a queue."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.config.instance import loaded, of_queue


@pytest.mark.parametrize("nothing", [None, {}])
def test_a_queue_need_not_have_a_throttler(tmp_path: Path, nothing: object) -> None:
    assert "throttler" not in loaded(tmp_path, {"queues": {"Q": {"throttler": nothing}}}).queues["Q"].sections


def test_a_throttler_arrives_with_its_settings(tmp_path: Path) -> None:
    section = {"name": "Mine", "module": "site.throttlers", "most": 5}
    assert dict(loaded(tmp_path, {"queues": {"Q": {"throttler": section}}}).queues["Q"].sections["throttler"]) == section


def test_a_throttler_of_panda_harvester_itself_is_refused(tmp_path: Path) -> None:
    section = {"name": "SimpleThrottler", "module": "pandaharvester.harvesterthrottler.simple_throttler"}
    (line,) = of_queue(tmp_path, {"throttler": section})
    assert "is a part of PanDA Harvester" in line
