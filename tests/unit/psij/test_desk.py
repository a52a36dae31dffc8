"""The desk: how often a batch system is asked, and what its silence means."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import cast

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.batch import Seen, Unseen
from harvester_hpc.ports.context import Context
from harvester_psij.desk import SHARE, SPREAD, Desk, desk_of
from harvester_psij.monitor import MonitorSettings, PsijMonitor
from harvester_psij.rows import Listing, Row
from harvester_psij.scheduler import Scheduler
from harvester_psij.slurm_states import meaning_of


@dataclass
class Fake:
    """A scheduler that counts what it is asked."""

    lists_all: bool = True
    name: str = "fake"
    takes_s: float = 0.0
    away: bool = False
    now: float = 1000.0
    rows: dict[str, str] = field(default_factory=dict)
    history: dict[str, str] = field(default_factory=dict)
    unread: str = ""
    asked: list[Sequence[str]] = field(default_factory=list)
    accounted: list[Sequence[str]] = field(default_factory=list)

    def queue(self, ids: Sequence[str]) -> Listing:
        self.asked.append(list(ids))
        self.now += self.takes_s
        if self.away:
            raise Unavailable("'squeue' does not answer")
        return Listing(rows=tuple(_row(one, code) for one, code in self.rows.items() if self.lists_all or one in ids), unread=self.unread)

    def accounting(self, ids: Sequence[str]) -> Listing:
        self.accounted.append(list(ids))
        return Listing(rows=tuple(replace(_row(one, self.history[one]), accounted=True) for one in ids if one in self.history))


def _row(batch_id: str, code: str) -> Row:
    return Row(batch_id=batch_id, code=code, meaning=meaning_of(code))


def desk(fake: Fake, draw: float = 0.0) -> Desk:
    return Desk(cast(Scheduler, fake), clock=lambda: fake.now, draw=lambda: draw)


def test_a_batch_system_is_asked_once_in_an_interval_whoever_asks() -> None:
    fake = Fake()
    one = desk(fake)
    one.hurry(30.0)
    for _ in range(100):
        one.queue({"1": 0.0})
        fake.now += 0.29
    assert len(fake.asked) == 1
    assert one.next_answer() == 1030.0
    fake.now = 1030.0
    one.queue({"1": 0.0})
    assert len(fake.asked) == 2


def test_the_queue_in_the_greatest_hurry_counts_and_the_pause_is_spread() -> None:
    fake = Fake()
    one = desk(fake, draw=1.0)
    one.hurry(60.0)
    one.hurry(10.0)
    one.queue({})
    assert one.next_answer() == pytest.approx(1000.0 + 10.0 * (1.0 + SPREAD))


def test_a_slow_batch_system_is_asked_more_rarely() -> None:
    fake = Fake(takes_s=12.0)
    one = desk(fake)
    one.hurry(10.0)
    one.queue({})
    assert one.next_answer() == 1000.0 + 12.0 / SHARE


def test_a_clock_that_was_set_back_is_no_reason_to_wait() -> None:
    fake = Fake()
    one = desk(fake)
    one.queue({})
    fake.now = 10.0
    one.queue({})
    assert len(fake.asked) == 2


def test_an_outage_is_told_as_that_of_the_batch_system_and_ends_what_was_known() -> None:
    fake = Fake()
    one = desk(fake)
    one.queue({})
    fake.now, fake.away = 2000.0, True
    with pytest.raises(Unavailable) as caught:
        one.queue({})
    assert caught.value.of == "fake"
    assert one.next_answer() == 0.0


def test_where_numbers_are_asked_for_the_rest_of_a_round_is_asked_for_too_and_newcomers_wait() -> None:
    fake = Fake(lists_all=False, rows={"1": "R", "2": "R", "3": "R"})
    one = desk(fake)
    first = one.queue({"1": 500.0})
    second = one.queue({"1": 500.0, "2": 500.0, "3": 1000.0})
    assert fake.asked == [["1"], ["2"]]
    assert (first.covers("2", 500.0), second.covers("2", 500.0), second.covers("3", 1000.0)) == (False, True, False)
    assert [row.batch_id for row in second.listing.rows] == ["1", "2"]


def test_the_accounting_is_asked_once_about_each_between_two_answers() -> None:
    fake = Fake()
    one = desk(fake)
    one.queue({})
    one.accounting(["1"])
    one.accounting(["1", "2"])
    one.accounting(["1", "2"])
    assert fake.accounted == [["1"], ["2"]]
    fake.now = 2000.0
    one.queue({})
    one.accounting(["1"])
    assert fake.accounted == [["1"], ["2"], ["1"]]


def context(**more: object) -> Context:
    queue = Queue(name="q", poll_s=30.0)
    plain = Context(instance="i", tag="abcde", state_dir=Path("/s"), facility=Facility(name="f", scheduler="slurm"), queue=queue)
    return replace(plain, **more)  # type: ignore[arg-type]


def test_all_plugins_of_an_instance_stand_at_one_desk() -> None:
    base = context()
    assert desk_of(base, 30.0) is desk_of(replace(base, queue=Queue(name="other")), 30.0)
    assert desk_of(base, 30.0) is not desk_of(context(), 30.0)
    assert desk_of(context(facility=Facility(name="f", scheduler="local")), 30.0) is None
    monitors = [PsijMonitor(MonitorSettings(), replace(base, queue=Queue(name=name))) for name in ("a", "b")]
    assert monitors[0].asks is monitors[1].asks


def worker(number: int, batch_id: str, submitted: float = 0.0) -> Worker:
    return Worker(
        id=WorkerId(number), queue="q", map_type=MapType.ONE_TO_ONE, state=WorkerState.RUNNING, key=f"h{number}", access_point="/nowhere",
        plan=WorkerPlan(nodes=1, cores=1, walltime_s=60), batch_id=batch_id, submitted=submitted,
    )


def at(fake: Fake) -> PsijMonitor:
    surroundings = context()
    surroundings.commons.one(("harvester_psij", "slurm", 30.0), lambda: desk(fake))
    return PsijMonitor(MonitorSettings(), surroundings)


def test_a_worker_that_is_younger_than_the_answer_is_not_gone_and_nobody_is_asked_about_it() -> None:
    fake = Fake(rows={"1": "R"})
    monitor = at(fake)
    monitor.check_workers([worker(1, "1")])
    running, young = monitor.check_workers([worker(1, "1"), worker(2, "2", submitted=1001.0)])
    assert isinstance(running, Seen)
    assert isinstance(young, Unseen)
    assert not young.gone
    assert (len(fake.asked), fake.accounted) == (1, [])


def test_a_worker_in_a_line_that_cannot_be_read_is_not_gone() -> None:
    fake = Fake(unread="2|R|half a li")
    there, gone = at(fake).check_workers([worker(1, "2"), worker(2, "3")])
    assert isinstance(there, Unseen)
    assert not there.gone
    assert isinstance(gone, Unseen)
    assert gone.gone
    assert fake.accounted == [["3"]]


def test_a_claim_of_another_number_is_asked_about_at_once(tmp_path: Path) -> None:
    (tmp_path / "worker_claim.json").write_text('{"batch_id": "8", "host": "n1", "pid": 1, "started": 900, "restart": 0}')
    fake = Fake(lists_all=False, rows={"8": "R"})
    (sight,) = at(fake).check_workers([replace(worker(1, "7"), state=WorkerState.SUBMITTED, access_point=str(tmp_path))])
    assert isinstance(sight, Seen)
    assert (sight.state, sight.batch_id) == (WorkerState.RUNNING, "8")
    assert (fake.asked, fake.accounted) == ([["7"], ["8"]], [])
