"""Whatever is done with event ranges, from whatever state: they move as the table says, or not at all."""
from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harvester_hpc.model.event import EVENT_LIFECYCLE, WORKER_SAYS, EventId, EventRange, EventState, EventWord
from harvester_hpc.model.file import FileId
from harvester_hpc.store import event as events
from harvester_hpc.store import event_zip as zips
from harvester_hpc.store.database import Database, Write
from harvester_hpc.store.event import Untold
from harvester_hpc.store.event_zip import Zip
from harvester_hpc.store.migrate import migrate
from harvester_hpc.store.schema import MIGRATIONS
from harvester_hpc.testing.fake_clock import FakeClock

A_JOB = (
    "INSERT INTO job (job_id, queue, state, attempt, priority, resource_type, cores, ram_mb, walltime_s, created, changed)"
    " VALUES (1, 'Q', 'running', 1, 0, '', 1, 0, 0, 0, 0)"
)
AN_EVENT = (
    "INSERT INTO event (event_id, job_id, range_id, state, origin_id, worker_id, feeds, file_id) VALUES (1, 1, 'r', ?, 1, 7, ?, 1)"
)
ONE = Zip(file_id=FileId(1), job_id=1, packed=True, tries=0)


def _word(after: EventState) -> Callable[[Write], object]:
    word = EventWord(range_id="r", after=after, path="/x/r" if after is EventState.FINISHED else "",
                     zip_path="/x/w.zip" if after is EventState.ZIPPED else "")
    return lambda write: events.take_words(write, 7, 1, [word])


def _told(state: EventState, end: EventState) -> Callable[[Write], object]:
    untold = Untold(id=EventId(1), range_id="r", state=state, file_id=None, cores=None, cpu_s=None)
    return lambda write: events.told(write, [(untold, end)])


ACTS: dict[str, Callable[[Write], object]] = {
    **{f"word {after}": _word(after) for after in sorted(WORKER_SAYS)},
    "lease": lambda write: events.lease(write, 1, [EventRange(range_id="r", origin={})]),
    "lease_lost": lambda write: events.lease_lost(write, 1, ["r"]),
    "hand": lambda write: events.hand(write, 8, 1, 10),
    "give_back": lambda write: events.give_back(write, 7, [1], 3),
    "give_back the last time": lambda write: events.give_back(write, 7, [1], 1),
    "end_of_job": lambda write: events.end_of_job(write, 1, wanted=True),
    "end_of_job unwanted": lambda write: events.end_of_job(write, 1, wanted=False),
    "packed": lambda write: zips.packed(write, ONE, 5, [], []),
    "output lost": lambda write: zips.packed(write, ONE, 5, [], [(zips.Member(event_id=EventId(1), range_id="r", path=""), "gone")]),
    "staged": lambda write: zips.staged(write, ONE),
    "lost": lambda write: zips.lost(write, ONE, "no place"),
    **{f"told {state}": _told(state, end) for state, end in (
        (EventState.STAGED, EventState.DONE), (EventState.FAILED, EventState.DROPPED), (EventState.FATAL, EventState.DROPPED),
    )},
}


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    clock = FakeClock()
    migrate(tmp_path / "store.db", clock)
    with Database(tmp_path / "store.db", clock) as made:
        yield made


@pytest.mark.parametrize("feeds", [0, 1])
@pytest.mark.parametrize("act", ACTS)
def test_an_event_range_moves_along_the_table(database: Database, act: str, feeds: int) -> None:
    for before in EventState:
        with database.write() as write:
            run = write.connection.execute
            run("DELETE FROM job")
            run(A_JOB)
            events.open_job(write, 1)
            run("INSERT INTO file (file_id, job_id, kind, lfn, state) VALUES (1, 1, 'event_zip', 'z', 'expected')")
            run("INSERT INTO event_origin (origin_id, job_id, origin) VALUES (1, 1, '{}')")
            run(AN_EVENT, (before, feeds))
            ACTS[act](write)
            ((after,),) = run("SELECT state FROM event")
        assert before == after or EVENT_LIFECYCLE.allows(before, EventState(after)), f"{before} -> {after}"


def test_a_migrated_store_keeps_its_files(tmp_path: Path) -> None:
    old = tmp_path / "migrations"
    old.mkdir()
    shutil.copy(MIGRATIONS / "0001_spine.sql", old)
    clock, path = FakeClock(), tmp_path / "store.db"
    migrate(path, clock, folder=old)
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(A_JOB)
        connection.execute("INSERT INTO file (job_id, kind, lfn, state, path, tries) VALUES (1, 'log', 'l', 'defined', '/x', 3)")
        connection.commit()
    migrate(path, clock)
    with Database(path, clock) as database, database.write() as write:
        assert write.connection.execute("SELECT file_id, lfn, path, tries FROM file").fetchall() == [(1, "l", "/x", 3)]
        write.connection.execute("DELETE FROM job")
        assert write.connection.execute("SELECT count(*) FROM file").fetchone() == (0,)
