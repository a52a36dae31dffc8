"""Calls are paced, and there is quiet when the service asks for it."""
from __future__ import annotations

import pytest

from harvester_globus.pace import BURST, LONGEST_QUIET_S, QUIET_S, Pace
from harvester_hpc.errors import Unavailable


class Watch:
    """A clock that moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waited: list[float] = []

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now += seconds


@pytest.fixture
def watch() -> Watch:
    return Watch()


def pace(watch: Watch, rate: float = 4.0) -> Pace:
    return Pace(rate, lambda: watch.now, watch.wait)


def test_in_the_long_run_there_are_no_more_calls_than_the_rate_allows(watch: Watch) -> None:
    paced = pace(watch)
    for _ in range(400):
        paced.take()
    assert BURST + (watch.now - 100.0) * 4.0 + 1.0 >= 400
    assert watch.now - 100.0 == pytest.approx((400 - BURST) / 4.0, abs=0.5)


def test_a_few_calls_after_a_pause_do_not_wait(watch: Watch) -> None:
    paced = pace(watch)
    for _ in range(int(BURST)):
        paced.take()
    assert watch.waited == []


def test_while_the_service_wants_quiet_nothing_is_called(watch: Watch) -> None:
    paced = pace(watch)
    paced.quiet(30.0)
    with pytest.raises(Unavailable, match="quiet for 30 s"):
        paced.take()
    watch.now += 29.0
    with pytest.raises(Unavailable):
        paced.take()
    watch.now += 1.1
    paced.take()
    assert watch.waited == []


@pytest.mark.parametrize(("asked", "kept"), [(None, QUIET_S), (3.0, 3.0), (1e9, LONGEST_QUIET_S)])
def test_quiet_has_a_default_and_an_end(asked: float | None, kept: float, watch: Watch) -> None:
    paced = pace(watch)
    paced.quiet(asked)
    watch.now += kept - 0.1
    with pytest.raises(Unavailable):
        paced.take()
    watch.now += 0.2
    paced.take()


def test_a_shorter_quiet_does_not_end_a_longer_one(watch: Watch) -> None:
    paced = pace(watch)
    paced.quiet(60.0)
    paced.quiet(1.0)
    watch.now += 30.0
    with pytest.raises(Unavailable):
        paced.take()
