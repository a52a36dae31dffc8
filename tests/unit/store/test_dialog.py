"""Dialogs: one message for each cause and day."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.model.dialog import Dialog, Level
from harvester_hpc.store import dialog as dialogs
from harvester_hpc.store.database import Database
from harvester_hpc.store.migrate import migrate
from harvester_hpc.testing.fakes import FakeClock

HOUR, DAY = 3600.0, 86400.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def database(tmp_path: Path, clock: FakeClock) -> Iterator[Database]:
    path = tmp_path / "store.db"
    migrate(path, clock)
    with Database(path, clock) as opened:
        yield opened


def add(database: Database, identifier: str = "queue Q", message: str = "the disk is full") -> None:
    with database.write() as write:
        dialogs.add(write, "stager", identifier, Level.ERROR, message)


def to_send(database: Database, clock: FakeClock) -> list[Dialog]:
    with database.read() as connection:
        return dialogs.due(connection, clock.now(), 1000)


def tell_all(database: Database, clock: FakeClock) -> None:
    ids = [one.id for one in to_send(database, clock)]
    with database.write() as write:
        dialogs.told(write, ids)


def test_the_same_cause_within_a_day_is_counted_and_not_told_again(database: Database, clock: FakeClock) -> None:
    add(database)
    tell_all(database, clock)
    for _ in range(20):
        clock.advance(HOUR)
        add(database)
    assert to_send(database, clock) == []
    with database.read() as connection:
        (one,) = dialogs.newest(connection, 10)
    assert (one.number, one.last - one.since, one.told is not None) == (21, 20 * HOUR, True)


def test_the_same_cause_on_another_day_is_a_message_of_its_own(database: Database, clock: FakeClock) -> None:
    add(database)
    tell_all(database, clock)
    clock.advance(DAY + 1)
    add(database)
    (again,) = to_send(database, clock)
    assert again.number == 1
    assert again.id == 2


def test_a_message_that_was_not_told_yet_has_the_newest_words(database: Database, clock: FakeClock) -> None:
    add(database, message="three files wait")
    add(database, message="four files wait")
    (one,) = to_send(database, clock)
    assert (one.message, one.number) == ("four files wait", 2)


def test_other_causes_are_other_messages_up_to_so_many_a_day(database: Database, clock: FakeClock) -> None:
    for number in range(dialogs.MOST + 30):
        add(database, f"job {number}")
    assert len(to_send(database, clock)) == dialogs.MOST
    tell_all(database, clock)
    add(database, "one more")
    assert to_send(database, clock) == []
    clock.advance(DAY + 1)
    add(database, "on the next day")
    assert [one.identifier for one in to_send(database, clock)] == ["on the next day"]


def test_what_is_over_before_anybody_was_told_is_not_told(database: Database, clock: FakeClock) -> None:
    add(database)
    with database.write() as write:
        dialogs.over(write, "stager", "queue Q")
    assert to_send(database, clock) == []


def test_a_message_keeps_its_length_and_its_end(database: Database, clock: FakeClock) -> None:
    add(database, "i" * 300, "what" + "x" * 2000 + "what to do")
    (one,) = to_send(database, clock)
    assert len(one.message) <= 500
    assert (one.message[:4], one.message[-10:], len(one.identifier)) == ("what", "what to do", 100)
    add(database, "i" * 300, "again")
    assert [same.number for same in to_send(database, clock)] == [2]


def test_old_messages_are_dropped_told_or_not(database: Database, clock: FakeClock) -> None:
    add(database)
    clock.advance(2 * DAY)
    add(database, "new")
    with database.write() as write:
        assert dialogs.forget(write, clock.now() - DAY) == 1
    assert [one.identifier for one in to_send(database, clock)] == ["new"]
