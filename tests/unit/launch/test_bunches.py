"""Bunches grow as ranges get shorter, and end in time; Yoda gives, counts and asks by them."""
from __future__ import annotations

import pytest

from harvester_launch.bunches import HELD, HORIZON_S, MOST, bunch, in_time, runs_low, speaks, target, wanted_stock
from harvester_launch.ledger import Ledger, Told
from harvester_launch.master import Master


@pytest.mark.parametrize("slots", [1, 2, 64])
def test_the_shorter_the_ranges_the_more_a_droid_holds(slots: int) -> None:
    held = [target(slots, mean_s) for mean_s in (3600.0, 60.0, 6.0, 1.0, 0.1, 0.001, 1e-6, 0.0)]
    assert held == sorted(held) and held[0] == 2 * slots and held[-1] == HELD


@pytest.mark.parametrize("mean_s", [0.01, 0.5, 1.0, 4.9, 100.0])
def test_what_waits_lasts_until_an_answer_comes(mean_s: float) -> None:
    waiting = target(4, mean_s) - 4
    assert waiting * mean_s / 4 >= min(HORIZON_S, mean_s) * 0.8 or target(4, mean_s) == HELD
    assert not runs_low(waiting, 4, mean_s) and runs_low(waiting // 2, 4, mean_s) and runs_low(0, 4, None)


def test_towards_the_end_nobody_takes_what_others_could_begin_at_once() -> None:
    given = {"held": 0, "slots": 2, "mean_s": 0.01, "remaining_s": None}
    assert bunch(waiting=100_000, share=0.25, **given) == 1000  # type: ignore[arg-type]
    assert bunch(waiting=80, share=0.25, **given) == 10  # type: ignore[arg-type]
    assert bunch(waiting=3, share=0.25, **given) == 2  # type: ignore[arg-type]
    assert bunch(waiting=0, share=0.25, **given) == 0  # type: ignore[arg-type]


@pytest.mark.parametrize(("mean_s", "remaining_s", "most"), [
    (10.0, 14.9, 0), (10.0, 15.1, 2), (10.0, 100.0, 12), (None, 1.0, 4), (None, 0.0, 0), (None, -5.0, 0), (1.0, -5.0, 0),
])
def test_no_more_is_given_than_can_end_in_time(mean_s: float | None, remaining_s: float, most: int) -> None:
    assert in_time(2, mean_s, remaining_s) == most
    assert bunch(held=0, slots=2, mean_s=mean_s, waiting=10**6, share=1.0, remaining_s=remaining_s) <= most


def test_a_droid_speaks_when_there_is_a_reason() -> None:
    quiet = {"low": False, "asked": False, "urgent": False, "results": 0, "silent_s": 0.0}
    assert not speaks(**quiet)  # type: ignore[arg-type]
    for reason in ({"low": True}, {"results": 1, "silent_s": 6.0}, {"results": 5000}, {"silent_s": 31.0}, {"urgent": True, "results": 1}):
        assert speaks(**quiet | reason), reason  # type: ignore[arg-type]
    assert not speaks(**quiet | {"low": True, "asked": True})  # type: ignore[arg-type]


@pytest.mark.parametrize(("rate", "remaining_s", "stock"), [(0.0, None, 16), (10.0, None, 3000), (10.0, 60.0, 600), (10.0, 0.0, 0)])
def test_the_stock_lasts_for_the_lead_and_not_beyond_the_end(rate: float, remaining_s: float | None, stock: int) -> None:
    assert wanted_stock(rate, 300.0, 8, remaining_s) == stock


def master(ranges: int, droids: int = 2) -> Master:
    made = Master(Ledger())
    made.ledger.add(5, [Told(f"r{number}", 0, 0, "{}") for number in range(ranges)])
    for rank in range(1, droids + 1):
        made.join(rank, 1, 0.0)
    return made


def test_who_got_nothing_is_served_when_there_is_something() -> None:
    made = master(0)
    assert made.serve(1, 0.0) == [] and made.serve_hungry(0.0) == []
    made.ledger.add(5, [Told("late", 1, 2, "{}")])
    assert [rank for rank, _ in made.serve_hungry(1.0)] == [1]


def test_while_a_droid_works_on_one_message_the_next_is_on_its_way() -> None:
    made = master(100_000, droids=1)
    made.report(1, [], [], 0.0, 0.0)  # ranges that take no time
    bunches = [made.serve_hungry(0.0) for _ in range(HELD // MOST + 2)]
    assert [sum(len(rows) for _, work in some for _, _, rows in work) for some in bunches] == [MOST] * (HELD // MOST) + [0, 0]
    assert made.droids[1].held == HELD
    made.report(1, [(number, "", 0, "", "", 0.0) for number in range(MOST)], [], 0.0, 1.0)
    ((_, _, rows),) = made.serve(1, 1.0)
    assert len(rows) == MOST


def test_results_of_others_and_of_twice_are_ignored() -> None:
    made = master(10)
    numbers = [row[0] for _, _, rows in made.serve(1, 0.0) for row in rows]
    done = [(number, "p", 1, "c", "g", 1.0) for number in (*numbers, *numbers, 9, 77, -4)]
    made.report(2, done, [(numbers[0], 1, "no")], 1.0, 1.0)
    assert made.done == []
    made.report(1, done, [(numbers[0], 1, "no"), (77, 1, "no")], 1.0, 1.0)
    made.report(3, done, [], 1.0, 1.0)  # nobody
    assert [one[0] for one in made.done] == numbers and made.failed == [] and made.droids[1].held == 0


def test_a_silent_droid_loses_its_ranges_and_may_come_back() -> None:
    made = master(2)
    (_, _, rows), = made.serve(1, 0.0)
    made.report(2, [], [], None, 299.0)
    assert made.tick(301.0) == [1] and made.tick(302.0) == [] and made.ledger.given == 0
    made.serve(2, 302.0)
    made.report(1, [(rows[0][0], "", 0, "", "", 1.0)], [], 1.0, 303.0)
    assert made.ledger.counts[2] == 0 and made.ignored == 1 and not made.droids[1].silent


def test_nothing_is_given_while_outputs_pile_up_or_at_the_end() -> None:
    made = master(10)
    made.blocked = True
    assert made.serve(1, 0.0) == [] and made.serve_hungry(0.0) == []
    made.blocked = False
    assert made.serve_hungry(0.0)
    made.draining = True
    assert made.serve(1, 0.0) == [] and made.lacking(300.0, 0.0) == 0 and not made.idle


def test_it_asks_before_it_runs_dry() -> None:
    made = master(20)
    assert made.lacking(300.0, 0.0) == 0
    made.serve(1, 0.0)
    made.report(1, [(0, "", 0, "", "", 1.0)], [], 1.0, 1.0)
    assert made.lacking(300.0, 1.0) == 600 - made.ledger.waiting  # two slots, one range a second each
