"""Queues whose monitors ask the same batch system: one look for all of them, and one trouble."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from harvester_hpc.app import agents as all_agents
from harvester_hpc.errors import Unavailable
from harvester_hpc.model.turn import AGENTS, MONITOR, SUBMITTER
from harvester_hpc.model.worker import MapType, Worker, WorkerState
from harvester_hpc.ports.batch import Seen, Sight, Uncertain, Unseen
from harvester_hpc.store import health
from tests.unit.agents.test_pipeline import Worlds
from tests.unit.agents.world import World


@dataclass
class Counting:
    """A monitor that keeps what it was asked, over a batch system that it shares with others."""

    asks: object
    looks: list[list[str]]
    away: bool = False
    answers_at: float = 0.0
    state: WorkerState = WorkerState.RUNNING
    letters: dict[int, Sight] = field(default_factory=dict)
    sights: list[Sight] = field(default_factory=list)

    def check_workers(self, workers: Sequence[Worker]) -> Sequence[Sight]:
        self.looks.append(sorted({worker.queue for worker in workers}))
        if self.away:
            raise Unavailable("'squeue' does not answer", of="slurm")
        return self.sights or [Seen(state=self.state, native_status="RUNNING") for _ in workers]

    def report_updated_workers(self, time_window: float) -> Sequence[tuple[int, float]]:
        return ()

    def check_letters(self, workers: Sequence[Worker]) -> Sequence[Sight]:
        return [self.letters.get(worker.id, Unseen(why="silent")) for worker in workers]

    def next_answer(self) -> float:
        return self.answers_at


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Worlds]:
    made = Worlds(tmp_path)
    yield made
    made.close()


def of_queues(worlds: Worlds, monitors: dict[str, Counting]) -> World:
    """Return a world with one running pull worker in each queue."""
    world = worlds(queue={"map_type": MapType.NO_JOB, "limit_queued_workers": 1, "max_workers": 1}, instant=False)
    served = world.house.queues["Q"]
    queues = {
        name: replace(served, queue=replace(served.queue, name=name), monitor=monitor) for name, monitor in monitors.items()
    }
    world.house = replace(world.house, queues=queues)
    world.agents = {agent.name: agent for agent in all_agents(world.house, dict.fromkeys(AGENTS, 30.0), world.stop.set)}
    world.run(SUBMITTER)
    assert {world.worker(number).state for number in (1, 2)} == {WorkerState.SUBMITTED}
    return world


def two(same: bool = True) -> dict[str, Counting]:
    looks: list[list[str]] = []
    scheduler = object()
    return {name: Counting(asks=scheduler if same else name, looks=looks) for name in ("A", "B")}


def test_one_look_serves_all_queues_that_ask_the_same(worlds: Worlds) -> None:
    monitors = two()
    world = of_queues(worlds, monitors)
    world.clock.advance(10.0)
    world.run(MONITOR)
    assert monitors["A"].looks == [["A", "B"]]
    assert {world.worker(number).state for number in (1, 2)} == {WorkerState.RUNNING}


def test_queues_that_ask_others_are_looked_at_by_themselves(worlds: Worlds) -> None:
    monitors = two(same=False)
    world = of_queues(worlds, monitors)
    world.clock.advance(10.0)
    world.run(MONITOR)
    assert sorted(monitors["A"].looks) == [["A"], ["B"]]


def test_an_outage_of_what_they_share_is_one_trouble_with_one_clock_and_ends_for_all(worlds: Worlds) -> None:
    monitors = two()
    world = of_queues(worlds, monitors)
    for one in monitors.values():
        one.away = True
    for _ in range(3):
        world.clock.advance(10.0)
        world.run(MONITOR)
    assert [(agent, queue) for agent, queue, _ in world.troubles()] == [("monitor", "slurm")]
    looks = monitors["A"].looks
    asked = len(looks)
    world.run(MONITOR)
    assert len(looks) == asked  # it is left alone
    for one in monitors.values():
        one.away = False
    world.clock.advance(900.0)
    world.run(MONITOR)
    assert world.troubles() == []
    assert {world.worker(number).state for number in (1, 2)} == {WorkerState.RUNNING}


def test_nobody_is_looked_at_before_there_is_something_new_to_hear(worlds: Worlds) -> None:
    monitors = two()
    world = of_queues(worlds, monitors)
    world.clock.advance(10.0)
    for one in monitors.values():
        one.answers_at = world.clock.now() + 45.0
    world.run(MONITOR)
    assert {world.worker(number).due for number in (1, 2)} == {world.clock.now() + 45.0}


def test_a_no_to_one_queue_does_not_keep_up_the_trouble_with_what_they_share(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.batch.answer([Uncertain(why="no clear answer")])
    world.settle()
    world.batch.faults.fail("find_workers", 1, of="pbs")
    world.clock.advance(60.0)
    world.run(SUBMITTER)
    assert {(agent, queue) for agent, queue, _ in world.troubles()} == {("submitter", "Q"), ("submitter", "pbs")}
    world.batch.answer([Uncertain(why="no clear answer")])
    world.clock.advance(60.0)
    world.run(SUBMITTER)
    assert {(agent, queue) for agent, queue, _ in world.troubles()} == {("submitter", "Q")}


def test_a_letter_settles_a_worker_in_an_outage_and_ends_the_worker_but_not_the_outage(worlds: Worlds) -> None:
    desk = object()
    monitor = Counting(asks=desk, looks=[], away=True)
    world = of_queues(worlds, {"A": monitor, "B": monitor})
    world.clock.advance(60.0)
    world.run(MONITOR)
    (before,) = troubles_of_monitor(world)
    monitor.letters[1] = Seen(state=WorkerState.FINISHED, exit_code=0)
    world.clock.advance(60.0)
    world.run(MONITOR)
    assert (world.worker(1).state, world.worker(2).state) == (WorkerState.FINISHED, WorkerState.SUBMITTED)
    (after,) = troubles_of_monitor(world)
    assert (after.since, after.count) == (before.since, before.count + 1)


def test_an_accounting_that_is_away_is_told_by_status_until_it_answers(worlds: Worlds) -> None:
    monitor = Counting(asks=object(), looks=[])
    world = of_queues(worlds, {"A": monitor, "B": monitor})
    monitor.sights = [Unseen(why="'sacct' does not answer", away=True), Unseen(why="'sacct' does not answer", away=True)]
    for count in (1, 2):
        world.clock.advance(60.0)
        world.run(MONITOR)
        troubles = troubles_of_monitor(world)
        assert [(one.queue, one.count) for one in troubles] == [("A (accounting)", count), ("B (accounting)", count)]
        assert "'sacct' does not answer" in troubles[0].why
    monitor.sights = []
    world.clock.advance(60.0)
    world.run(MONITOR)
    assert troubles_of_monitor(world) == []


def troubles_of_monitor(world: World) -> list[health.Trouble]:
    with world.database.read() as connection:
        return [one for one in health.troubles(connection) if one.agent == MONITOR]
