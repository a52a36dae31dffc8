"""The lease: who may write, judged by a table; the same with real processes is in tests/integration."""
from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.errors import LeaseHeld, LeaseLost, StoreMissing
from harvester_hpc.store.connection import connect
from harvester_hpc.store.lease import Holder, Lease, acquire, holder, is_dead, sentence, watch_s
from harvester_hpc.store.process import HOST, boot_id, boot_name, host_name, process_started
from harvester_hpc.testing.fake_clock import FakeClock

NOW = 1_800_000_000.0
BOOT = "b1/pid:[1]"
LIMIT_S, BEAT_S = 120.0, 20.0
WATCHED_S = 30.0  # 1.5 beats

HOLDER = Holder(
    host="login01", pid=4711, process_started=1234.56, boot=BOOT, since=NOW - 3600, beat=NOW - 12, beats=180, generation=3,
    released=False, program="harvester_hpc 0",
)
OLD = replace(HOLDER, beat=NOW - 121)
AHEAD = replace(HOLDER, beat=NOW + 121)


def never(seconds: float) -> bool:
    raise AssertionError("nothing is to be watched")


def judged(by: Holder, *, host: str = "login01", boot: str = BOOT, started: float | None = 1234.56, unmoved_s: float = 0.0) -> bool:
    return is_dead(
        by, now=NOW, host=host, boot=boot, started=started, limit_s=LIMIT_S, beat_s=BEAT_S, unmoved_s=unmoved_s,
    )


@pytest.mark.parametrize(("by", "started", "dead"), [
    (HOLDER, 1234.56, False),
    (HOLDER, None, True),                                # no such process, or a zombie
    (HOLDER, 1234.57, True),                             # the number was given to another one
    (HOLDER, math.nan, False),                           # it exists, more cannot be told
    (OLD, 1234.56, False),                               # alive but silent: stopped, or the clock was moved
    (AHEAD, 1234.56, False),
    (OLD, None, True),
    (replace(HOLDER, released=True), 1234.56, True),
])
def test_on_this_host_the_process_tells_and_no_clock(by: Holder, started: float | None, dead: bool) -> None:
    assert judged(by, started=started) is dead
    assert watch_s(by, now=NOW, host="login01", boot=BOOT, limit_s=LIMIT_S, beat_s=BEAT_S) == 0


@pytest.mark.parametrize("started", [None, 1234.56, math.nan])
@pytest.mark.parametrize("by", [HOLDER, OLD, AHEAD])
def test_a_boot_since_then_has_ended_every_process(by: Holder, started: float | None) -> None:
    assert judged(by, boot="b2/pid:[1]", started=started)
    assert watch_s(by, now=NOW, host="login01", boot="b2/pid:[1]", limit_s=LIMIT_S, beat_s=BEAT_S) == 0


@pytest.mark.parametrize(("host", "boot"), [
    ("login02", "b9/pid:[1]"), ("login02", BOOT),
    ("login01", "b1/pid:[2]"),  # another container of this host: process numbers mean nothing
])
@pytest.mark.parametrize(("by", "unmoved_s", "dead"), [
    (HOLDER, 0.0, False), (HOLDER, WATCHED_S, False), (HOLDER, LIMIT_S - 1, False), (HOLDER, LIMIT_S, True),
    (OLD, 0.0, False), (OLD, WATCHED_S - 1, False), (OLD, WATCHED_S, True), (OLD, LIMIT_S, True),
    (AHEAD, 0.0, False), (AHEAD, WATCHED_S, False), (AHEAD, LIMIT_S, True),
    (replace(HOLDER, released=True), 0.0, True),
])
def test_elsewhere_only_silence_before_our_eyes_tells(host: str, boot: str, by: Holder, unmoved_s: float, dead: bool) -> None:
    for started in (None, 1234.56, 99.0):
        assert judged(by, host=host, boot=boot, started=started, unmoved_s=unmoved_s) is dead


@pytest.mark.parametrize(("by", "seconds"), [
    (HOLDER, 0.0), (OLD, WATCHED_S), (AHEAD, LIMIT_S), (replace(OLD, released=True), 0.0),
    (replace(HOLDER, beat=NOW - 120), 0.0), (replace(HOLDER, beat=NOW + 120), 0.0),
])
def test_a_holder_elsewhere_is_watched_when_its_age_leaves_a_doubt(by: Holder, seconds: float) -> None:
    assert watch_s(by, now=NOW, host="login02", boot=BOOT, limit_s=LIMIT_S, beat_s=BEAT_S) == seconds
    if seconds:
        assert judged(by, host="login02", unmoved_s=seconds), "watched for too short a time to judge"


def test_the_holder_is_told_in_a_sentence() -> None:
    assert sentence(HOLDER, Path("/x/store.db"), NOW) == (
        "the store /x/store.db is held by login01, process 4711, since 2027-01-15T07:00:00Z, last sign of life 12 s ago"
    )
    assert sentence(AHEAD, Path("/x/store.db"), NOW).endswith("last sign of life 121 s ahead of our clock")


def write(store: Path, act: Callable[..., None], *arguments: object) -> None:
    with closing(connect(store)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        act(connection, *arguments)
        connection.execute("COMMIT")


def held_by(store: Path, who: Holder) -> None:
    """Put a row of another process into the store."""
    with closing(connect(store)) as connection:
        connection.execute("DELETE FROM lease")
        connection.execute(
            "INSERT INTO lease (one, generation, host, pid, process_started, boot, since, beat, beats, released, program) "
            "VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (who.generation, who.host, who.pid, who.process_started, who.boot, who.since, who.beat, who.beats, who.released, who.program),
        )


def row(store: Path) -> Holder | None:
    with closing(connect(store, read_only=True)) as connection:
        return holder(connection)


@pytest.fixture
def lease(store: Path, clock: FakeClock) -> Lease:
    return acquire(store, clock=clock, wait=never)


def test_a_free_lease_is_taken_at_once(store: Path, clock: FakeClock, lease: Lease) -> None:
    started = process_started(os.getpid())
    assert started is not None
    assert lease.generation == 1
    assert row(store) == Holder(
        host=host_name(), pid=os.getpid(), process_started=started, boot=boot_name(), since=NOW, beat=NOW, beats=0, generation=1,
        released=False, program=row(store).program,  # type: ignore[union-attr]
    )


def test_a_second_one_is_refused_and_told_by_whom(store: Path, clock: FakeClock, lease: Lease) -> None:
    clock.advance(12)
    with pytest.raises(LeaseHeld) as caught:
        acquire(store, clock=clock, wait=never)
    assert str(caught.value) == (
        f"the store {store} is held by {host_name()}, process {os.getpid()}, since 2027-01-15T08:00:00Z, last sign of life 12 s ago; "
        "stop it there with `harvester-hpc stop`"
    )


@pytest.mark.parametrize("moved_s", [-864_000.0, -1.0, 0.0, 121.0, 864_000.0])
def test_a_clock_that_is_moved_loses_no_lease_on_this_host(store: Path, clock: FakeClock, lease: Lease, moved_s: float) -> None:
    clock.advance(moved_s)
    with pytest.raises(LeaseHeld):
        acquire(store, clock=clock, wait=never)
    write(store, lease.check)
    write(store, lease.beat, clock.now())


def test_a_sign_of_life_moves_time_and_count(store: Path, clock: FakeClock, lease: Lease) -> None:
    for n in (1, 2):
        write(store, lease.beat, clock.advance(20))
        now = row(store)
        assert now is not None
        assert (now.beat, now.beats, now.since) == (NOW + 20 * n, n, NOW)


def test_a_lease_that_was_given_back_is_free_and_bars_its_old_holder(store: Path, clock: FakeClock, lease: Lease) -> None:
    write(store, lease.release)
    for act in (lease.check, lease.release):
        with pytest.raises(LeaseLost, match="nobody has it"):
            write(store, act)
    assert acquire(store, clock=clock, wait=never).generation == 2


def test_a_holder_that_was_taken_over_can_do_nothing(store: Path, clock: FakeClock, lease: Lease) -> None:
    held_by(store, replace(HOLDER, generation=2))
    before = row(store)
    for act, arguments in ((lease.check, ()), (lease.beat, (NOW,)), (lease.release, ())):
        with pytest.raises(LeaseLost, match=rf"{store} is no longer ours \(generation 1\); login01, process 4711, has it since .*end"):
            write(store, act, *arguments)
    assert row(store) == before


def test_an_equal_generation_of_a_restored_backup_is_not_ours(store: Path, clock: FakeClock, lease: Lease) -> None:
    held_by(store, replace(HOLDER, generation=lease.generation))
    with pytest.raises(LeaseLost):
        write(store, lease.check)


def test_a_reused_process_number_is_not_its_old_owner(store: Path, clock: FakeClock) -> None:
    started = process_started(os.getpid())
    assert started is not None
    mine = replace(HOLDER, host=host_name(), boot=boot_name(), pid=os.getpid(), process_started=started)
    held_by(store, mine)
    with pytest.raises(LeaseHeld):
        acquire(store, clock=clock, wait=never)
    held_by(store, replace(mine, process_started=started - 1))
    assert acquire(store, clock=clock, wait=never).generation == 4


def test_silence_elsewhere_is_watched_before_the_lease_is_taken(store: Path, clock: FakeClock) -> None:
    held_by(store, OLD)
    waited: list[float] = []

    def wait(seconds: float) -> bool:
        waited.append(seconds)
        clock.advance(seconds)
        return False

    assert acquire(store, clock=clock, host="login02", wait=wait).generation == 4
    assert sum(waited) == WATCHED_S


def test_one_sign_of_life_while_we_watch_keeps_the_lease(store: Path, clock: FakeClock) -> None:
    held_by(store, OLD)

    def wait(seconds: float) -> bool:
        held_by(store, replace(OLD, beats=OLD.beats + 1))  # its clock goes wrong: only the count moves
        return False

    with pytest.raises(LeaseHeld, match="held by login01"):
        acquire(store, clock=clock, host="login02", wait=wait)


def test_a_sign_of_life_in_the_last_moment_keeps_the_lease(store: Path, clock: FakeClock) -> None:
    held_by(store, OLD)
    from harvester_hpc.store.lease import _Candidate

    candidate = _Candidate(path=store, clock=clock, host="login02", boot="b9/x", limit_s=LIMIT_S, beat_s=BEAT_S)
    with closing(connect(store)) as connection:
        seen = holder(connection)
        held_by(store, replace(OLD, beats=OLD.beats + 1))
        with pytest.raises(LeaseHeld):
            candidate.take(connection, seen, WATCHED_S)
        assert not connection.in_transaction


def test_a_holder_that_ends_while_we_watch_leaves_the_lease(store: Path, clock: FakeClock) -> None:
    held_by(store, OLD)

    def wait(seconds: float) -> bool:
        held_by(store, replace(OLD, released=True))
        return False

    assert acquire(store, clock=clock, host="login02", wait=wait).generation == 4


def test_watching_ends_when_we_are_asked_to_stop(store: Path, clock: FakeClock) -> None:
    held_by(store, OLD)
    stop = threading.Event()
    stop.set()
    with pytest.raises(LeaseHeld, match="asked to stop"):
        acquire(store, clock=clock, host="login02", wait=stop.wait)
    assert row(store) == OLD


def test_nobody_gets_a_store_that_is_missing(tmp_path: Path, clock: FakeClock) -> None:
    with pytest.raises(StoreMissing):
        acquire(tmp_path / "store.db", clock=clock, wait=never)


def test_the_name_of_the_host_can_be_set(monkeypatch: pytest.MonkeyPatch, store: Path, clock: FakeClock) -> None:
    monkeypatch.setenv(HOST, "alias")
    acquire(store, clock=clock, wait=never)
    found = row(store)
    assert found is not None
    assert found.host == "alias"
    monkeypatch.delenv(HOST)
    assert host_name() == os.uname().nodename


def test_a_process_is_told_by_its_start(tmp_path: Path) -> None:
    ours = process_started(os.getpid())
    assert ours is not None
    assert ours == process_started(os.getpid())
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        theirs = process_started(child.pid)
        assert theirs is not None
        assert theirs >= ours
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process_started(child.pid) is None, "a zombie counts as gone"
    finally:
        child.kill()
        child.communicate()
    assert process_started(child.pid) is None


def test_a_boot_is_told_from_the_next() -> None:
    assert boot_id(boot_name()) == Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert boot_name() == boot_name()
