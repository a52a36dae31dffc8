"""The lease between real processes: started together, stopped, killed, woken up again."""
from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from harvester_hpc.errors import LeaseHeld, StoreUnusable
from harvester_hpc.store import connection as connections
from harvester_hpc.store.connection import connect
from harvester_hpc.store.filesystem import OVERRIDE
from harvester_hpc.store.lease import Holder, acquire, holder
from harvester_hpc.store.migrate import migrate
from harvester_hpc.store.process import HOST
from harvester_hpc.testing.fake_clock import FakeClock

WITHIN_S = 60.0
PROGRAM = Path(__file__).with_name("lease_holder.py")

#: A clock that is so far ahead makes every sign of life look old.
AHEAD_S = 1000.0


class Process:
    """One ``lease_holder``."""

    def __init__(self, store: Path, host: str, *, limit_s: float = 120.0, beat_s: float = 0.1, ahead_s: float = 0.0) -> None:
        self.popen = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(store), str(limit_s), str(beat_s), str(ahead_s)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0, env={**os.environ, HOST: host},
        )
        self.pid = self.popen.pid

    def order(self, text: str) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.write(f"{text}\n".encode())

    def answer(self) -> str:
        """Return the next line that it says."""
        assert self.popen.stdout is not None
        text, until = b"", time.monotonic() + WITHIN_S
        while not text.endswith(b"\n"):
            assert select.select([self.popen.stdout], [], [], max(0.0, until - time.monotonic()))[0], f"no answer after {text!r}"
            byte = self.popen.stdout.read(1)
            assert byte, f"it ended after {text!r}"
            text += byte
        return text.decode().rstrip("\n")

    def ask(self, text: str) -> str:
        self.order(text)
        return self.answer()

    def start(self) -> str:
        """Let it take the lease; return what came of it."""
        assert self.answer() == "ready"
        return self.ask("go")

    def await_stopped(self) -> None:
        assert os.WIFSTOPPED(os.waitpid(self.pid, os.WUNTRACED)[1])

    def wake(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def crash(self) -> None:
        """Kill it; it stays a zombie until the end of the test."""
        os.kill(self.pid, signal.SIGKILL)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)

    def end(self) -> None:
        with suppress(ProcessLookupError):
            self.popen.kill()
        self.popen.communicate()


class Processes:
    """Starts processes on one store, and ends them with the test."""

    def __init__(self, store: Path) -> None:
        self.store = store
        self.all: list[Process] = []

    def __call__(self, host: str = "login01", *, limit_s: float = 120.0, beat_s: float = 0.1, ahead_s: float = 0.0) -> Process:
        process = Process(self.store, host, limit_s=limit_s, beat_s=beat_s, ahead_s=ahead_s)
        self.all.append(process)
        return process


@pytest.fixture(params=["wal", "delete"])
def journal(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule holds on a local disk and on a network file system's journal."""
    monkeypatch.setenv(OVERRIDE, request.param)


@pytest.fixture
def store(tmp_path: Path, journal: None) -> Path:
    path = tmp_path / "store.db"
    migrate(path, FakeClock())
    return path


@pytest.fixture
def process(store: Path) -> Iterator[Processes]:
    made = Processes(store)
    yield made
    for one in made.all:
        one.end()


def never(seconds: float) -> bool:
    raise AssertionError("nothing is to be watched")


def words(store: Path) -> set[str]:
    with closing(connect(store, read_only=True)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM counter WHERE name NOT IN ('worker', 'transfer')")}


def row(store: Path) -> Holder:
    with closing(connect(store, read_only=True)) as connection:
        found = holder(connection)
    assert found is not None
    return found


@pytest.mark.parametrize("host", ["login01", "login02"])
def test_a_second_one_is_refused_and_told_by_whom(process: Processes, store: Path, host: str) -> None:
    first = process("login01")
    assert first.start() == "taken 1"
    told = process(host).start()
    assert told.startswith(f"held the store {store} is held by login01, process {first.pid}, since 2027-01-15T08:00:00Z, last sign of life")
    assert told.endswith("stop it there with `harvester-hpc stop`")
    assert first.ask("write after") == "written"


def test_a_holder_that_beats_is_kept_by_a_host_whose_clock_is_ahead(process: Processes, store: Path) -> None:
    first = process("login01", beat_s=0.05)
    assert first.start() == "taken 1"
    told = process("login02", beat_s=8.0, ahead_s=AHEAD_S).start()  # watches for 12 s, 160 beats of the other
    assert told.startswith("held the store"), told
    assert f"process {first.pid}" in told
    assert first.ask("write after") == "written"


def test_a_stopped_holder_is_taken_over_from_elsewhere_and_writes_nothing_when_it_wakes(process: Processes, store: Path) -> None:
    first = process("login01")
    assert first.start() == "taken 1"
    assert first.ask("write before") == "written"
    first.order("stop")
    first.await_stopped()
    second = process("login02", beat_s=0.2, ahead_s=AHEAD_S)
    assert second.start() == "taken 2"
    first.order("write late")
    first.wake()
    told = first.answer()
    assert told.startswith(f"lost LeaseLost the lease of the store {store} is no longer ours (generation 1)"), told
    assert f"login02, process {second.pid}, has it" in told
    assert first.popen.wait(WITHIN_S) == 1
    assert words(store) == {"before"}
    assert (row(store).generation, row(store).host) == (2, "login02")
    assert second.ask("write after") == "written"
    assert words(store) == {"before", "after"}


def test_a_stopped_holder_is_not_taken_over_before_the_limit(process: Processes, store: Path) -> None:
    first = process("login01")
    assert first.start() == "taken 1"
    first.order("stop")
    first.await_stopped()
    assert process("login02", limit_s=AHEAD_S + 1, beat_s=0.1, ahead_s=AHEAD_S).start().startswith("held ")
    first.wake()
    assert first.ask("write after") == "written"


def test_a_stopped_holder_is_not_taken_over_on_its_own_host(process: Processes, store: Path) -> None:
    first = process("login01")
    assert first.start() == "taken 1"
    first.order("stop")
    first.await_stopped()
    assert process("login01", beat_s=0.1, ahead_s=AHEAD_S).start().startswith("held ")
    first.wake()
    assert first.ask("write after") == "written"


def test_a_holder_stopped_within_a_write_cannot_be_taken_over_and_keeps_its_word(
    process: Processes, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = process("login01")
    assert first.start() == "taken 1"
    first.order("stop inside")
    first.await_stopped()
    monkeypatch.setattr(connections, "BUSY_S", 0.2)
    clock = FakeClock()
    clock.advance(AHEAD_S)
    with pytest.raises((LeaseHeld, StoreUnusable)) as caught:
        acquire(store, clock=clock, host="login02", wait=lambda seconds: False)
    assert f"held by login01, process {first.pid}" in str(caught.value)
    assert "keeps the file locked" in str(caught.value)
    first.wake()
    assert first.answer() == "written"
    assert words(store) == {"inside"}
    assert row(store).generation == 1


def test_a_killed_holder_is_taken_over_at_once_on_its_host(process: Processes, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = process("login01")
    assert first.start() == "taken 1"
    assert first.ask("write before") == "written"
    first.crash()
    assert acquire(store, clock=FakeClock(), host="login01", wait=never).generation == 2
    assert words(store) == {"before"}


def test_a_number_that_was_given_to_another_process_is_not_the_holder(process: Processes, store: Path) -> None:
    first = process("login01")
    assert first.start() == "taken 1"
    with pytest.raises(LeaseHeld):
        acquire(store, clock=FakeClock(), host="login01", wait=never)
    first.order("stop")
    first.await_stopped()
    with closing(connect(store)) as connection:
        connection.execute("UPDATE lease SET process_started = process_started - 0.01")
    assert acquire(store, clock=FakeClock(), host="login01", wait=never).generation == 2


def test_a_holder_that_ends_well_leaves_the_lease_to_any_host(process: Processes, store: Path) -> None:
    first = process("login01")
    assert first.start() == "taken 1"
    assert first.ask("release") == "written"
    assert process("login02").start() == "taken 2"


@pytest.mark.parametrize("moved_s", [-86_400.0, 86_400.0])
def test_a_clock_that_is_moved_loses_no_lease_on_the_host(process: Processes, store: Path, moved_s: float) -> None:
    first = process("login01")
    assert first.start() == "taken 1"
    assert first.ask(f"clock {moved_s}") == "moved"
    assert first.ask("write moved") == "written"
    assert process("login01").start().startswith("held ")
    assert process("login01", ahead_s=2 * moved_s).start().startswith("held ")
    assert first.ask("write after") == "written"


@pytest.mark.parametrize("new", [False, True])
def test_of_eight_that_start_together_one_has_the_store(process: Processes, store: Path, new: bool) -> None:
    if new:
        for file in store.parent.iterdir():
            file.unlink()
    racers = [process(f"login{n % 2:02d}", beat_s=1.0) for n in range(8)]
    for one in racers:
        assert one.answer() == "ready"
    for one in racers:
        one.order("go")
    told = [one.answer() for one in racers]
    assert sorted(answer.partition(" ")[0] for answer in told) == ["held"] * 7 + ["taken"], told
    winner = next(one for one, answer in zip(racers, told, strict=True) if answer == "taken 1")
    assert all(f"process {winner.pid}," in answer for answer in told if answer.startswith("held")), told
    assert winner.ask("write alone") == "written"
    assert words(store) == {"alone"}
