"""Excerpts of logs: bounded, head and tail, without secrets."""
from __future__ import annotations

import os
import tracemalloc
from pathlib import Path

import pytest

from harvester_hpc.agents.log_excerpt import NoLog, OpenLog, excerpt, open_log
from harvester_hpc.policy.masking import MASK


def opened(folder: Path, content: bytes) -> OpenLog:
    (folder / "log").write_bytes(content)
    found = open_log(str(folder), "log")
    assert isinstance(found, OpenLog)
    return found


def text(folder: Path, content: bytes, most: int) -> bytes:
    log = opened(folder, content)
    try:
        return b"".join(excerpt(log, most))
    finally:
        log.close()


@pytest.mark.parametrize("content", [b"", b"x", b"a line\n" * 100, bytes(range(256)) * 4])
def test_a_short_log_is_shown_whole(tmp_path: Path, content: bytes) -> None:
    assert text(tmp_path, content, 10_000) == content


def test_of_a_long_log_head_and_tail_are_shown_and_how_much_is_left_out(tmp_path: Path) -> None:
    content = b"".join(b"%09d\n" % number for number in range(100_000))
    found = text(tmp_path, content, 4000)
    assert found.startswith(content[:1000] + b"\n[... 996000 bytes left out here; the whole log has 1000000 bytes ...]\n")
    assert found.endswith(content[-3000:])
    assert len(found) < 4200


@pytest.mark.parametrize("shift", [0, 5, 12, 30])
def test_a_secret_where_the_log_is_cut_is_not_shown_in_part(tmp_path: Path, shift: int) -> None:
    secret = b" password=correct-horse-battery "
    filler = b"." * 50_000
    for place in (1000 - shift, 50_000 + 1000 - shift):
        content = (filler * 3)[:place] + secret + (filler * 3)[place:place + 53_000 - shift - len(secret)]
        found = text(tmp_path, content, 4000)
        assert not any(part in found for part in (b"correct", b"horse", b"battery"))


def test_a_log_that_becomes_shorter_while_it_is_read_ends_there(tmp_path: Path) -> None:
    log = opened(tmp_path, b"x" * 3_000_000)
    os.truncate(tmp_path / "log", 10)
    assert b"".join(excerpt(log, 10_000_000)) == b"x" * 10
    log.close()


def test_what_is_written_to_a_log_while_it_is_read_comes_next_time(tmp_path: Path) -> None:
    log = opened(tmp_path, b"before\n")
    with (tmp_path / "log").open("ab") as stream:
        stream.write(b"after\n")
    assert b"".join(excerpt(log, 1000)) == b"before\n"
    log.close()


def test_memory_does_not_grow_with_the_log(tmp_path: Path) -> None:
    line = b"2026-01-01 12:00:00 INFO event 17 done, token bucket full\n" * 50 + b"password=correct-horse\n"
    log = opened(tmp_path, line * (12_000_000 // len(line)))
    tracemalloc.start()
    try:
        shown = sum(len(block) for block in excerpt(log, 100_000_000))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        log.close()
    assert shown == log.size // len(line) * (len(line) - len(b"correct-horse") + len(MASK))
    assert most < 16_000_000


def test_a_file_that_is_not_there_is_no_trouble_and_one_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    assert open_log(str(tmp_path), "log") == open_log(str(tmp_path / "gone"), "1/log") == NoLog()
    (tmp_path / "log").write_text("x")
    (tmp_path / "log").chmod(0)
    found = open_log(str(tmp_path), "log")
    assert isinstance(found, OpenLog) if os.getuid() == 0 else isinstance(found, NoLog) and found.why
    if isinstance(found, OpenLog):
        found.close()
