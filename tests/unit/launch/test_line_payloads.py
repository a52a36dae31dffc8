"""Long-lived payloads that do not behave: a rank goes on, and every range gets an end."""
from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvester_launch.ranges import JobSetup, Range, Result, Setup
from harvester_launch.seats import Seat
from harvester_launch.slots import Slots

JOB = 5
DEADLINE_S = 30.0


@pytest.fixture
def slots_of(tmp_path: Path) -> Iterator[Callable[..., Slots]]:
    made: list[Slots] = []

    def of(*argv: str, limit_s: float | None = None) -> Slots:
        jobs = {JOB: JobSetup(argv=argv, folder=str(tmp_path), environment={})}
        setup = Setup(run="run", own=tmp_path / "yoda", jobs=jobs, mode="lines", limit_s=limit_s, grace_s=0.5)
        made.append(Slots(setup, 1, 1, Seat(cores=(0,))))
        return made[-1]

    yield of
    for slots in made:
        slots.tell_to_end("the test is over")
        end = time.monotonic() + DEADLINE_S
        while not slots.empty() and time.monotonic() < end:
            slots.step(deque(), None)
            slots.wait(0.05)


def ranges(count: int) -> deque[Range]:
    return deque(Range(number, JOB, f"r{number}", number, number, 1, {}) for number in range(count))


def served(slots: Slots, waiting: deque[Range], wanted: int) -> list[Result]:
    """Step until ``wanted`` results are there. Each payload has ended, if it ends by itself, before it is looked at again."""
    results: list[Result] = []
    end = time.monotonic() + DEADLINE_S
    while len(results) < wanted and time.monotonic() < end:
        results += slots.step(waiting, None)
        slots.wait(0.05)
        until_ended(end)
    return results


def until_ended(end: float) -> None:
    """Wait a moment for children that have not ended, as a rank does that writes its journal."""
    pause = time.monotonic() + 0.05
    while time.monotonic() < min(end, pause):
        try:
            if os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
                return
        except ChildProcessError:
            return


def test_a_payload_that_ends_at_once_fails_range_after_range_and_is_not_started_for_ever(slots_of: Callable[..., Slots]) -> None:
    results = served(slots_of("bash", "-c", "echo broken >&2; exit 3"), ranges(4), 4)
    assert sorted((one.range.range_id, one.ok, one.code) for one in results) == [(f"r{number}", False, 3) for number in range(4)]
    assert all("broken" in one.why for one in results)


def test_a_payload_that_never_stops_printing_is_ended_by_its_time_limit(slots_of: Callable[..., Slots]) -> None:
    slots = slots_of("bash", "-c", "yes >&1", limit_s=0.5)
    began = time.monotonic()
    (result,) = served(slots, ranges(1), 1)
    assert not result.ok and "took longer" in result.why and time.monotonic() - began < DEADLINE_S / 2
