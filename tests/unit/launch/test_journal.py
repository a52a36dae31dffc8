"""A line for each range, which says what came of it, whatever its name and its error look like."""
from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from harvester_launch.journal import Journal, line_of, lines
from harvester_launch.ranges import Range, Result

ODD = ["plain", 'a "quoted" \\ one', "new\nline", "grün 数据", "half \ud800", "\0", "{}"]


@pytest.mark.parametrize("odd", ODD)
def test_a_line_says_what_came_of_a_range(odd: str) -> None:
    one = Range(3, 5, odd, 1, 2, 2, {})
    known = {"PandaID": 5, "eventRangeID": odd}
    assert json.loads(line_of(Result(range=one, ok=True, seconds=0.00049))) == {**known, "ok": True, "seconds": 0.0}
    assert json.loads(line_of(Result(range=one, ok=True, path=odd, size=7, checksum="ad:1", guid="G", seconds=1.23456))) == {
        **known, "ok": True, "seconds": 1.235, "path": odd, "fsize": 7, "chksum": "ad:1", "guid": "G",
    }
    assert json.loads(line_of(Result(range=one, ok=False, code=-9, why=odd, seconds=1e9))) == {
        **known, "ok": False, "seconds": 1e9, "try": 2, "exitCode": -9, "why": odd,
    }


@pytest.mark.parametrize("odd", ODD)
def test_what_was_written_is_read_again_line_by_line(tmp_path: Path, odd: str) -> None:
    journal = Journal(tmp_path / "done.run.1.jsonl")
    journal.write([line_of(Result(range=Range(0, 5, range_id, 0, 0, 1, {}), ok=True)) for range_id in (odd, "b")])
    journal.append([{"PandaID": 6, "eventRangeID": odd}])
    journal.close()
    assert [(line["PandaID"], line["eventRangeID"]) for line in lines(tmp_path, "done")] == [(5, odd), (5, "b"), (6, odd)]


def test_a_line_that_a_full_disk_has_cut_does_not_swallow_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal, write = Journal(tmp_path / "told.run.0.jsonl"), os.write
    journal.append([{"PandaID": 5, "eventRangeID": "a"}])

    def full(file: int, raw: bytes) -> int:
        write(file, raw[:9])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        journal.append([{"PandaID": 5, "eventRangeID": "b"}])
    monkeypatch.setattr(os, "write", write)
    journal.append([{"PandaID": 5, "eventRangeID": "c"}])
    journal.append([{"PandaID": 5, "eventRangeID": "d"}])
    assert [line["eventRangeID"] for line in lines(tmp_path, "told")] == ["a", "c", "d"]
