"""Rounds, bells and the end: one agent's trouble is its own, and stopping is quick."""
from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.agents.base import Agent
from harvester_hpc.clock import SystemClock
from harvester_hpc.daemon.bell import Bells
from harvester_hpc.daemon.rounds import Rounds, once
from harvester_hpc.errors import LeaseLost, StoreUnusable
from tests.unit.agents.world import World, make_world

PATIENCE_S = 20.0


class Scripted(Agent):
    """An agent that does what a list says, round by round, then nothing."""

    def __init__(self, name: str, world: World, script: list[int | Exception], *, due: float | None = None) -> None:
        super().__init__(next(iter(world.agents.values())).house, 3600.0)
        self.name = name  # type: ignore[misc]
        self.script = script
        self.rounds = 0
        self.due = due

    def run_once(self) -> int:
        self.rounds += 1
        item = self.script.pop(0) if self.script else 0
        if isinstance(item, Exception):
            raise item
        return item

    def next_due(self) -> float | None:
        return self.due


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, "did not come"
        time.sleep(0.01)


class Running:
    """Agents' threads, started and ended together."""

    def __init__(self, *agents: Agent) -> None:
        self.bells = Bells([agent.name for agent in agents])
        self.stop, self.lost = threading.Event(), threading.Event()
        self.threads = [Rounds(agent, self.bells, self.stop, self.lost, SystemClock()) for agent in agents]

    def __enter__(self) -> Running:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.stop.set()
        self.bells.ring_all()
        for thread in self.threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = make_world(tmp_path)
    yield made
    made.database.close()


def test_an_agent_goes_on_at_once_while_there_is_work_and_then_sleeps(world: World) -> None:
    agent = Scripted("a", world, [3, 2, 1])
    with Running(agent) as running:
        wait_for(lambda: running.threads[0].changes == 6)
        wait_for(lambda: agent.rounds == 4)
        running.stop.wait(0.3)
        assert agent.rounds == 4


def test_a_ring_wakes_the_agent_that_it_is_meant_for(world: World) -> None:
    first, second = Scripted("a", world, []), Scripted("b", world, [])
    with Running(first, second) as running:
        wait_for(lambda: first.rounds == second.rounds == 1)
        running.bells.ring(["b", "nobody"])
        wait_for(lambda: second.rounds == 2)
        assert first.rounds == 1


def test_a_ring_during_a_round_is_heard_after_it(world: World) -> None:
    agent = Scripted("a", world, [])
    running = Running(agent)
    rung: list[int] = []

    def ring_once() -> int:
        agent.rounds += 1
        if not rung:
            rung.append(1)
            running.bells.ring(["a"])
        return 0

    agent.run_once = ring_once  # type: ignore[method-assign]
    with running:
        wait_for(lambda: agent.rounds == 2)


def test_what_is_due_soon_wakes_the_agent(world: World) -> None:
    agent = Scripted("a", world, [], due=time.time() + 0.3)
    with Running(agent):
        wait_for(lambda: agent.rounds >= 2)


def test_something_overdue_that_nobody_can_do_does_not_make_the_agent_spin(world: World) -> None:
    agent = Scripted("a", world, [], due=0.0)
    with Running(agent) as running:
        wait_for(lambda: agent.rounds >= 1)
        running.stop.wait(1.0)
        assert agent.rounds <= 8


@pytest.mark.parametrize("trouble", [RuntimeError("a defect"), StoreUnusable("disk full")])
def test_a_round_that_fails_is_tried_again_and_stops_nobody_else(world: World, trouble: Exception) -> None:
    broken, healthy = Scripted("a", world, [trouble, 5]), Scripted("b", world, [1])
    with Running(broken, healthy) as running:
        wait_for(lambda: running.threads[0].changes == 5)
        wait_for(lambda: running.threads[1].changes == 1)
        assert not running.lost.is_set()


def test_a_round_that_fails_is_told_until_one_does_not(world: World) -> None:
    broken = Scripted("a", world, [KeyError("a defect"), 5])
    with Running(broken) as running:
        wait_for(lambda: world.troubles() == [("a", "", "KeyError: 'a defect'")])
        wait_for(lambda: running.threads[0].changes == 5)
        wait_for(lambda: world.troubles() == [])


def test_what_fails_is_not_tried_again_at_the_bells_rate(world: World) -> None:
    agent = Scripted("a", world, [RuntimeError("a defect")] * 1000)
    with Running(agent) as running:
        for _ in range(20):
            running.bells.ring(["a"])
            running.stop.wait(0.02)
        assert agent.rounds <= 2


def test_a_lost_lease_ends_everything(world: World) -> None:
    loser, other = Scripted("a", world, [LeaseLost("taken over")]), Scripted("b", world, [])
    with Running(loser, other) as running:
        wait_for(running.stop.is_set)
        assert running.lost.is_set()


def test_one_round_of_all_is_repeated_until_nothing_changes(world: World) -> None:
    first, second = Scripted("a", world, [1, 0, 1]), Scripted("b", world, [0, 1])
    assert once([first, second], threading.Event()) == 3
    assert first.rounds == second.rounds == 4


def test_one_round_of_all_is_bounded(world: World) -> None:
    endless = Scripted("a", world, [1] * 1000)
    assert once([endless], threading.Event(), passes=7) == 7


def test_one_round_of_all_ends_when_told_to(world: World) -> None:
    stop = threading.Event()
    stop.set()
    agent = Scripted("a", world, [1] * 10)
    assert once([agent], stop) == 0
