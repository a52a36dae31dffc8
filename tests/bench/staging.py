"""Staging: 100,000 small files as they are and in zips, large files, and calls to a service; beside tar and cp of the same run."""
from __future__ import annotations

import os
import resource
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState, Outcome
from harvester_hpc.model.transfer import Direction, Item, ItemId, Parcel, Place, Transfer, TransferId
from harvester_hpc.ports.carrier import Carrier, Copier, ItemNews
from harvester_hpc.ports.context import Context
from harvester_hpc.store import job as jobs
from harvester_hpc.testing.fakes import DepotSettings, FakeCarrier
from harvester_hpc.zip_file import write_zip
from harvester_local.batches import LocalBatches
from tests.bench.measure import Figure
from tests.unit.agents.world import World, make_world

SMALL, SMALL_SIZE, PER_JOB = 100_000, 10_000, 100
#: Bytes of each large file, and how many; the disk must hold them twice.
LARGE_SIZE, LARGE = 2 << 30, 2
ROUNDS = 4
#: Files of which the calls are counted.
CALLED = 10_000


def run(folder: Path) -> Iterator[Figure]:
    """Stage out, and compare; each figure is given as soon as it is there."""
    folder.mkdir(parents=True)
    for part in (_calls, _large, _small):
        yield from part(folder / part.__name__)


# -- many small files ---------------------------------------------------------------------------------


def _small(folder: Path) -> Iterator[Figure]:
    source = folder / "source"
    content = os.urandom(SMALL_SIZE)
    for number in range(SMALL):
        path = source / str(number // PER_JOB + 1) / f"out.{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    os.sync()
    tar_s = _timed(lambda: _tar(source, folder / "tar"), folder / "tar")
    zip_s = _timed(lambda: _zipped(folder, source), folder / "zipped")
    yield Figure(name=f"{SMALL:,} files of 10 kB: zip, then staged", value=SMALL / zip_s, unit="files/s", yardstick=SMALL / tar_s,
                 source="tar | tar, then sync, the same run", smaller=False)
    copy_s = _timed(lambda: _copied(folder / "copied", sorted(source.glob("*/*"))), folder / "copied")
    yield Figure(name="  staged as they are, by the plugin alone", value=SMALL / copy_s, unit="files/s", yardstick=SMALL / tar_s,
                 source="the same; each of ours is read again, on disk, and renamed", smaller=False)
    yield from _conveyed(folder, source, tar_s)
    shutil.rmtree(folder)


def _conveyed(folder: Path, source: Path, tar_s: float) -> Iterator[Figure]:
    """All of them through store, stager and conveyor."""
    def hops(context: Context) -> tuple[tuple[Carrier | Copier, ...], tuple[Carrier | Copier, ...]]:
        return (), (LocalBatches(LocalBatches.Settings(destination=str(folder / "conveyed"), wait_s=1.0), context),)

    world = _world(folder / "world", source, SMALL, hops)
    rss_mb = _rss_mb()
    begin, used = time.perf_counter(), time.process_time()
    longest_s = _until_all_are_away(world)
    wall_s, cpu_s = time.perf_counter() - begin, time.process_time() - used
    yield Figure(name="  staged as they are, through the conveyor", value=SMALL / wall_s, unit="files/s", yardstick=SMALL / tar_s,
                 source=f"the same; CPU {cpu_s:.0f} s of {wall_s:.0f} s", smaller=False)
    yield Figure(name="  its longest round", value=longest_s, unit="s", yardstick=2.0, source="aim: seconds")
    more_mb = max(0.0, _peak_mb() - rss_mb)
    yield Figure(name="  memory on top of what it had before", value=more_mb, unit="MB", yardstick=100.0, source="aim: flat")
    _close(world)
    shutil.rmtree(folder / "conveyed")


def _zipped(folder: Path, source: Path) -> None:
    """Zip bunches of 10,000, and stage the zips."""
    files = sorted(source.glob("*/*"))
    zips = []
    for start in range(0, len(files), 10_000):
        zips.append(folder / "zipped" / f"{start}.zip")
        write_zip(zips[-1], [(path.name, path) for path in files[start:start + 10_000]])
    _copied(folder / "zipped" / "staged", zips)


def _tar(source: Path, target: Path) -> None:
    target.mkdir()
    with subprocess.Popen(["tar", "-C", source, "-cf", "-", "."], stdout=subprocess.PIPE) as pack:
        subprocess.run(["tar", "-C", target, "-xf", "-"], stdin=pack.stdout, check=True, timeout=3600)
    os.sync()


# -- large files --------------------------------------------------------------------------------------


def _large(folder: Path) -> Iterator[Figure]:
    source = folder / "source"
    source.mkdir(parents=True)
    block = os.urandom(1 << 20)
    for number in range(LARGE):
        with (source / f"large.{number}").open("wb") as stream:
            for _ in range(LARGE_SIZE >> 20):
                stream.write(block)
    os.sync()
    files, amount = sorted(source.iterdir()), LARGE * LARGE_SIZE / 1e6
    # By turns, so that a slow minute of the machine hits both.
    rounds = [
        (_timed(lambda: _cp(files, folder / "cp"), folder / "cp"), _timed(lambda: _copied(folder / "ours", files), folder / "ours"))
        for _ in range(ROUNDS)
    ]
    cp_s, ours_s = min(one for one, _ in rounds), min(one for _, one in rounds)
    yield Figure(name=f"{LARGE} files of {LARGE_SIZE >> 30} GB with checksum, read again", value=amount / ours_s, unit="MB/s",
                 yardstick=amount / cp_s, source="cp, then sync, the same run; aim 0.8", smaller=False)
    shutil.rmtree(folder)


def _cp(files: Sequence[Path], target: Path) -> None:
    target.mkdir()
    subprocess.run(["cp", *files, target], check=True, timeout=3600)
    os.sync()


def _copied(target: Path, files: Sequence[Path]) -> None:
    """Copy files by the plugin, as a batch."""
    copier = LocalBatches(LocalBatches.Settings(destination=str(target)), _context(target))
    items: list[Item] = []
    parcels = [
        Parcel(item_id=ItemId(number + 1), direction=Direction.OUT, job_id=number // PER_JOB, lfn=path.name, size=path.stat().st_size,
               source=Place(path=str(path)))
        for number, path in enumerate(files)
    ]
    for parcel, route in zip(parcels, copier.route(parcels), strict=True):
        items.append(Item(parcel=parcel, route=route))  # type: ignore[arg-type]
    told: list[ItemNews] = []
    copier.copy(Transfer(id=TransferId(1), key="bench-t1", queue="Q", direction=Direction.OUT), items, told.append, lambda: False)
    assert {news.end.value for news in told} == {"moved"}, next(news.why for news in told if news.why)


# -- calls --------------------------------------------------------------------------------------------


class Counting(FakeCarrier):
    """Counts how often the service is called."""

    def __init__(self, settings: DepotSettings, context: Context) -> None:
        super().__init__(settings, context)
        self.calls = 0

    def __getattribute__(self, name: str) -> Any:
        if name in ("route", "token", "submit", "look", "cancel"):
            object.__setattr__(self, "calls", object.__getattribute__(self, "calls") + 1)
        return object.__getattribute__(self, name)


def _calls(folder: Path) -> Iterator[Figure]:
    source = folder / "source"
    for number in range(CALLED):
        path = source / str(number // PER_JOB + 1) / f"out.{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    made: list[Counting] = []

    def hops(context: Context) -> tuple[tuple[Carrier | Copier, ...], tuple[Carrier | Copier, ...]]:
        made.append(Counting(DepotSettings(folder=str(folder / "depot"), wait_s=1.0), context))
        return (), tuple(made)

    world = _world(folder / "world", source, CALLED, hops)
    _until_all_are_away(world)
    # Ways of files are worked out without the service by most plugins; here they count as calls.
    yield Figure(
        name=f"calls to a service for 1,000 of {CALLED:,} files", value=made[0].calls * 1000 / CALLED, unit="calls", yardstick=10.0,
        source="the aim",
    )
    _close(world)
    shutil.rmtree(folder)


# -- a store full of outputs --------------------------------------------------------------------------


def _world(folder: Path, source: Path, number: int, hops: Callable[[Context], Any]) -> World:
    folder.mkdir(parents=True)
    world = make_world(folder, hops=hops, outputs=(), finishes=False)
    with world.database.write() as write:
        now = write.now
        jobs.insert(write, [_job(one + 1, source, now) for one in range(number // PER_JOB)])
        write.connection.execute("UPDATE job SET outcome = 'finished'")
    return world


def _job(number: int, source: Path, now: float) -> Job:
    files = tuple(
        File(job_id=number, kind=FileKind.OUTPUT, lfn=path.name, state=FileState.DEFINED, path=str(path), size=path.stat().st_size)
        for path in sorted((source / str(number)).iterdir())
    )
    return Job(
        id=JobId(number), queue="Q", state=JobState.TO_TRANSFER, outcome=Outcome.FINISHED, params={}, files=files, created=now, changed=now,
        due=now,
    )


def _until_all_are_away(world: World) -> float:
    """Let stager and conveyor work; return the longest round in seconds."""
    pause, longest_s, before = threading.Event(), 0.0, time.perf_counter()
    sql = "SELECT count(*) FROM job WHERE state IN ('to_transfer', 'transferring')"
    while True:
        begin = time.perf_counter()
        world.clock.advance(begin - before)
        before = begin
        for name in ("stager", "conveyor"):
            round_begin = time.perf_counter()
            changed = world.run(name)
            longest_s = max(longest_s, time.perf_counter() - round_begin)
        with world.database.read() as connection:
            if not connection.execute(sql).fetchone()[0]:
                assert connection.execute("SELECT DISTINCT state FROM file").fetchall() == [("finished",)]
                return longest_s
        if not changed:
            pause.wait(0.1)


def _close(world: World) -> None:
    for agent in world.agents.values():
        agent.close()
    world.database.close()


def _context(folder: Path) -> Context:
    return Context(instance="bench", tag="bench", state_dir=folder, facility=Facility(name="f", scheduler="local"))


def _timed(act: Callable[[], None], made: Path) -> float:
    begin = time.perf_counter()
    act()
    seconds = time.perf_counter() - begin
    shutil.rmtree(made)
    os.sync()
    return seconds


def _status() -> Mapping[str, str]:
    lines = Path("/proc/self/status").read_text().splitlines()
    return {key: value for key, _, value in (line.partition(":") for line in lines)}


def _rss_mb() -> float:
    return int(_status()["VmRSS"].split()[0]) / 1024


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
