"""Calls to the (emulated) Globus service for each thousand files, and what a batch costs us in time."""
from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harvester_hpc.model.transfer import Item
from harvester_hpc.ports.carrier import Ended, ItemEnd
from harvester_hpc.testing.contracts.carrier import batch_of, routed, submitted
from tests.bench.measure import Figure
from tests.globus_site import Site, site_in

FILES = 10_000
#: Seconds that the service takes for a batch of FILES, and for one of a thousand.
LONG_S, SHORT_S = 600.0, 60.0
AIM = "aim: 10 calls per 1,000 files"


def run(folder: Path, files: int = FILES) -> list[Figure]:
    """Move a batch that goes well, one with missing sources, and one that fails in part."""
    folder.mkdir(parents=True)
    figures = [
        *_measured(folder / "well", files, "all is well"),
        *_measured(folder / "missing", files, "1 of 100 sources missing", missing=100),
        *_measured(folder / "broken", files, "task fails, 1 of 100 broken", broken=100),
    ]
    return [*figures, *_measured(folder / "small", 1_000, "a batch of 1,000 in a minute", seconds=SHORT_S)]


def _looks(seconds: float) -> int:
    """Return how often the conveyor looks at a batch that takes so long."""
    number, age = 0, 0.0
    while age < seconds:
        number, age = number + 1, age + (min(30.0, max(age / 2.0, 1.0)) if number else 5.0)
    return number


def _measured(folder: Path, files: int, what: str, missing: int = 0, broken: int = 0, seconds: float = LONG_S) -> Iterator[Figure]:
    folder.mkdir()
    looks = _looks(seconds)
    with _site(folder) as site:
        items, seconds = _items(site, files, missing, broken)
        begin = time.process_time()
        good = _moved(site, items, looks)
        spent = time.process_time() - begin
        bad = sum(1 for number in range(files) if (missing and number % missing == 0) or (broken and number % broken == 0))
        assert good == files - bad, (good, files, bad)
        calls = sum(times for name, times in site.world.calls().items())
    yield Figure(name=f"calls, {what}", value=1000 * calls / files, unit="per 1,000", yardstick=10.0, source=AIM)
    yield Figure(name=f"routes of {files} files", value=1e6 * seconds / files, unit="us/file", yardstick=100.0, source="aim")
    yield Figure(
        name=f"CPU of a batch and its {looks} looks, {what}", value=1e6 * spent / files, unit="us/file", yardstick=1000.0,
        source="aim; the emulator's own included",
    )


def _items(site: Site, files: int, missing: int, broken: int) -> tuple[list[Item], float]:
    parcels = []
    for number in range(files):
        name = f"bad.{number}" if broken and number % broken == 0 else f"file.{number}"
        parcels.append(site.lacking(name) if missing and number % missing == 0 else site.put(name, b"%d" % number))
    carrier = site.carrier()
    begin = time.perf_counter()
    items = routed(carrier, parcels)
    return items, time.perf_counter() - begin


def _moved(site: Site, items: list[Item], looks: int) -> int:
    """Hand a batch over and look until it has ended; return how many files have arrived."""
    site.world.set(files_per_look=-(-len(items) // looks), broken="bad.")
    carrier = site.carrier()
    transfer = submitted(carrier, batch_of(items), items)
    while True:
        (seen,) = carrier.look([transfer], lambda _: items)
        if isinstance(seen, Ended):
            return sum(news.end is ItemEnd.MOVED for news in seen.items)


@contextmanager
def _site(folder: Path) -> Iterator[Site]:
    with pytest.MonkeyPatch.context() as patch, site_in(folder, patch) as site:
        yield site
