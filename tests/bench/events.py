"""Event ranges in the store: what a million of them cost, in time, in memory and on disk."""
from __future__ import annotations

import json
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from harvester_hpc.clock import SystemClock
from harvester_hpc.model.event import EventRange, EventState, EventWord
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.store import event as events
from harvester_hpc.store import event_zip as zips
from harvester_hpc.store import job as jobs
from harvester_hpc.store.database import Database
from harvester_hpc.store.migrate import migrate
from tests.bench.measure import Figure

RANGES = 1_000_000
LEASED_AT_ONCE = 5_000
TOLD_AT_ONCE = 10_000
SOURCE = "aim: 25 us a step"


def run(folder: Path, ranges: int = RANGES) -> list[Figure]:
    """Send ``ranges`` ranges of one job through the store."""
    folder.mkdir(parents=True)
    path = folder / "store.db"
    clock = SystemClock()
    migrate(path, clock)
    seconds: dict[str, float] = {}
    begin_mb = _memory_mb()
    with Database(path, clock) as database:
        with database.write() as write:
            jobs.insert(write, [Job(id=JobId(7), queue="Q", state=JobState.FETCHED, params={"eventService": "True"})])
        seconds["lease"] = _timed(_lease, database, ranges)
        seconds["feed"] = _timed(_feed, database, ranges)
        seconds["finish"] = _timed(_finish, database, ranges)
        seconds["zip rows"] = _timed(_zip_rows, database, ranges)
        seconds["tell"] = _timed(_tell, database, ranges)
        done = _done(database)
        assert done == ranges, f"{done} of {ranges} ranges are done"
    size = sum(file.stat().st_size for file in folder.glob("store.db*"))
    with Database(path, clock) as database:
        seconds["forget"] = _timed(_forget, database, ranges)
    figures = [
        Figure(name=f"{what}: {ranges} ranges in the store", value=1e6 * spent / ranges, unit="us/range", yardstick=25.0, source=SOURCE)
        for what, spent in seconds.items()
    ]
    return [
        *figures,
        Figure(name="all steps of one range but the forgetting", value=1e6 * (sum(seconds.values()) - seconds["forget"]) / ranges,
               unit="us/range", yardstick=100.0, source="aim: 10,000 ranges/s"),
        Figure(name=f"store with {ranges} ranges", value=size / ranges, unit="bytes/range", yardstick=200.0, source="aim"),
        Figure(name=f"memory gained by {ranges} ranges", value=_memory_mb() - begin_mb, unit="MB", yardstick=100.0, source="aim: flat"),
    ]


def _timed(act: object, database: Database, ranges: int) -> float:
    assert callable(act)
    begin = time.perf_counter()
    act(database, ranges)
    return time.perf_counter() - begin


def _names(ranges: int, at_once: int) -> Iterator[range]:
    return (range(start, min(start + at_once, ranges)) for start in range(0, ranges, at_once))


def _name(number: int) -> str:
    return f"5010-4711-701-{number + 1}-1"


def _lease(database: Database, ranges: int) -> None:
    origin = {"LFN": "EVNT.5010._000001.pool.root.1", "GUID": "0e6b4a4e-6c2f-4a2e-8a4e-0f6f1c5f3a11", "scope": "mc16_13TeV"}
    for part in _names(ranges, LEASED_AT_ONCE):
        with database.write() as write:
            events.lease(write, 7, (EventRange(range_id=_name(one), first=one + 1, last=one + 1, origin=origin) for one in part))


def _feed(database: Database, ranges: int) -> None:
    for part in _names(ranges, LEASED_AT_ONCE):
        with database.write() as write:
            given = events.hand(write, 1 + part.start // LEASED_AT_ONCE, 7, len(part))
        json.dumps([one.as_dictionary() for one in given])


def _finish(database: Database, ranges: int) -> None:
    for part in _names(ranges, LEASED_AT_ONCE):
        words = [
            EventWord(range_id=_name(one), after=EventState.FINISHED, path=f"/scratch/work/Q/{part.start}/HITS.{one:07d}.root", size=10_000)
            for one in part
        ]
        with database.write() as write:
            idle = events.take_words(write, 1 + part.start // LEASED_AT_ONCE, 7, words)
        assert not idle


def _zip_rows(database: Database, ranges: int) -> None:
    for _ in range(-(-ranges // TOLD_AT_ONCE)):
        with database.read() as connection:
            waiting = zips.waiting(connection, 7, TOLD_AT_ONCE)
        with database.write() as write:
            zips.plan(write, 7, [row for row, _ in waiting], lambda number: (f"zip.{number}", f"/x/zip.{number}"))
        with database.read() as connection:
            (planned,) = zips.due(connection, time.time() + 1.0, 10)
            members = zips.members(connection, planned)
        with database.write() as write:
            zips.packed(write, planned, 1, members, [])
            zips.staged(write, planned)


def _tell(database: Database, ranges: int) -> None:
    for _ in range(-(-ranges // TOLD_AT_ONCE)):
        with database.read() as connection:
            untold = events.untold(connection, 7, EventState.STAGED, 0, TOLD_AT_ONCE)
        with database.write() as write:
            events.told(write, ((one, EventState.DONE) for one in untold))


def _forget(database: Database, ranges: int) -> None:
    left = 1
    while left:
        with database.write() as write:
            left = events.forget(write, 7, 20_000)


def _done(database: Database) -> int:
    with database.read() as connection:
        return events.tally(connection, 7).get(EventState.DONE, 0)


def _memory_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024.0 if sys.platform == "linux" else 2.0**20)
