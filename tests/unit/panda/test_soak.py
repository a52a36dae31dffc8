"""Jobs and ranges through a server at which something goes wrong with every third call."""
from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import Accepted, EventReport, NotAccepted
from harvester_hpc.testing.contracts.communicator import report_of
from harvester_local.served.faults import FaultKind
from harvester_local.served.server import Service
from tests.unit.panda.served import Pair, pair

FAULTS = [kind for kind in FaultKind if kind is not FaultKind.DELAY]
T = TypeVar("T")


def _stubborn(both: Pair, dice: random.Random, ask: Callable[[], T]) -> T:
    """Ask until there is an answer."""
    while True:
        if dice.random() < 0.3:
            both.served.faults.add(dice.choice(FAULTS))
        try:
            return ask()
        except Unavailable:
            continue


@pytest.mark.parametrize("service", [Service(), Service(v1=False, old=True)], ids=["v1", "old"])
def test_every_job_that_arrived_is_told_once_and_no_other_is_touched(tmp_path: Path, service: Service) -> None:
    dice = random.Random(20261121)
    with pair(tmp_path, service, jobs_per_call=7, items_per_call=9) as both:
        both.served.system.local.submit_jobs([{"executable": "/bin/true", "outputs": ["out"]}] * 60)
        known: dict[int, Mapping[str, Any]] = {}
        while more := _stubborn(both, dice, lambda: both.panda.get_jobs("LOCAL", "n", "managed", "n", 60, {})):
            assert not known.keys() & {job["PandaID"] for job in more}
            known |= {job["PandaID"]: job for job in more}
        untold = list(known.values())
        for _ in range(200):
            reports = [report_of(job, "finished") for job in untold]
            replies = _stubborn(both, dice, partial(both.panda.update_jobs, reports, "t"))
            assert not any(isinstance(reply, NotAccepted) and reply.final for reply in replies)
            untold = [job for job, reply in zip(untold, replies, strict=True) if not isinstance(reply, Accepted)]
            if not untold:
                break
        assert untold == []
        assert both.states().get("finished") == len(known)
        assert sum(both.states().values()) == 60
        assert both.states().get("sent", 0) == 60 - len(known) < 50


def test_every_range_is_counted_as_the_server_counts_it(tmp_path: Path) -> None:
    dice = random.Random(7)
    with pair(tmp_path, ranges_per_call=40) as both:
        (job,) = both.jobs(1, events=200)
        job_id = JobId(job["PandaID"])
        wish = {"taskID": job["taskID"], "jobsetID": job["jobsetID"], "nRanges": 200}
        arrived = [one["eventRangeID"] for one in _stubborn(both, dice, lambda: both.panda.get_event_ranges({job_id: wish}, False))[job_id]]
        open_ones = _stubborn(both, dice, lambda: both.panda.event_statuses({job_id: None}, {job_id: job["taskID"]}))[job_id]
        assert set(arrived) <= set(open_ones), "what did not arrive can be found"
        reports = [EventReport(range_id=name, status="finished" if place % 5 else "failed") for place, name in enumerate(sorted(open_ones))]
        replies = _stubborn(both, dice, lambda: both.panda.update_event_ranges({job_id: reports}))[job_id]
        assert [reply.taken for reply in replies] == [True] * len(reports)
        statuses = _stubborn(both, dice, lambda: both.panda.event_statuses({job_id: sorted(open_ones)}))[job_id]
        assert statuses == {one.range_id: one.status for one in reports}
