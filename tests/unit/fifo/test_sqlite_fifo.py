"""The queue's file: lost, replaced, damaged, somebody else's."""
from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from harvester_hpc.errors import FifoLost, Unavailable
from harvester_hpc.fifo.sqlite import SqliteFifo, SqliteFifos, SqliteFifoSettings
from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.context import Context
from harvester_hpc.store.migrate import migrate
from harvester_hpc.testing.fake_clock import FakeClock


def opened(path: Path) -> SqliteFifo:
    return SqliteFifo(path, FakeClock())


def test_a_file_that_was_lost_begins_a_new_life_and_says_so_once(tmp_path: Path) -> None:
    fifo = opened(tmp_path / "shm" / "fifo.db")
    fifo.put([(1.0, "a")])
    before = fifo.life
    shutil.rmtree(tmp_path / "shm")
    with pytest.raises(FifoLost, match="lost or replaced"):
        fifo.put([(2.0, "b")])
    assert fifo.life != before
    fifo.put([(3.0, "c")])
    assert [one.item for one in fifo.get(10)] == ["c"]
    fifo.close()


def test_a_damaged_file_is_put_aside(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "fifo.db"
    path.write_bytes(b"no database at all" * 1000)
    fifo = opened(path)
    fifo.put([(1.0, "a")])
    assert fifo.size() == 1
    assert (tmp_path / "fifo.db.damaged").read_bytes().startswith(b"no database")
    assert "damaged" in caplog.text
    fifo.close()


def test_a_file_that_is_damaged_under_way_begins_a_new_life(tmp_path: Path) -> None:
    path = tmp_path / "fifo.db"
    fifo = opened(path)
    fifo.put([(float(number), "x" * 500) for number in range(2000)])
    fifo.close()
    again = opened(path)
    with path.open("r+b") as file:
        file.seek(5 * 4096)
        file.write(os.urandom(path.stat().st_size - 5 * 4096))
    with pytest.raises(FifoLost, match="damaged"):
        for _ in range(10):
            again.get(1000)
            again.put([(1.0, "y")])
    again.put([(1.0, "z")])
    assert [one.item for one in again.get(10)] == ["z"]
    again.close()


def test_the_store_is_not_taken_for_a_queue(tmp_path: Path) -> None:
    store = tmp_path / "store.db"
    migrate(store, FakeClock())
    content = store.read_bytes()
    with pytest.raises(Unavailable, match="another kind"):
        opened(store)
    assert store.read_bytes() == content


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    with sqlite3.connect(path) as theirs:
        theirs.execute("CREATE TABLE precious (x)")
    theirs.close()
    with pytest.raises(Unavailable, match="another kind"):
        opened(path)


def test_a_place_that_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="name another place under fifo"):
        opened(tmp_path / "file" / "fifo.db")


def test_a_queue_is_nobody_elses_business(tmp_path: Path) -> None:
    fifo = opened(tmp_path / "fifo.db")
    assert (tmp_path / "fifo.db").stat().st_mode & 0o777 == 0o600
    fifo.close()


def test_what_was_put_in_outlives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "fifo.db"
    script = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom harvester_hpc.clock import SystemClock\n"
        "from harvester_hpc.fifo.sqlite import SqliteFifo\nfifo = SqliteFifo(Path(sys.argv[1]), SystemClock())\n"
        "fifo.put([(float(number), number) for number in range(100)])\nfifo.get(10)\nfifo.hold(1e12, 10)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(path)], timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    fifo = SqliteFifo(path, FakeClock(1e12))
    assert [one.item for one in fifo.get(1000)] == list(range(10, 100))
    fifo.close()


def test_a_title_stands_where_the_file_name_says(tmp_path: Path) -> None:
    context = Context(instance="test", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))
    of_memory = SqliteFifoSettings(database_filename="/dev/shm/me/$(AGENT)_fifo.db")
    assert SqliteFifos(of_memory, context).path("monitor") == Path("/dev/shm/me/monitor_fifo.db")
    assert SqliteFifos(SqliteFifoSettings(), context).path("monitor") == tmp_path / "fifo_monitor.db"
    assert SqliteFifos(SqliteFifoSettings(database_filename="$(TITLE).db"), context).path("x") == tmp_path / "x.db"
    assert SqliteFifos.problems(SqliteFifoSettings(database_filename="fifo.db"), context) != ()
