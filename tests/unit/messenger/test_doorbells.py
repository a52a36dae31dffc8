"""The doorbell says which workers have news, loses no ring, and hurts nobody."""
from __future__ import annotations

import os
import threading
from pathlib import Path

from harvester_hpc.messenger.doorbell import hang_up, ring, rung


def test_each_ring_is_heard_once_however_often_it_rings(tmp_path: Path) -> None:
    for worker in (12, 3, 12, 12):
        ring(tmp_path, worker)
    assert rung(tmp_path) == (3, 12)
    assert rung(tmp_path) == ()


def test_names_that_are_no_workers_are_passed_over(tmp_path: Path) -> None:
    hang_up(tmp_path)
    for name in ("007", "x", "-1", "1.0", "٣", ".hidden", "9" * 30, "12 "):
        (tmp_path / ".doorbell" / name).touch()
    (tmp_path / ".doorbell" / "5").mkdir()
    ring(tmp_path, 7)
    assert rung(tmp_path) == (7,)


def test_a_ring_that_cannot_be_made_hurts_nobody(tmp_path: Path) -> None:
    (tmp_path / ".doorbell").touch()
    ring(tmp_path, 7)
    ring(tmp_path / "nowhere" / "at all", 7)
    assert not (tmp_path / "nowhere").exists()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    hang_up(tmp_path)
    (tmp_path / ".doorbell" / "7").symlink_to(tmp_path / "made")
    ring(tmp_path, 7)
    assert not (tmp_path / "made").exists()


def test_a_pipe_holds_nobody_up(tmp_path: Path) -> None:
    hang_up(tmp_path)
    os.mkfifo(tmp_path / ".doorbell" / "7")
    ring(tmp_path, 7)
    assert rung(tmp_path) == (7,)


def test_no_ring_after_a_letter_is_lost(tmp_path: Path) -> None:
    """A worker writes, then rings; whoever hears it then reads. The last letter is always read."""
    letter, last, seen = tmp_path / "letter", 3000, 0
    hang_up(tmp_path)

    def worker() -> None:
        for number in range(1, last + 1):
            letter.with_suffix(".part").write_text(str(number))
            letter.with_suffix(".part").replace(letter)
            ring(tmp_path, 1)

    thread = threading.Thread(target=worker)
    thread.start()
    while thread.is_alive():
        if rung(tmp_path):
            seen = int(letter.read_text())
    thread.join()
    if rung(tmp_path):
        seen = int(letter.read_text())
    assert seen == last
