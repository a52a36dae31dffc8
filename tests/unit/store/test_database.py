"""One writer, many readers, and a bell that rings after the commit."""
from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.clock import SystemClock
from harvester_hpc.errors import LeaseLost, StoreCorrupt
from harvester_hpc.model.job import Job, JobId, JobState, step
from harvester_hpc.store import job as jobs
from harvester_hpc.store.database import Database
from harvester_hpc.store.migrate import migrate


@pytest.fixture
def rung() -> list[frozenset[str]]:
    return []


@pytest.fixture
def database(tmp_path: Path, rung: list[frozenset[str]]) -> Iterator[Database]:
    migrate(tmp_path / "store.db", SystemClock())
    with Database(tmp_path / "store.db", SystemClock(), ring=rung.append) as opened:
        yield opened


def a_job(number: int) -> Job:
    return Job(id=JobId(number), queue="Q", state=JobState.FETCHED)


def test_a_commit_rings_the_next_owner_and_a_rollback_nobody(database: Database, rung: list[frozenset[str]]) -> None:
    with pytest.raises(RuntimeError), database.write() as write:
        jobs.insert(write, [a_job(1)])
        raise RuntimeError
    assert rung == []
    with database.write() as write:
        jobs.insert(write, [a_job(1)])
        assert rung == []
    assert rung == [frozenset({"preparator", "propagator"})]


def test_all_of_a_write_or_nothing(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as write:
        jobs.insert(write, [a_job(1), a_job(2)])
        raise RuntimeError
    with database.read() as connection:
        assert jobs.by_ids(connection, [1, 2]) == {}


def test_a_step_is_made_once_and_a_late_one_is_dropped(database: Database) -> None:
    with database.write() as write:
        jobs.insert(write, [a_job(1)])
    first = step(a_job(1), JobState.PREPARED, 1.0)
    second = step(a_job(1), JobState.FAILED, 2.0, why="too late")
    with database.write() as write:
        assert jobs.make(write, [first]) == []
        assert jobs.make(write, [second]) == [1]
    with database.read() as connection:
        (job,) = jobs.by_ids(connection, [1]).values()
    assert (job.state, job.why) == (JobState.PREPARED, "")


def test_a_late_step_reports_nothing(database: Database) -> None:
    with database.write() as write:
        jobs.insert(write, [a_job(1)])
        jobs.make(write, [step(a_job(1), JobState.PREPARED, 1.0)])
        jobs.make(write, [step(a_job(1), JobState.FAILED, 2.0)])
    with database.read() as connection:
        assert connection.execute("SELECT state FROM report").fetchall() == [("fetched",)]


def test_many_threads_write_in_turn(database: Database) -> None:
    def some(start: int) -> None:
        for number in range(start, start + 50):
            with database.write() as write:
                jobs.insert(write, [a_job(number)])

    threads = [threading.Thread(target=some, args=(start,)) for start in (1, 101, 201, 301)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.read() as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone() == (200,)


def test_the_newest_attempt_of_a_job_replaces_one_that_is_over_and_told(database: Database) -> None:
    with database.write() as write:
        jobs.insert(write, [a_job(1)])
        again = Job(id=JobId(1), queue="Q", state=JobState.FETCHED, attempt=2)
        assert jobs.insert(write, [again]) == []
        jobs.make(write, [step(a_job(1), JobState.FAILED, 1.0)])
        assert jobs.insert(write, [again]) == []
        jobs.release(write, JobId(1), 100.0)
        assert jobs.insert(write, [again]) == [1]
    with database.read() as connection:
        assert jobs.by_ids(connection, [1])[JobId(1)].attempt == 2


def test_a_state_that_the_model_does_not_know_never_gets_in(database: Database) -> None:
    with pytest.raises(sqlite3.IntegrityError), database.write() as write:
        write.connection.execute("INSERT INTO job (job_id, queue, state, attempt, priority, resource_type, cores, ram_mb, walltime_s, "
                                 "created, changed) VALUES (1, 'Q', 'lost', 1, 0, '', 1, 0, 0, 0, 0)")


def test_garbage_in_place_of_a_store_is_named(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(b"not a database, but long enough to look at" * 100)
    with Database(path, SystemClock()) as database, pytest.raises(StoreCorrupt, match=str(path)), database.read() as connection:
        connection.execute("SELECT 1")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_store_that_is_taken_away_is_written_no_more_and_kept(database: Database, replaced: bool) -> None:
    with database.write() as write:
        jobs.insert(write, [a_job(1)])
    for path in database.path.parent.glob("store.db*"):
        path.unlink()
    if replaced:
        migrate(database.path, SystemClock())
    for number in (2, 3):
        with pytest.raises(LeaseLost, match="deleted, moved or replaced"), database.write() as write:
            jobs.insert(write, [a_job(number)])
    (kept,) = database.path.parent.glob("store.db.rescued.*Z")
    with Database(kept, SystemClock()) as rescued, rescued.read() as connection:
        assert list(jobs.by_ids(connection, [1, 2, 3])) == [1]
