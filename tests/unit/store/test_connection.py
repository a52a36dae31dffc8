"""Connections, and every way in which a file can be unusable: real conditions."""
from __future__ import annotations

import os
import resource
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harvester_hpc.errors import StoreCorrupt, StoreMissing, StoreTooNew, StoreUnusable
from harvester_hpc.store import connection, schema
from harvester_hpc.store.connection import connect, settle_journal, translated
from harvester_hpc.store.filesystem import OVERRIDE
from tests.conftest import WITHIN_S, Require
from tests.mounts import read_only, tiny
from tests.unit.store.conftest import OwnMounts

SAY = "INSERT INTO counter (name, value) VALUES (?, ?)"
SAID = "SELECT value FROM counter WHERE name = 'said'"

#: Runs a few lines against the store, and prints the error that comes of it.
TELL = """
from harvester_hpc.errors import HarvesterError
from harvester_hpc.store.connection import connect, translated
try:
    with translated(path):
        {lines}
except HarvesterError as error:
    print(type(error).__name__, error)
"""

#: Ends in the middle of a commit, as a power failure would.
DIE_WRITING = """
import os, sys
from pathlib import Path
from harvester_hpc.store.connection import connect
held = connect(Path(sys.argv[1]))
held.execute("PRAGMA cache_size = 1")
held.execute("BEGIN IMMEDIATE")
held.executemany("INSERT INTO counter (name, value) VALUES (?, 1)", [(str(n) * 500,) for n in range(2000)])
os._exit(9)
"""


@pytest.fixture
def writer(store: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(store)) as made:
        yield made


def pragma(made: sqlite3.Connection, name: str) -> object:
    return made.execute(f"PRAGMA {name}").fetchone()[0]


def said(path: Path) -> int | None:
    with closing(connect(path, read_only=True)) as made:
        row = made.execute(SAID).fetchone()
    return None if row is None else int(row[0])


def test_a_writer_is_durable_and_holds_references(writer: sqlite3.Connection) -> None:
    assert pragma(writer, "synchronous") == (2 if pragma(writer, "journal_mode") == "wal" else 3)
    assert pragma(writer, "foreign_keys") == 1
    assert pragma(writer, "busy_timeout") == 10_000
    assert pragma(writer, "temp_store") == 2
    assert writer.isolation_level is None
    assert writer.row_factory is None


def test_the_rollback_journal_is_durable_at_the_end_of_a_commit(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, "delete")
    with closing(connect(store)) as made:
        assert pragma(made, "journal_mode") == "delete"
        assert pragma(made, "synchronous") == 3


def test_a_writer_settles_the_journal_and_a_reader_never_does(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for mode in ("delete", "wal", "delete"):
        monkeypatch.setenv(OVERRIDE, mode)
        connect(store).close()
        for other in ("wal", "delete"):
            monkeypatch.setenv(OVERRIDE, other)
            with closing(connect(store, read_only=True)) as reader:
                assert pragma(reader, "journal_mode") == mode


def test_a_log_that_may_not_be_is_refused_while_others_have_the_file_open(
    store: Path, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(OVERRIDE, "wal")
    settle_journal(writer, store)
    monkeypatch.setenv(OVERRIDE, "delete")
    monkeypatch.setattr(connection, "BUSY_S", 0.1)
    with pytest.raises(StoreUnusable, match=r"store\.db has a write-ahead log.*end the other processes"):
        connect(store)


def test_a_slower_journal_is_kept_while_others_have_the_file_open(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, "delete")
    with closing(connect(store)) as busy:
        busy.execute("BEGIN IMMEDIATE")
        monkeypatch.setenv(OVERRIDE, "wal")
        monkeypatch.setattr(connection, "BUSY_S", 0.1)
        with closing(connect(store)) as other:
            assert pragma(other, "journal_mode") == "delete"


def test_a_reader_cannot_write(store: Path) -> None:
    with closing(connect(store, read_only=True)) as reader, pytest.raises(StoreUnusable, match=r"store\.db cannot be written"):
        with translated(store):
            reader.execute(SAY, ("said", 1))
    assert said(store) is None


def test_any_thread_may_use_a_connection(writer: sqlite3.Connection) -> None:
    import threading

    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(writer.execute("SELECT 1").fetchone()))
    thread.start()
    thread.join()
    assert seen == [(1,)]


def test_odd_characters_in_the_path_are_no_trouble(tmp_path: Path, store: Path) -> None:
    odd = tmp_path / "50% of ünits?mode=memory#x"
    odd.mkdir()
    store.rename(odd / "store.db")
    with closing(connect(odd / "store.db")) as made:
        made.execute(SAY, ("said", 1))
    assert said(odd / "store.db") == 1


@pytest.mark.parametrize("reading", [True, False])
@pytest.mark.parametrize("name", ["nothing.db", "no folder/store.db"])
def test_a_missing_store_is_said_to_be_missing_and_not_made(tmp_path: Path, name: str, reading: bool) -> None:
    with pytest.raises(StoreMissing, match=rf"there is no store .*{name}.*harvester-hpc init"):
        connect(tmp_path / name, read_only=reading)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reading", [True, False])
def test_an_empty_file_is_no_store_yet(tmp_path: Path, reading: bool) -> None:
    (tmp_path / "store.db").touch()
    with pytest.raises(StoreMissing, match=r"store\.db is empty.*store migrate"):
        connect(tmp_path / "store.db", read_only=reading)


@pytest.mark.parametrize("reading", [True, False])
def test_a_text_file_is_no_store(tmp_path: Path, reading: bool) -> None:
    (tmp_path / "store.db").write_text("this is no database\n" * 500)
    with pytest.raises(StoreCorrupt, match=r"store\.db is damaged or no store at all.*newest backup"):
        connect(tmp_path / "store.db", read_only=reading)


@pytest.mark.parametrize("reading", [True, False])
def test_a_folder_is_no_store(tmp_path: Path, reading: bool) -> None:
    (tmp_path / "store.db").mkdir()
    with pytest.raises(StoreUnusable, match=r"store\.db is a folder"):
        connect(tmp_path / "store.db", read_only=reading)


def test_a_database_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    with closing(sqlite3.connect(path)) as made:
        made.execute("CREATE TABLE theirs (a)")
    before = path.read_bytes()
    with pytest.raises(StoreCorrupt, match=r"store\.db is a database, but none of our stores.*move it away"):
        connect(path)
    assert path.read_bytes() == before


def test_a_damaged_page_is_said_to_be_damage(store: Path) -> None:
    with store.open("r+b") as stream:
        stream.seek(4096)
        stream.write(b"\xff" * (store.stat().st_size - 4096))
    with pytest.raises(StoreCorrupt, match=r"store\.db is damaged"):
        with closing(connect(store, read_only=True)) as made, translated(store):
            made.execute("SELECT * FROM job").fetchall()


def test_a_newer_schema_is_refused_by_version(store: Path, writer: sqlite3.Connection) -> None:
    known = schema.newest()
    writer.execute(f"PRAGMA user_version = {known + 1}")
    with pytest.raises(StoreTooNew, match=rf"store\.db has schema {known + 1}; this program knows schemas up to {known}; use the newer"):
        connect(store, read_only=True)


def test_an_older_schema_asks_for_migration(store: Path, writer: sqlite3.Connection) -> None:
    writer.execute("PRAGMA user_version = 0")
    with pytest.raises(StoreUnusable, match=r"store\.db has schema 0.*store migrate"):
        connect(store, read_only=True)


def test_a_store_that_stays_locked_says_so(store: Path, writer: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BUSY_S", 0.1)
    with closing(connect(store)) as other:
        writer.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnusable, match=r"store\.db stays locked.*fuser -v"), translated(store):
            other.execute("BEGIN IMMEDIATE")


def test_a_defect_of_a_statement_is_no_trouble_of_the_file(store: Path, writer: sqlite3.Connection) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"), translated(store):
        writer.execute("SELECT * FROM nowhere")
    with pytest.raises(sqlite3.IntegrityError), translated(store):
        writer.execute("INSERT INTO bond (worker_id, job_id) VALUES (1, 1)")


def test_a_half_commit_of_a_dead_writer_is_undone_by_the_next_reader(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, "delete")
    ended = subprocess.run([sys.executable, "-c", DIE_WRITING, str(store)], timeout=WITHIN_S, check=False)
    assert ended.returncode == 9
    assert store.with_name("store.db-journal").stat().st_size > 0, "the writer left nothing to undo: the test shows nothing"
    with closing(connect(store, read_only=True)) as made:
        assert made.execute("SELECT count(*) FROM counter WHERE name NOT IN ('worker', 'transfer')").fetchone()[0] == 0
        assert made.execute("PRAGMA quick_check").fetchall() == [("ok",)]
        with pytest.raises(StoreUnusable, match="cannot be written"), translated(store):
            made.execute(SAY, ("said", 1))


def test_a_half_commit_on_a_read_only_disk_names_the_owner(store: Path, monkeypatch: pytest.MonkeyPatch, own_mounts: OwnMounts) -> None:
    monkeypatch.setenv(OVERRIDE, "delete")
    subprocess.run([sys.executable, "-c", DIE_WRITING, str(store)], timeout=WITHIN_S, check=False)
    told = own_mounts(read_only(store.parent), TELL.format(lines="connect(path, read_only=True)"), store)
    assert told.startswith(f"StoreUnusable the store {store} was left in the middle of a write"), told
    assert "as its owner" in told


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_store_on_a_read_only_disk_can_be_read(store: Path, mode: str, monkeypatch: pytest.MonkeyPatch, own_mounts: OwnMounts) -> None:
    monkeypatch.setenv(OVERRIDE, mode)
    with closing(connect(store)) as made:
        made.execute(SAY, ("said", 7))
    script = TELL.format(lines=f"held = connect(path, read_only=True); print(held.execute({SAID!r}).fetchone()); held.close()")
    assert own_mounts(read_only(store.parent), script, store) == "(7,)\n"


def test_an_unfinished_log_on_a_read_only_disk_is_read_too(store: Path, monkeypatch: pytest.MonkeyPatch, own_mounts: OwnMounts) -> None:
    monkeypatch.setenv(OVERRIDE, "wal")
    with closing(connect(store)) as made:
        made.execute(SAY, ("said", 7))
        assert store.with_name("store.db-wal").stat().st_size > 0
        script = TELL.format(lines=f"held = connect(path, read_only=True); print(held.execute({SAID!r}).fetchone()); held.close()")
        assert own_mounts(read_only(store.parent), script, store) == "(7,)\n"


def test_a_log_without_its_index_on_a_read_only_disk_is_never_skipped(
    store: Path, monkeypatch: pytest.MonkeyPatch, own_mounts: OwnMounts
) -> None:
    monkeypatch.setenv(OVERRIDE, "wal")
    kept = store.parent.parent / "kept"
    kept.mkdir()
    with closing(connect(store)) as made:
        made.execute(SAY, ("said", 7))
        for name in ("store.db", "store.db-wal"):
            (kept / name).write_bytes((store.parent / name).read_bytes())
    told = own_mounts(read_only(kept), TELL.format(lines="connect(path, read_only=True)"), kept / "store.db")
    assert told.startswith(f"StoreUnusable the store {kept / 'store.db'} cannot be opened"), told


def test_a_read_only_disk_refuses_a_write_by_name(store: Path, monkeypatch: pytest.MonkeyPatch, own_mounts: OwnMounts) -> None:
    monkeypatch.setenv(OVERRIDE, "delete")
    connect(store).close()
    told = own_mounts(read_only(store.parent), TELL.format(lines=f"connect(path).execute({SAY!r}, ('said', 1))"), store)
    assert told.startswith(f"StoreUnusable the store {store} cannot be written"), told
    assert "write permission" in told


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_a_full_disk_is_said_to_be_full_and_loses_nothing(
    tmp_path: Path, mode: str, monkeypatch: pytest.MonkeyPatch, own_mounts: OwnMounts
) -> None:
    monkeypatch.setenv(OVERRIDE, mode)
    (tmp_path / "disk").mkdir()
    path = tmp_path / "disk" / "store.db"
    script = TELL.format(lines=f"""
        from harvester_hpc.clock import SystemClock
        from harvester_hpc.store.migrate import migrate
        migrate(path, SystemClock())
        held = connect(path)
        held.execute({SAY!r}, ('said', 7))
        try:
            held.execute({SAY!r}, ('long' * 10**6, 8))
        finally:
            if held.in_transaction: held.execute('ROLLBACK')
            print(held.execute({SAID!r}).fetchone(), held.execute('PRAGMA quick_check').fetchall())
            held.close()
    """.strip())
    told = own_mounts(tiny(tmp_path / "disk", "1500k"), script, path)
    assert told.startswith("(7,) [('ok',)]\nStoreUnusable"), told
    assert f"the store {path} cannot grow: its file system is full" in told


def test_a_quota_is_said_to_be_trouble_with_writing(store: Path) -> None:
    limit = store.stat().st_size + 200_000
    script = f"import sys; from pathlib import Path; path = Path(sys.argv[1])\n{TELL}".replace(
        "{lines}", f"connect(path).execute({SAY!r}, ('long' * 10**6, 8))"
    )
    told = subprocess.run(
        [sys.executable, "-c", script, str(store)], capture_output=True, text=True, timeout=WITHIN_S, check=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    ).stdout
    assert told.startswith(f"StoreUnusable the store {store} cannot"), told
    assert "quota" in told


@pytest.mark.parametrize("reading", [True, False])
def test_a_store_that_we_may_not_read_is_said_to_be_closed(store: Path, reading: bool, require: Require) -> None:
    without_rights: list[str] = []
    if os.geteuid() == 0:  # permissions do not bind root, unless it gives its capabilities away
        require("setpriv", "util-linux")
        without_rights = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"]
    store.chmod(0)
    script = f"import sys; from pathlib import Path; path = Path(sys.argv[1])\n{TELL}".replace(
        "{lines}", f"connect(path, read_only={reading})"
    )
    told = subprocess.run(
        [*without_rights, sys.executable, "-c", script, str(store)], capture_output=True, text=True, timeout=WITHIN_S, check=True
    ).stdout
    assert told.startswith(f"StoreUnusable the store {store} cannot be opened"), told
    assert "permissions" in told


def test_no_known_condition_of_a_file_passes_untranslated(tmp_path: Path) -> None:
    about_files = {
        "BUSY", "LOCKED", "READONLY", "FULL", "IOERR", "CANTOPEN", "PERM", "PROTOCOL", "NOLFS", "NOMEM", "NOTADB", "CORRUPT",
        "READONLY_ROLLBACK", "READONLY_DBMOVED", "IOERR_LOCK", "IOERR_FSYNC", "BUSY_SNAPSHOT", "CORRUPT_INDEX", "CANTOPEN_ISDIR",
    }
    (tmp_path / "store.db").touch()
    for name in about_files:
        error = sqlite3.OperationalError("x")
        error.sqlite_errorcode = getattr(sqlite3, f"SQLITE_{name}")
        ours = connection.in_our_words(error, tmp_path / "store.db")
        assert ours is not None, name
        assert str(tmp_path / "store.db") in ours.what, name
        assert ours.remedy, name
