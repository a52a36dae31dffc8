"""Migrations: each as a whole or not at all, with the old file put aside."""
from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from harvester_hpc.errors import LeaseHeld, LeaseLost, StoreCorrupt, StoreMissing, StoreTooNew, StoreUnusable
from harvester_hpc.store import lease as leases
from harvester_hpc.store import schema
from harvester_hpc.store.connection import open_file
from harvester_hpc.store.lease import acquire
from harvester_hpc.store.migrate import migrate, statements, version
from harvester_hpc.testing.fake_clock import FakeClock
from tests.mounts import read_only
from tests.unit.store.conftest import OwnMounts

LEASE = (schema.MIGRATIONS / "0001_spine.sql").read_text(encoding="utf-8").partition("CREATE TABLE counter")[0]

FIRST = f"""{LEASE}
CREATE TABLE parent (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE child (id INTEGER PRIMARY KEY, parent INTEGER NOT NULL REFERENCES parent ON DELETE CASCADE);
INSERT INTO parent VALUES (1, 'one');
INSERT INTO child VALUES (10, 1);
"""

SECOND = """-- a comment; with a semicolon, and a quote '
CREATE TABLE log (word TEXT CHECK (word <> ';'), note TEXT DEFAULT 'a;b''c;'); /* another; one */
CREATE TRIGGER told AFTER INSERT ON parent BEGIN
    INSERT INTO log (word) VALUES (CASE new.name WHEN 'x' THEN 'X;' ELSE new.name END);
    UPDATE log SET note = 'seen;' WHERE word = new.name;
END;
INSERT INTO parent VALUES (2, 'two')
-- no semicolon after the last one
"""

#: A table made anew, as SQLite advises: with references on, dropping the old one would take its children along.
THIRD = """CREATE TABLE fresh (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
INSERT INTO fresh SELECT id, name FROM parent;
DROP TABLE parent;
ALTER TABLE fresh RENAME TO parent;
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "migrations"
    made.mkdir()
    add(made, 1, FIRST)
    return made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "store.db"


def add(folder: Path, number: int, script: str) -> None:
    (folder / f"{number:04d}_step.sql").write_text(script, encoding="utf-8")
    schema.migrations.cache_clear()


def rows(path: Path, sql: str) -> list[tuple[object, ...]]:
    with closing(open_file(path, read_only=True)) as connection:
        return connection.execute(sql).fetchall()


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_a_missing_store_is_made_for_its_owner_alone(path: Path, clock: FakeClock) -> None:
    assert migrate(path, clock) == (0, schema.newest())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert names(path) == ["store.db", "store.lock"]
    assert path.with_name("store.lock").stat().st_mode & 0o777 == 0o600
    with closing(open_file(path, read_only=True)) as connection:
        assert schema.marks(connection) == (schema.APPLICATION_ID, schema.newest())


def test_a_store_that_is_up_to_date_is_left_alone(path: Path, clock: FakeClock) -> None:
    migrate(path, clock)
    before = path.read_bytes()
    assert migrate(path, clock) == (schema.newest(), schema.newest())
    assert path.read_bytes() == before
    assert not [name for name in names(path) if name.startswith("store.db.v")]


def test_an_empty_file_is_filled(path: Path, clock: FakeClock) -> None:
    path.parent.mkdir()
    path.touch()
    assert migrate(path, clock) == (0, schema.newest())


def test_the_migrations_that_lack_are_run_in_their_order(path: Path, clock: FakeClock, folder: Path) -> None:
    assert migrate(path, clock, folder=folder) == (0, 1)
    add(folder, 2, SECOND)
    add(folder, 3, THIRD)
    assert migrate(path, clock, folder=folder) == (1, 3)
    assert rows(path, "SELECT * FROM parent") == [(1, "one"), (2, "two")]
    assert rows(path, "SELECT * FROM log") == [("two", "seen;")]
    assert rows(path, "SELECT * FROM child") == [(10, 1)], "references were followed while a table was made anew"
    assert version(path) == 3


def test_the_store_as_it_was_is_put_aside_first(path: Path, clock: FakeClock, folder: Path) -> None:
    migrate(path, clock, folder=folder)
    add(folder, 2, SECOND)
    migrate(path, clock, folder=folder)
    aside = path.with_name("store.db.v1.20270115T080000Z")
    assert names(path) == ["store.db", aside.name, "store.lock"]
    assert version(aside) == 1
    assert rows(aside, "SELECT * FROM parent") == [(1, "one")]
    assert aside.stat().st_mode & 0o777 == 0o600


def test_nothing_put_aside_is_ever_overwritten(path: Path, clock: FakeClock, folder: Path) -> None:
    migrate(path, clock, folder=folder)
    add(folder, 2, "nonsense;")
    for _ in range(3):
        with pytest.raises(StoreUnusable):
            migrate(path, clock, folder=folder)
    aside = "store.db.v1.20270115T080000Z"
    assert names(path) == ["store.db", aside, f"{aside}.1", f"{aside}.2", "store.lock"]


@pytest.mark.parametrize(("script", "why"), [
    ("CREATE TABLE more (a); INSERT INTO more VALUES (1); INSERT INTO nowhere VALUES (1);", "no such table: nowhere"),
    ("CREATE TABLE more (a); COMMIT; CREATE TABLE yet (a);", "not authorized"),
    ("CREATE TABLE more (a); ROLLBACK;", "not authorized"),
    ("CREATE TABLE more (a); INSERT INTO child VALUES (11, 99);", "row 11 of table child refers to no row of parent"),
    ("CREATE TABLE more (a); CREATE TABLE half (", "incomplete input"),
    ("CREATE TABLE more (a); INSERT INTO more VALUES ('no end;", "unrecognized token"),
])
def test_a_migration_that_fails_leaves_nothing_behind(path: Path, clock: FakeClock, folder: Path, script: str, why: str) -> None:
    migrate(path, clock, folder=folder)
    add(folder, 2, script)
    with pytest.raises(StoreUnusable, match=rf"migration 0002_step\.sql of the store {path} failed.*{why}.*stays at schema 1"):
        migrate(path, clock, folder=folder)
    assert version(path) == 1
    assert rows(path, "SELECT name FROM sqlite_schema WHERE name IN ('more', 'yet', 'half')") == []
    assert rows(path, "SELECT * FROM child") == [(10, 1)]
    add(folder, 2, SECOND)
    assert migrate(path, clock, folder=folder) == (1, 2), "the lease was not given back, or the store is no longer usable"


def test_migrations_before_the_one_that_fails_stay(path: Path, clock: FakeClock, folder: Path) -> None:
    migrate(path, clock, folder=folder)
    add(folder, 2, SECOND)
    add(folder, 3, "nonsense;")
    with pytest.raises(StoreUnusable, match="stays at schema 2"):
        migrate(path, clock, folder=folder)
    assert version(path) == 2


def test_a_first_migration_that_fails_leaves_an_empty_file(path: Path, clock: FakeClock, folder: Path) -> None:
    add(folder, 1, f"{FIRST} nonsense;")
    with pytest.raises(StoreUnusable, match="stays at schema 0"):
        migrate(path, clock, folder=folder)
    with pytest.raises(StoreMissing, match="is empty"):
        version(path)
    add(folder, 1, FIRST)
    assert migrate(path, clock, folder=folder) == (0, 1)


def test_a_newer_store_is_refused_and_left_alone(path: Path, clock: FakeClock, folder: Path) -> None:
    add(folder, 2, SECOND)
    migrate(path, clock, folder=folder)
    before = path.read_bytes()
    (folder / "0002_step.sql").unlink()
    schema.migrations.cache_clear()
    with pytest.raises(StoreTooNew, match=rf"the store {path} has schema 2; this program knows schemas up to 1.*store\.db\.v1"):
        migrate(path, clock, folder=folder)
    assert path.read_bytes() == before


def test_a_database_of_another_program_is_refused_and_left_alone(path: Path, clock: FakeClock) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match="none of our stores"):
        migrate(path, clock)
    assert path.read_bytes() == before


def test_a_text_file_is_refused_and_left_alone(path: Path, clock: FakeClock) -> None:
    path.parent.mkdir()
    path.write_text("no database\n" * 100)
    with pytest.raises(StoreCorrupt, match="damaged or no store"):
        migrate(path, clock)
    assert path.read_text() == "no database\n" * 100


def test_a_store_in_use_is_not_migrated(path: Path, clock: FakeClock, folder: Path) -> None:
    migrate(path, clock, folder=folder)
    acquire(path, clock=clock, wait=threading.Event().wait, newest=1)
    add(folder, 2, SECOND)
    with pytest.raises(LeaseHeld, match=rf"the store {path} is held by"):
        migrate(path, clock, folder=folder)
    assert version(path) == 1


def test_a_holder_that_was_taken_for_dead_cannot_write_to_the_new_schema(
    path: Path, clock: FakeClock, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    migrate(path, clock, folder=folder)
    old = acquire(path, clock=clock, wait=threading.Event().wait, newest=1)
    add(folder, 2, SECOND)
    monkeypatch.setattr(leases, "process_started", lambda pid: None)
    assert migrate(path, clock, folder=folder) == (1, 2)
    with closing(open_file(path)) as connection, pytest.raises(LeaseLost):
        old.check(connection)


def test_processes_that_start_together_make_one_store(path: Path, clock: FakeClock) -> None:
    results: list[tuple[int, int]] = []
    together = threading.Barrier(8)

    def start() -> None:
        together.wait()
        results.append(migrate(path, clock))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 8
    assert {after for _, after in results} == {schema.newest()}


def test_a_lock_file_that_stays_locked_is_named(path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    path.parent.mkdir()
    monkeypatch.setattr(leases, "BUSY_S", 0.1)
    with path.with_name("store.lock").open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(StoreUnusable, match=r"being made, taken or migrated.*store\.lock stays locked.*fuser -v"):
            migrate(path, clock)


def test_a_read_only_folder_is_named(tmp_path: Path, own_mounts: OwnMounts) -> None:
    script = """
from harvester_hpc.clock import SystemClock
from harvester_hpc.errors import StoreUnusable
from harvester_hpc.store.migrate import migrate
for file in (path, path.with_name("below") / "store.db"):
    try:
        migrate(file, SystemClock())
    except StoreUnusable as error:
        print(error)
"""
    (tmp_path / "disk").mkdir()
    first, second = own_mounts(read_only(tmp_path / "disk"), script, tmp_path / "disk" / "store.db").splitlines()
    assert str(tmp_path / "disk" / "store.lock") in first
    assert "Read-only file system" in first
    assert str(tmp_path / "disk" / "below" / "store.db") in second
    assert "Read-only file system" in second


@pytest.mark.parametrize("numbers", [[], [2], [1, 3], [0, 1]])
def test_migrations_with_a_gap_are_refused(tmp_path: Path, clock: FakeClock, numbers: list[int]) -> None:
    for number in numbers:
        add(tmp_path, number, "SELECT 1;")
    with pytest.raises(StoreUnusable, match="not numbered 0001, 0002"):
        migrate(tmp_path / "state" / "store.db", clock, folder=tmp_path)


def test_two_migrations_of_one_number_are_refused(tmp_path: Path, clock: FakeClock) -> None:
    (tmp_path / "0001_one.sql").touch()
    (tmp_path / "0001_other.sql").touch()
    with pytest.raises(StoreUnusable, match=r"0001_one\.sql, 0001_other\.sql"):
        migrate(tmp_path / "state" / "store.db", clock, folder=tmp_path)


@pytest.mark.parametrize(("script", "number"), [
    ("", 0), (" \n", 0), ("SELECT 1", 1), ("SELECT 1;", 1), ("SELECT ';';SELECT 2;", 2), ("SELECT 1;; ;", 1), (SECOND, 3),
])
def test_a_script_is_split_where_statements_end(script: str, number: int) -> None:
    assert len(list(statements(script))) == number
