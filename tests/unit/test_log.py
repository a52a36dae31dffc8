"""The daemon's log keeps its beginning and its end, and no more."""
from __future__ import annotations

import logging
from pathlib import Path

from harvester_hpc import log as daemon_log


def test_the_log_is_bounded_and_keeps_head_and_tail(tmp_path: Path) -> None:
    handlers = daemon_log.to_folder(tmp_path, newest_bytes=10_000, first_bytes=2_000)
    try:
        for number in range(1000):
            logging.getLogger("test").info("line %d %s", number, "x" * 50)
    finally:
        daemon_log.stop(handlers)
    first, newest = (tmp_path / "daemon.first.log").read_text(), (tmp_path / "daemon.log").read_text()
    assert "line 0 " in first
    assert "line 999 " in newest
    assert "line 999 " not in first
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 25_000


def test_a_line_has_its_time_in_utc_and_its_place(tmp_path: Path) -> None:
    handlers = daemon_log.to_folder(tmp_path)
    try:
        logging.getLogger("room").warning("waits queue=%s", "Q")
    finally:
        daemon_log.stop(handlers)
    line = (tmp_path / "daemon.log").read_text()
    assert line.endswith("Z WARNING room waits queue=Q\n")


def test_the_log_is_for_its_owner_only(tmp_path: Path) -> None:
    daemon_log.stop(daemon_log.to_folder(tmp_path / "log"))
    assert (tmp_path / "log").stat().st_mode & 0o077 == 0
