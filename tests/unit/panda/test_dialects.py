"""What a server speaks is found out by asking it."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.errors import Unavailable
from harvester_local.served.faults import FaultKind
from harvester_local.served.server import Service
from tests.unit.panda.served import pair


@pytest.mark.parametrize(("v1", "old", "asked"), [
    (True, False, "/api/v1/pilot/acquire_jobs"), (True, True, "/api/v1/pilot/acquire_jobs"), (False, True, "/server/panda/getJob"),
])
def test_the_new_form_is_used_where_there_is_one(tmp_path: Path, v1: bool, old: bool, asked: str) -> None:
    with pair(tmp_path, Service(v1=v1, old=old)) as both:
        assert len(both.jobs(1)) == 1
        assert both.served.asked[-1] == asked


def test_it_is_asked_once(tmp_path: Path) -> None:
    with pair(tmp_path) as both:
        for _ in range(3):
            both.jobs(1)
        assert both.served.asked.count("/api/v1/system/is_alive") == 1


def test_a_server_that_is_updated_is_asked_again(tmp_path: Path) -> None:
    with pair(tmp_path, Service(v1=False, old=True)) as both:
        both.jobs(1)
        both.served.service = replace(both.served.service, v1=True, old=False)
        with pytest.raises(Unavailable, match="forbidden"):
            both.jobs(1)
        assert len(both.jobs(1)) >= 1


def test_what_is_no_panda_server_is_not_taken_for_one(tmp_path: Path) -> None:
    with pair(tmp_path, Service(v1=False, old=False)) as both:
        with pytest.raises(Unavailable, match="404"):
            both.jobs(1)


@pytest.mark.parametrize("kind", [FaultKind.GARBAGE, FaultKind.BUSY, FaultKind.BROKEN_BEFORE, FaultKind.TRUNCATED])
def test_trouble_says_nothing_about_the_form(tmp_path: Path, kind: FaultKind) -> None:
    with pair(tmp_path, Service(v1=True, old=True)) as both:
        both.served.faults.add(kind, "is_alive")
        with pytest.raises(Unavailable):
            both.jobs(1)
        both.jobs(1)
        assert both.served.asked[-1] == "/api/v1/pilot/acquire_jobs"


def test_a_form_that_is_configured_is_not_asked_for(tmp_path: Path) -> None:
    with pair(tmp_path, Service(v1=True, old=True), dialect="old") as both:
        both.jobs(1)
        assert both.served.asked == ["/server/panda/getJob"]


def test_large_bodies_go_packed_and_small_ones_do_not(tmp_path: Path) -> None:
    for packs in (True, False):
        with pair(tmp_path, gzip=packs) as both:
            both.panda.send_dialog_messages([{"diagID": str(n), "diagMessage": "x" * 400} for n in range(50)])
            both.panda.ack_commands(["wms-1"])
            assert both.served.packed == int(packs)
