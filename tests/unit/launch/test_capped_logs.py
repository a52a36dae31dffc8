"""A capped log keeps head and tail, in any sizes of blocks, and never raises."""
from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from harvester_launch.capped_log import CappedLog, Drain

MARK = re.compile(rb"\n\[\.\.\. (\d+) bytes left out here by the launcher \.\.\.\]\n")


def text(length: int) -> bytes:
    return bytes(33 + (7 * number) % 90 for number in range(length))


@pytest.mark.parametrize("cap", [1, 2, 3, 10, 11, 64])
@pytest.mark.parametrize("block", [1, 3, 7, 1000])
@pytest.mark.parametrize("length", [0, 1, 2, 5, 9, 10, 11, 12, 15, 16, 20, 21, 64, 65, 100, 333])
def test_what_fits_is_kept_and_of_the_rest_head_and_tail(tmp_path: Path, cap: int, block: int, length: int) -> None:
    log = CappedLog(tmp_path / "log", cap)
    printed = text(length)
    for start in range(0, length, block):
        log.write(printed[start:start + block])
    log.close()
    kept = (tmp_path / "log").read_bytes()
    if length <= cap:
        assert kept == printed
    else:
        head, tail = cap - cap // 2, cap // 2
        expected_tail = printed[len(printed) - tail:]
        mark = MARK.search(kept)
        assert mark is not None and int(mark[1]) == length - cap
        assert (kept[:mark.start()], kept[mark.end():]) == (printed[:head], expected_tail)
    assert [path.name for path in tmp_path.iterdir()] == ["log"]


def test_a_log_that_cannot_be_made_stops_nobody(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    (tmp_path / "log.tail").mkdir()
    log = CappedLog(tmp_path / "log", 4)
    log.write(text(100))
    log.close()


def test_a_full_disk_stops_nobody() -> None:
    log = CappedLog(Path("/dev/full"), 10)
    for _ in range(100):
        log.write(text(10))
    log.close()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("years")
    (tmp_path / "log").symlink_to(tmp_path / "precious")
    log = CappedLog(tmp_path / "log", 10)
    log.write(b"x")
    log.close()
    assert (tmp_path / "precious").read_text() == "years"


def test_a_pipe_that_stays_open_is_emptied_and_left(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    log = CappedLog(tmp_path / "log", 1 << 20)
    drain = Drain([(reading, log)])
    drain.start()
    os.write(writing, b"all of it")
    drain.finish()
    assert (tmp_path / "log").read_bytes() == b"all of it"
    os.close(reading)
    os.close(writing)
