"""What is left to do of a job's event ranges, as far as anybody knows."""
from __future__ import annotations

from typing import Any

import pytest

from harvester_hpc.model.event import EventLoad, EventState
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.worker import Share, WorkerId, WorkerState
from harvester_hpc.policy.event_load import load_of

S = EventState


def load(tally: dict[EventState, int], *shares: Share, dry: bool = False, cores: int = 1, **said: Any) -> EventLoad:
    job = Job(id=JobId(1), queue="Q", state=JobState.RUNNING, cores=cores, params=said)
    return load_of(job, tally, shares, dry=dry, now=1000.0)


def ran(cores: int, started: float | None, ended: float | None = None) -> Share:
    return Share(worker_id=WorkerId(1), cores=cores, state=WorkerState.RUNNING, started=started, ended=ended)


def test_what_is_left_is_known_from_the_job_or_when_the_system_is_dry() -> None:
    tally = {S.LEASED: 5, S.FED: 7, S.DONE: 10, S.ZIPPED: 1, S.DROPPED: 2, S.RETURNED: 50}
    assert load(tally).left is None
    assert load(tally, nEventRanges=100).left == 87
    assert load(tally, nEventRanges=3).left == 0
    assert load(tally, dry=True, nEventRanges=100).left == 12


def test_what_a_range_costs_is_what_it_has_cost() -> None:
    workers = (ran(8, 500.0), ran(4, 100.0, 350.0), ran(100, None))
    assert load({S.DONE: 49, S.FAILED: 1}, *workers).core_s == (8 * 500 + 4 * 250) / 50
    assert load({S.DONE: 50}, *workers, secondsPerRange=7).core_s == 100.0


def test_before_that_the_job_says_it_or_nobody_does() -> None:
    few = {S.DONE: 9}
    assert load(few, ran(8, 500.0)).core_s is None
    assert load(few, ran(8, 500.0), secondsPerRange=60, cores=4) == EventLoad(core_s=240.0, cores=4)
    assert load({S.DONE: 500}).core_s is None


@pytest.mark.parametrize("odd", ["many", None, True, 0, -5, [], "nan", "inf", 10**400, float("nan"), "1e400"])
def test_nonsense_is_nothing_said(odd: Any) -> None:
    assert load({}, nEventRanges=odd, secondsPerRange=odd) == EventLoad()
