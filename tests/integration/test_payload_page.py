"""The payloads of docs/payloads.md, run as they stand there."""
from __future__ import annotations

import importlib.util
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import lacking
from tests.integration.mpi_site import MpiSite, mpiexec, ranges

PAGE = Path(__file__).parents[2] / "docs" / "payloads.md"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[MpiSite]:
    if importlib.util.find_spec("mpi4py") is None or mpiexec() is None:
        lacking("mpi4py or mpiexec is not installed (pip install mpi4py mpich)")
    made = MpiSite(tmp_path)
    yield made
    made.stop()


@pytest.mark.parametrize(("language", "mode", "program", "parameters"), [
    ("shell", "bunch", "bash", "payload.sh {startEvent} {lastEvent} {out}"),
    ("python", "lines", "python3", "payload.sh"),
])
def test_an_example_of_the_page_does_what_it_says(site: MpiSite, language: str, mode: str, program: str, parameters: str) -> None:
    found = re.search(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None
    point = site.set_up(1, program, parameters, found[1])
    site.stock = ranges(0, 12)
    assert site.serve(site.start(point, "--payload-mode", mode, "--slots", "1", "--publish-s", "0.3"), point) == 0, site.log()
    assert sorted(site.finished()) == sorted(one["eventRangeID"] for one in ranges(0, 12))
    third = Path(site.files[ranges(2, 1)[0]["eventRangeID"]]).read_text()
    assert third.splitlines() == [f"{event} {event * event}" for event in range(20, 30)]
