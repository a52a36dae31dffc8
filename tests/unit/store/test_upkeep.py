"""Check, backup and compact, on real files."""
from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from harvester_hpc.errors import LeaseHeld, LeaseLost, StoreCorrupt, StoreMissing, StoreUnusable
from harvester_hpc.store.connection import connect
from harvester_hpc.store.filesystem import OVERRIDE
from harvester_hpc.store.lease import acquire
from harvester_hpc.store.migrate import version
from harvester_hpc.store.probe import Finding
from harvester_hpc.store.upkeep import Grade, backup, check, compact
from harvester_hpc.testing.fake_clock import FakeClock
from tests.conftest import WITHIN_S
from tests.mounts import read_only, tiny
from tests.unit.store.conftest import OwnMounts

LOOKED_AT = [
    "file system", "lock", "fsync", "rename", "link", "space", "inodes", "folder mode", "store mode", "schema", "journal", "content",
    "size", "lease",
]


def never(seconds: float) -> bool:
    raise AssertionError("nothing is to be watched")


def found(path: Path, clock: FakeClock) -> dict[str, Finding]:
    return {finding.name: finding for finding in check(path, clock=clock).findings}


@pytest.fixture
def filled(store: Path) -> Path:
    """A store of some megabytes, half of which was deleted."""
    with closing(connect(store)) as connection:
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO counter (name, value) VALUES (?, ?)", ((f"{n:05d}" * 100, n) for n in range(4000)))
        connection.execute("COMMIT")
        connection.execute("DELETE FROM counter WHERE value % 2 = 1")
    return store


def contents(path: Path) -> list[tuple[object, ...]]:
    with closing(connect(path, read_only=True)) as connection:
        return connection.execute("SELECT * FROM counter ORDER BY name").fetchall()


@pytest.fixture
def held(store: Path) -> Iterator[str]:
    """The store is held by another living process of this host; gives its number."""
    script = """
import sys, threading
from pathlib import Path
from harvester_hpc.store.lease import acquire
from harvester_hpc.testing.fake_clock import FakeClock
acquire(Path(sys.argv[1]), clock=FakeClock(), wait=threading.Event().wait)
print("held", flush=True)
sys.stdin.read()
"""
    process = subprocess.Popen([sys.executable, "-c", script, str(store)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield str(process.pid)
    process.communicate(timeout=WITHIN_S)


def test_a_good_store_is_found_good(store: Path, clock: FakeClock) -> None:
    report = check(store, clock=clock)
    assert [finding.name for finding in report.findings] == LOOKED_AT
    assert {finding.name: finding.text for finding in report.findings if finding.grade is Grade.BAD} == {}
    assert report.usable
    assert [file.name for file in store.parent.iterdir() if file.name.startswith(".")] == [], "the trials were not cleared away"


def test_a_check_compares_indices_when_asked_to(store: Path, clock: FakeClock) -> None:
    texts = [finding.text for finding in check(store, clock=clock, thorough=True).findings if finding.name == "content"]
    assert texts == ["whole (integrity_check)"]


def test_a_missing_store_is_found_missing_and_its_folder_tried(tmp_path: Path, clock: FakeClock) -> None:
    report = check(tmp_path / "store.db", clock=clock)
    assert not report.usable
    assert [(finding.name, finding.grade) for finding in report.findings][:4] == [
        (name, Grade.GOOD) for name in ("file system", "lock", "fsync", "rename")
    ]
    assert "there is no store" in report.findings[-1].text
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_found_missing(tmp_path: Path, clock: FakeClock) -> None:
    report = check(tmp_path / "none" / "store.db", clock=clock)
    assert [finding.text for finding in report.findings] == [f"there is no folder {tmp_path}/none"]


def test_open_permissions_are_found(store: Path, clock: FakeClock) -> None:
    store.chmod(0o644)
    store.parent.chmod(0o755)
    findings = found(store, clock)
    for name, mode, wanted in (("store mode", "0644", "600"), ("folder mode", "0755", "700")):
        assert findings[name].grade is Grade.DOUBTFUL
        assert mode in findings[name].text
        assert f"chmod {wanted}" in findings[name].text


def test_damage_is_found_and_no_backup_made_of_it(filled: Path, clock: FakeClock, tmp_path: Path) -> None:
    compact(filled, clock=clock, wait=never)
    size = filled.stat().st_size
    with filled.open("r+b") as stream:
        stream.seek(size // 2)
        stream.write(random.Random(1).randbytes(8192))
    finding = found(filled, clock).get("content") or found(filled, clock)["store"]
    assert finding.grade is Grade.BAD
    assert "damaged" in finding.text
    assert "backup" in finding.text
    with pytest.raises(StoreCorrupt, match=rf"the store {filled} is damaged; no backup was made of it"):
        backup(filled, tmp_path / "copy.db")
    assert not list(tmp_path.glob("copy*"))


def test_a_file_that_is_no_store_is_found(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "store.db"
    path.write_text("nothing of ours\n" * 100)
    assert "damaged or no store" in found(path, clock)["store"].text


@pytest.mark.parametrize(("change", "grade"), [(-1, Grade.DOUBTFUL), (1, Grade.BAD)])
def test_another_schema_is_found(store: Path, clock: FakeClock, change: int, grade: Grade) -> None:
    with closing(connect(store)) as connection:
        connection.execute(f"PRAGMA user_version = {version(store) + change}")
    assert found(store, clock)["schema"].grade is grade


def test_the_holder_is_found(store: Path, clock: FakeClock, held: str) -> None:
    finding = found(store, clock)["lease"]
    assert finding.grade is Grade.GOOD
    assert f"process {held}" in finding.text


def test_a_dead_holder_is_found(store: Path, clock: FakeClock) -> None:
    acquire(store, clock=clock, wait=never)
    with closing(connect(store)) as connection:
        connection.execute("UPDATE lease SET process_started = process_started - 1")
    finding = found(store, clock)["lease"]
    assert finding.grade is Grade.DOUBTFUL
    assert "looks dead" in finding.text


def test_a_misspelt_journal_setting_is_found(store: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, "fast")
    assert found(store, clock)["journal setting"].grade is Grade.BAD


def test_a_read_only_folder_is_found(store: Path, own_mounts: OwnMounts) -> None:
    script = """
from harvester_hpc.store.upkeep import check
for finding in check(path).findings:
    print(finding.grade, finding.name, finding.text)
"""
    told = own_mounts(read_only(store.parent), script, store)
    assert f"bad folder nothing can be written to {store.parent}: Read-only file system" in told
    assert "good content whole" in told


def test_a_read_only_store_is_found(store: Path, own_mounts: OwnMounts) -> None:
    script = """
from harvester_hpc.store.upkeep import check
for finding in check(path).findings:
    print(finding.grade, finding.name, finding.text)
"""
    told = own_mounts(read_only(store), script, store)
    assert f"bad store mode {store} cannot be written" in told
    assert "bad folder" not in told


def test_a_full_disk_is_found(tmp_path: Path, own_mounts: OwnMounts) -> None:
    script = """
from harvester_hpc.store.upkeep import check
with (path.parent / "filler").open("wb", buffering=0) as stream:
    try:
        while stream.write(b"x" * 4096): pass
    except OSError: pass
for finding in check(path).findings:
    print(finding.grade, finding.name, finding.text)
"""
    (tmp_path / "disk").mkdir()
    told = own_mounts(tiny(tmp_path / "disk", "300k"), script, tmp_path / "disk" / "store.db")
    assert "bad space 0 MB free" in told
    assert "bad fsync does not work here: No space left on device" in told


def test_a_backup_holds_all_and_needs_nobody_to_stop(filled: Path, clock: FakeClock, tmp_path: Path, held: str) -> None:
    with closing(connect(filled)) as writer:
        writer.execute("BEGIN IMMEDIATE")
        writer.execute("DELETE FROM counter")
        size = backup(filled, tmp_path / "copy.db")
        writer.execute("ROLLBACK")
    copy = tmp_path / "copy.db"
    assert contents(copy) == contents(filled)
    assert len(contents(copy)) == 2000 + len(("worker", "transfer"))
    assert copy.stat().st_size == size
    assert copy.stat().st_mode & 0o777 == 0o600
    assert not list(tmp_path.glob("copy.db.part*"))
    with closing(sqlite3.connect(f"file:{copy}?mode=ro", uri=True)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",), "a backup is one file"


def test_a_backup_can_be_put_in_place_and_used(store: Path, clock: FakeClock, tmp_path: Path) -> None:
    acquire(store, clock=clock, wait=never)
    restored = tmp_path / "elsewhere" / "store.db"
    restored.parent.mkdir()
    backup(store, restored)
    with closing(connect(restored)) as connection:
        connection.execute("UPDATE lease SET process_started = 0")  # its holder has ended meanwhile
    assert acquire(restored, clock=clock, wait=never).generation == 2


def test_a_backup_replaces_nothing(store: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("precious")
    for target in (tmp_path / "copy.db", store):
        before = target.read_bytes()
        with pytest.raises(StoreUnusable, match=f"{target} exists already"):
            backup(store, target)
        assert target.read_bytes() == before


def test_a_backup_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreMissing, match="there is no store"):
        backup(tmp_path / "store.db", tmp_path / "copy.db")
    assert list(tmp_path.iterdir()) == []


def test_a_backup_of_another_program_s_database_is_refused(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "theirs.db")) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(StoreCorrupt, match="none of our stores"):
        backup(tmp_path / "theirs.db", tmp_path / "copy.db")


def test_a_backup_into_a_missing_folder_is_refused(store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreUnusable, match=r"the backup .*copy\.db cannot be written; .*No such file"):
        backup(store, tmp_path / "none" / "copy.db")


def test_a_backup_onto_a_full_disk_leaves_nothing(filled: Path, own_mounts: OwnMounts) -> None:
    script = """
from harvester_hpc.errors import StoreUnusable
from harvester_hpc.store.upkeep import backup
target = path.parent.parent / "disk" / "copy.db"
try:
    backup(path, target)
except StoreUnusable as error:
    print(error)
print(list(target.parent.iterdir()))
"""
    disk = filled.parent.parent / "disk"
    disk.mkdir()
    told = own_mounts(tiny(disk, "200k"), script, filled)
    assert f"the store {disk}/copy.db cannot grow: its file system is full" in told
    assert told.endswith("[]\n")


@pytest.mark.parametrize("mode", ["wal", "delete"])
def test_compacting_gives_space_back_and_keeps_the_rest(filled: Path, clock: FakeClock, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(OVERRIDE, mode)
    kept = contents(filled)
    before, after = compact(filled, clock=clock, wait=never)
    assert after < before * 0.7
    assert filled.stat().st_size == after
    assert contents(filled) == kept
    assert acquire(filled, clock=clock, wait=never).generation == 2, "the lease was not given back"


def test_a_store_that_is_held_is_not_compacted(store: Path, clock: FakeClock, held: str) -> None:
    with pytest.raises(LeaseHeld, match=f"process {held}"):
        compact(store, clock=clock, wait=never)


def test_the_holder_can_compact_and_keeps_its_lease(filled: Path, clock: FakeClock) -> None:
    lease = acquire(filled, clock=clock, wait=threading.Event().wait)
    before, after = compact(filled, clock=clock, lease=lease)
    assert after < before
    with closing(connect(filled)) as connection:
        lease.check(connection)
        lease.release(connection)
    with pytest.raises(LeaseLost):
        compact(filled, clock=clock, lease=lease)
