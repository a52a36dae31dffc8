"""The ledger: a range is with one rank at a time, counted once, and tried so often and no more."""
from __future__ import annotations

import random

import pytest

from harvester_launch.ledger import Ledger, Place, Told, Verdict, told_range


def ledger(count: int, tries: int = 3) -> Ledger:
    made = Ledger(tries)
    assert made.add(5, told(count)) == count
    return made


def told(count: int) -> list[Told]:
    return [Told(f"r{number}", number, number + 9, "{}") for number in range(count)]


def test_a_range_that_comes_again_changes_nothing() -> None:
    made = ledger(3)
    assert made.add(5, told(4)) == 1 and made.waiting == 4
    assert made.add(6, told(1)) == 1  # the same name in another job is another range


def test_no_range_is_with_two_ranks() -> None:
    made = ledger(10)
    assert made.give(1, 4, 0.0) == [0, 1, 2, 3] and made.give(2, 99, 1.0) == [4, 5, 6, 7, 8, 9] and made.give(3, 1, 2.0) == []
    assert (made.waiting, made.given, made.since(5)) == (0, 10, 1.0)


@pytest.mark.parametrize("number", [-1, 0, 1, 99])
def test_a_result_for_a_range_that_the_rank_does_not_hold_counts_for_nothing(number: int) -> None:
    made = ledger(2)
    made.give(1, 1, 0.0)
    assert made.finish([(number,)], 2) == [] and made.fail(number, 2) is Verdict.NOT_HELD and not made.take_back(number, 2)
    assert made.counts == [1, 1, 0, 0, 0]


def test_a_range_is_done_once() -> None:
    made = ledger(1)
    made.give(1, 1, 0.0)
    assert made.finish([(0, "a"), (0, "b")], 1) == [(0, "a")] and made.fail(0, 1) is Verdict.NOT_HELD
    assert made.place(0) is Place.DONE and made.give(2, 1, 0.0) == []


def test_a_failed_range_goes_to_another_rank_until_it_was_tried_often_enough() -> None:
    made = ledger(1)
    assert made.give(1, 1, 0.0) == [0] and made.fail(0, 1) is Verdict.AGAIN
    assert made.give(1, 1, 0.0) == [] and made.give(1, 1, 0.0, others=False) == [0] and made.fail(0, 1) is Verdict.AGAIN
    assert made.give(2, 1, 0.0) == [0] and made.fail(0, 2) is Verdict.FINAL
    assert made.place(0) is Place.FAILED and made.give(3, 1, 0.0) == []


def test_what_was_returned_unbegun_was_no_try() -> None:
    made = ledger(1, tries=1)
    for rank in (1, 1, 2):
        assert made.give(rank, 1, 0.0) == [0] and made.take_back(0, rank)
    assert made.give(2, 1, 0.0) == [0] and made.fail(0, 2) is Verdict.FINAL


def test_what_a_lost_rank_held_waits_again() -> None:
    made = ledger(6, tries=2)
    made.give(1, 3, 0.0)
    made.give(2, 3, 0.0)
    assert made.finish([(0,)], 1) and made.lose(1) == [] and made.waiting == 2
    assert made.give(2, 9, 0.0) == [1, 2] and made.lose(2) == [1, 2] and made.counts == [3, 0, 1, 2, 0]


@pytest.mark.parametrize("entry", [
    7, "x", None, [], {}, {"eventRangeID": 7}, {"eventRangeID": ""}, {"eventRangeID": "a\0"}, {"eventRangeID": "a" * 251},
    {"eventRangeID": "a", "startEvent": "1"}, {"eventRangeID": "a", "lastEvent": -1}, {"eventRangeID": "a", "startEvent": True},
    {"eventRangeID": "a", "startEvent": 2**63}, {"eventRangeID": "a", "lastEvent": 1.5},
])
def test_what_is_no_range_is_refused(entry: object) -> None:
    with pytest.raises(ValueError):
        told_range(entry)


@pytest.mark.parametrize("seed", range(20))
def test_whatever_happens_every_range_ends_once(seed: int) -> None:
    chance = random.Random(seed)
    made, ended = ledger(200), list[int]()
    for _ in range(100_000):
        if made.counts[Place.DONE] + made.counts[Place.FAILED] == 200:
            break
        rank = chance.randint(1, 4)
        made.give(rank, chance.randint(0, 9), 0.0, others=chance.random() < 0.9)
        number = chance.randrange(-1, 201)
        match chance.randrange(8):
            case 0 | 1 | 2 | 3 | 4:
                ended += [one for one in made.held(rank)[:3] if made.finish([(one,)], rank)]
                ended += [number] if made.finish([(number,)], rank) else []
            case 5:
                ended += [number] if made.fail(number, rank) is Verdict.FINAL else []
            case 6:
                made.take_back(number, rank)
            case _:
                ended += made.lose(rank) if chance.random() < 0.1 else []
        assert sum(made.counts) == 200
    assert sorted(ended) == list(range(200))
