"""Yoda's letters in both forms: ranges come once, one request is open at a time, and what was told is known after a restart."""
from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.names import NAMES, SENTINEL
from harvester_hpc.messenger.numbered import name_of
from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint
from harvester_launch.assignment import Assignment
from harvester_launch.journal import TOLD, Journal, journal_of
from harvester_launch.ledger import Ledger, Place
from harvester_launch.mailbox import ASKED_S, FIRST_S, QUIET_S, Mailbox, open_box
from harvester_launch.master import Done
from harvester_launch.publishing import Publisher, recall

JOB = 5


class Hand:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["numbered", "files"])
def point(tmp_path: Path, request: pytest.FixtureRequest) -> AccessPoint:
    root = tmp_path / "access"
    made = AccessPoint(root=root, path=root / "7", instance="here", worker_id=7, job_ids=(JOB,))
    SharedFileMessenger().setup_access_points([made])
    if request.param == "files":  # a login node of old
        (made.path / SENTINEL).write_text(json.dumps({"instance": "here", "worker_id": 7, "root": str(root)}))
    return made


@pytest.fixture
def hand() -> Hand:
    return Hand()


@pytest.fixture
def login() -> SharedFileMessenger:
    return SharedFileMessenger()


def mailbox(point: AccessPoint, hand: Hand) -> Mailbox:
    return Mailbox(point.path, {JOB: Assignment(job_id=JOB, folder=point.path)}, hand, open_box(point.path, hand))


def ranges(first: int, count: int) -> list[dict[str, Any]]:
    return [{"eventRangeID": f"r{number}", "startEvent": number, "lastEvent": number} for number in range(first, first + count)]


def names(made: Mailbox, hand: Hand) -> list[str]:
    hand.now += QUIET_S
    return [one.range_id for letter in made.arrived() for listed in letter.values() for one in listed]


def test_ranges_come_once_and_are_known_after_a_restart(point: AccessPoint, login: SharedFileMessenger, hand: Hand) -> None:
    login.feed_events(point, {JOB: ranges(0, 2)})  # before the worker has begun
    made = mailbox(point, hand)
    assert names(made, hand) == ["r0", "r1"]
    login.feed_events(point, {JOB: ranges(2, 2)})
    assert names(made, hand) == ["r2", "r3"] and names(made, hand) == []
    again = mailbox(point, hand)
    assert sorted(one.range_id for letter in again.earlier() for one in letter[JOB]) == ["r0", "r1", "r2", "r3"]
    assert names(again, hand) == []
    login.feed_events(point, {JOB: []})
    hand.now += QUIET_S
    assert again.arrived() == [{JOB: []}]


def test_one_request_is_open_at_a_time(point: AccessPoint, login: SharedFileMessenger, hand: Hand) -> None:
    made = mailbox(point, hand)
    assert made.request({JOB: 10}) and not made.request({JOB: 20})
    assert login.collect(point).wants_events and login.events_requested(point)[JOB]["nRanges"] == 10
    login.feed_events(point, {JOB: ranges(0, 10)})
    assert len(names(made, hand)) == 10 and made.request({JOB: 20})
    assert login.events_requested(point)[JOB]["nRanges"] == 20


def test_a_request_whose_answer_is_lost_is_made_again(point: AccessPoint, login: SharedFileMessenger, hand: Hand) -> None:
    made = mailbox(point, hand)
    made.request({JOB: 10})
    login.events_requested(point)
    login.feed_events(point, {JOB: ranges(0, 10)})
    for folder in (point.path, point.path / "letters.in"):
        for letter in (NAMES.event_ranges, name_of(1, "login")):
            (folder / letter).unlink(missing_ok=True)
    hand.now += 61.0
    assert names(made, hand) == [] and made.request({JOB: 10})


def test_a_request_can_be_taken_back(point: AccessPoint, login: SharedFileMessenger, hand: Hand) -> None:
    made = mailbox(point, hand)
    made.request({JOB: 10})
    made.withdraw()
    assert not login.collect(point).wants_events and dict(login.events_requested(point)) == {}
    made.withdraw()


@pytest.mark.parametrize("seen", [True, False])
def test_what_is_told_after_a_request_was_taken_back_is_read_at_once(
    point: AccessPoint, login: SharedFileMessenger, hand: Hand, seen: bool
) -> None:
    made = mailbox(point, hand)
    made.request({JOB: 10})
    if seen:
        assert login.collect(point).wants_events
    made.withdraw()
    made.publish({JOB: [{"eventRangeID": "r1", "eventStatus": "ready"}]})
    news = login.collect(point)
    assert [update.event_range_id for update in news.event_updates[JOB]] == ["r1"]
    assert (news.bad, news.waiting, news.wants_events) == ((), (), False)
    login.acknowledge(news)
    assert not login.collect(point).taken


def test_the_pauses_grow_between_looks_that_find_nothing(point: AccessPoint, hand: Hand, monkeypatch: pytest.MonkeyPatch) -> None:
    made = mailbox(point, hand)
    looks: list[float] = []
    monkeypatch.setattr(made, "_file", lambda *, keep_quiet: looks.append(hand.now) or [])
    monkeypatch.setattr(made, "_numbered", lambda: looks.append(hand.now) or [])
    made.request({JOB: 1})
    for _ in range(1200):
        hand.now += 0.1
        made.arrived()
    pauses = [round(after - before, 1) for before, after in itertools.pairwise(looks) if after > before]
    assert looks[0] <= FIRST_S + 0.11 and 4.9 <= pauses[-1] <= ASKED_S + 0.11
    assert len(pauses) < 40 and sorted(pauses[:6]) == pauses[:6]
    made.withdraw()
    before = len(set(looks))
    for _ in range(1200):
        hand.now += 0.1
        made.arrived()
    assert len(set(looks)) - before < 12  # nobody is expected to write


def test_hostile_ranges_hurt_no_other(point: AccessPoint, login: SharedFileMessenger, hand: Hand) -> None:
    made = mailbox(point, hand)
    login.feed_events(point, {JOB: [{"eventRangeID": 7}, *ranges(0, 1), {"eventRangeID": "a\0"}], 99: ranges(0, 1)})
    assert names(made, hand) == ["r0"]
    assert names(made, hand) == []
    login.feed_events(point, {JOB: [{"eventRangeID": 7}]})
    hand.now += QUIET_S
    assert made.arrived() in ([], [{}])  # that is not the word that there are no more


def test_results_that_are_not_read_are_counted(point: AccessPoint, login: SharedFileMessenger, hand: Hand) -> None:
    made = mailbox(point, hand)
    made.publish({JOB: [{"eventRangeID": "r0", "eventStatus": "finished"}] * 3})
    made.publish({JOB: [{"eventRangeID": "r1", "eventStatus": "finished"}] * 4})
    assert made.unread() == 7
    news = login.collect(point)
    assert len(news.event_updates[JOB]) == 7 and made.unread() == 7
    login.acknowledge(news)
    assert made.unread() == 0


def test_what_was_told_is_known_after_a_kill_before_it_was_noted(point: AccessPoint, login: SharedFileMessenger, hand: Hand) -> None:
    made = mailbox(point, hand)
    login.feed_events(point, {JOB: ranges(0, 3)})
    names(made, hand)
    made.publish({JOB: [{"eventRangeID": "r0", "eventStatus": "finished"}, {"eventRangeID": "r1", "eventStatus": "ready"}]})
    login.acknowledge(login.collect(point))
    own = point.path / "yoda"
    own.mkdir()
    ledger = Ledger()
    recall(ledger, mailbox(point, hand), own)
    assert {one: ledger.place(ledger.number_of(JOB, one) or 0) for one in ("r0", "r1", "r2")} == {
        "r0": Place.DONE, "r1": Place.RETURNED, "r2": Place.WAITING,
    }


@pytest.fixture
def publisher(point: AccessPoint, hand: Hand) -> Publisher:
    (point.path / "yoda").mkdir()
    ledger = Ledger()
    return Publisher(ledger, mailbox(point, hand), journal_of(point.path / "yoda", TOLD, "run", 0), lambda: None, 10, 1.0)


def ledger_of(publisher: Publisher, login: SharedFileMessenger, point: AccessPoint, hand: Hand, count: int) -> Ledger:
    login.feed_events(point, {JOB: ranges(0, count)})
    hand.now += QUIET_S
    for letter in publisher._mailbox.arrived():
        publisher._ledger.add(JOB, letter[JOB])
    return publisher._ledger


def test_what_nobody_has_begun_goes_back_and_is_not_begun_by_the_next_run(
    point: AccessPoint, login: SharedFileMessenger, hand: Hand, publisher: Publisher
) -> None:
    ledger = ledger_of(publisher, login, point, hand, 6)
    assert ledger.give(1, 4, 0.0) == [0, 1, 2, 3]
    ledger.finish([(0,)], 1)
    ledger.fail(1, 1)        # tried, and would be tried again: not untried
    ledger.interrupt(2, 1)   # begun, and ended with the allocation
    ledger.take_back(3, 1)   # was not begun
    done: list[Done] = [(0, "", 0, "", "", 1.0)]
    publisher.publish(done, [])
    assert publisher.give_back() == 3 and publisher.give_back() == 0
    told = [(one.event_range_id, one.event_status) for one in login.collect(point).event_updates[JOB]]
    assert told == [("r0", "finished"), ("r3", "ready"), ("r4", "ready"), ("r5", "ready")]
    again = Ledger()
    recall(again, mailbox(point, hand), point.path / "yoda")
    assert again.counts == [2, 0, 1, 0, 3] and again.give(1, 9, 0.0) == [1, 2]


def test_a_range_that_comes_again_after_it_went_back_is_done(
    point: AccessPoint, login: SharedFileMessenger, hand: Hand, publisher: Publisher
) -> None:
    ledger = ledger_of(publisher, login, point, hand, 3)
    publisher.give_back()
    assert ledger.give(1, 9, 0.0) == []
    login.feed_events(point, {JOB: ranges(1, 1)})
    hand.now += QUIET_S
    assert [ledger.add(JOB, letter[JOB]) for letter in publisher._mailbox.arrived()] == [1]
    assert ledger.give(1, 9, 0.0) == [1] and ledger.add(JOB, []) == 0


def test_what_could_not_be_told_is_told_again(
    point: AccessPoint, hand: Hand, login: SharedFileMessenger, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = ledger_of(publisher, login, point, hand, 3)

    def full(journal: Journal, lines: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Journal, "append", full)
        with pytest.raises(OSError):
            publisher.give_back()
    assert ledger.waiting == 0 and len(login.collect(point).event_updates[JOB]) == 3


def test_numbered_letters_go_to_a_login_node_that_reads_them_and_to_no_other(point: AccessPoint, hand: Hand) -> None:
    made = mailbox(point, hand)
    made.publish({JOB: [{"eventRangeID": "r0", "eventStatus": "finished"}]})
    numbered = "letters" in json.loads((point.path / SENTINEL).read_text())
    assert (point.path / "letters.out").exists() is numbered
    assert (point.path / NAMES.status_dump).exists() is not numbered


def test_a_bad_range_that_cannot_be_put_aside_costs_no_other(
    point: AccessPoint, login: SharedFileMessenger, hand: Hand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*aside: Any) -> Path:
        raise OSError("No space left on device")

    made = mailbox(point, hand)
    login.feed_events(point, {JOB: [{"eventRangeID": 3}, *ranges(0, 2)]})
    monkeypatch.setattr("harvester_launch.mailbox.put_aside", full)
    hand.now += 60.0
    assert names(made, hand) == ["r0", "r1"]
