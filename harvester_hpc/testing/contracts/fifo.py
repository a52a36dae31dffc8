"""The rules that every back end of a queue keeps.

Derive a test class and give it ``fifos``: a back end whose queues see the time of ``clock``.
"""
from __future__ import annotations

import threading
from typing import Any

import pytest

from harvester_hpc.errors import FifoLost
from harvester_hpc.fifo.waiting import taken
from harvester_hpc.ports.fifo import Fifo, Fifos
from harvester_hpc.testing.fake_clock import FakeClock

ITEMS: tuple[Any, ...] = ({"workers": [1, 2, 3]}, [], "Grüße \U0001f600 ' \" % \\", 0, 1.5, None, True, {"": {"x": [None]}}, "x" * 100_000)


class FifoContract:
    """Run over every back end."""

    @pytest.fixture
    def clock(self) -> FakeClock:
        """Give the time that the queues see."""
        return FakeClock()

    @pytest.fixture
    def fifos(self, clock: FakeClock) -> Fifos:
        """Give the back end."""
        raise NotImplementedError

    @pytest.fixture
    def fifo(self, fifos: Fifos) -> Any:
        """Give an empty queue."""
        opened = fifos.open("monitor")
        yield opened
        opened.close()

    def test_the_lowest_score_comes_first_and_among_equals_the_oldest(self, fifo: Fifo) -> None:
        fifo.put([(3.0, "c"), (1.0, "a"), (2.0, "b1"), (2.0, "b2"), (-5.5, "first")])
        assert [one.item for one in fifo.get(10)] == ["first", "a", "b1", "b2", "c"]
        assert fifo.get() == []

    def test_what_was_got_is_out(self, fifo: Fifo) -> None:
        fifo.put([(1.0, "a"), (2.0, "b"), (3.0, "c")])
        assert [one.item for one in fifo.get()] == ["a"]
        assert [one.item for one in fifo.get(2)] == ["b", "c"]
        assert fifo.size() == 0

    def test_numbers_are_never_used_twice(self, fifo: Fifo) -> None:
        first = fifo.put([(1.0, "a"), (1.0, "b")])
        fifo.delete(first)
        second = fifo.put([(1.0, "c")])
        assert len({*first, *second}) == 3
        assert [one.id for one in fifo.get()] == list(second)

    @pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
    def test_an_item_comes_out_as_it_went_in(self, fifo: Fifo, item: Any) -> None:
        fifo.put([(1.0, item)])
        (entry,) = fifo.get()
        assert (entry.item, type(entry.item), entry.score) == (item, type(item), 1.0)

    @pytest.mark.parametrize("bad", [(float("nan"), "x"), (float("inf"), "x"), (True, "x"), ("1", "x"), (1.0, {1, 2}), (1.0, float("nan"))])
    def test_what_cannot_be_put_in_is_refused_and_nothing_goes_in(self, fifo: Fifo, bad: Any) -> None:
        with pytest.raises(ValueError, match=r"score|JSON"):
            fifo.put([(1.0, "good"), bad])
        assert fifo.size() == 0

    def test_no_more_than_the_most_that_was_said(self, fifo: Fifo) -> None:
        fifo.put([(score, score) for score in (1.0, 2.0, 3.0)])
        assert [one.item for one in fifo.get(10, most=2.0)] == [1.0, 2.0]
        assert fifo.hold(1e12, 10, most=2.5) == []
        assert fifo.size() == 1

    def test_peeking_leaves_everything_in(self, fifo: Fifo) -> None:
        fifo.put([(score, score) for score in (2.0, 1.0, 3.0)])
        assert [one.item for one in fifo.peek(2)] == [1.0, 2.0]
        assert [one.item for one in fifo.peek(5, skip=1)] == [2.0, 3.0]
        assert fifo.size() == 3

    def test_nothing_put_nothing_got_nothing_deleted(self, fifo: Fifo) -> None:
        assert (list(fifo.put([])), fifo.get(0), fifo.delete([]), fifo.release([]), fifo.delete([12345])) == ([], [], 0, 0, 0)

    # -- protective ---------------------------------------------------------------------------------

    def test_what_is_held_is_not_given_again_until_its_time(self, fifo: Fifo, clock: FakeClock) -> None:
        fifo.put([(1.0, "a"), (2.0, "b")])
        assert [one.item for one in fifo.hold(clock.now() + 100.0, 10)] == ["a", "b"]
        clock.advance(99.0)
        assert (fifo.get(10), fifo.peek(10), fifo.size(), fifo.held()) == ([], [], 2, 2)
        clock.advance(1.0)
        assert fifo.held() == 0
        assert [(one.item, one.score) for one in fifo.get(10)] == [("a", 1.0), ("b", 2.0)]

    def test_what_is_held_and_deleted_does_not_come_back(self, fifo: Fifo, clock: FakeClock) -> None:
        fifo.put([(1.0, "a"), (2.0, "b")])
        held = fifo.hold(clock.now() + 100.0, 10)
        assert fifo.delete([held[0].id]) == 1
        clock.advance(1000.0)
        assert [one.item for one in fifo.get(10)] == ["b"]

    def test_what_is_released_is_there_at_once(self, fifo: Fifo, clock: FakeClock) -> None:
        fifo.put([(1.0, "a")])
        (held,) = fifo.hold(clock.now() + 100.0)
        assert fifo.release([held.id]) == 1
        assert fifo.release([held.id]) == 0
        assert [one.item for one in fifo.get()] == ["a"]

    def test_an_entry_is_given_to_one_of_many_only(self, fifos: Fifos, fifo: Fifo, clock: FakeClock) -> None:
        fifo.put([(float(number), number) for number in range(200)])
        got: list[int] = []

        def take(number: int) -> None:
            queue = fifos.open("monitor")
            while entries := (queue.get(3) if number % 2 else queue.hold(clock.now() + 1e6, 3)):
                got.extend(one.item for one in entries)
            queue.close()

        threads = [threading.Thread(target=take, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60.0)
        assert sorted(got) == list(range(200))

    # -- lives ----------------------------------------------------------------------------------------

    def test_it_is_still_there_for_the_next_one_who_opens_it(self, fifos: Fifos, fifo: Fifo) -> None:
        fifo.put([(1.0, "a")])
        again = fifos.open("monitor")
        assert again.life == fifo.life
        assert [one.item for one in again.get()] == ["a"]
        again.close()

    def test_queues_of_other_titles_are_others(self, fifos: Fifos, fifo: Fifo) -> None:
        other = fifos.open("stager")
        other.put([(1.0, "theirs")])
        fifo.put([(1.0, "ours")])
        assert (other.clear(), fifo.size(), other.size()) == (1, 1, 0)
        other.close()

    def test_clearing_takes_everything_out_and_begins_a_new_life(self, fifo: Fifo, clock: FakeClock) -> None:
        fifo.put([(1.0, "a"), (2.0, "b"), (3.0, "c")])
        fifo.hold(clock.now() + 100.0)
        before = fifo.life
        assert fifo.clear() == 3
        assert fifo.life != before
        fifo.put([(1.0, "new")])
        clock.advance(1000.0)
        assert [one.item for one in fifo.get(10)] == ["new"]

    def test_another_hears_once_that_it_was_cleared(self, fifos: Fifos, fifo: Fifo) -> None:
        fifo.put([(1.0, "a")])
        admin = fifos.open("monitor")
        admin.clear()
        with pytest.raises(FifoLost):
            fifo.get()
        assert fifo.get() == []
        assert fifo.life == admin.life
        admin.close()

    # -- waiting ----------------------------------------------------------------------------------------

    def test_waiting_ends_when_something_is_there(self, fifos: Fifos, fifo: Fifo) -> None:
        other = fifos.open("monitor")
        later = threading.Timer(0.05, lambda: other.put([(1.0, "late")]))
        later.start()
        assert [one.item for one in taken(fifo.get, 60.0, threading.Event())] == ["late"]
        later.join()
        other.close()

    def test_waiting_ends_with_nothing_after_its_time_or_when_it_is_to_stop(self, fifo: Fifo) -> None:
        stop = threading.Event()
        assert taken(fifo.get, 0.01, stop) == []
        stop.set()
        assert taken(fifo.get, 1e6, stop) == []
