"""A system that gives each job once: an answer with jobs that is lost is told of, once, and never guessed at."""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import AnswerLost
from harvester_hpc.model.turn import JOB_FETCHER
from harvester_hpc.store import job_call as calls
from harvester_hpc.store.job_call import LostAnswer
from tests.unit.agents.test_pipeline import Worlds
from tests.unit.agents.world import World


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Worlds]:
    made = Worlds(tmp_path)
    yield made
    made.close()


def giving_once(worlds: Worlds, number: int = 7, **more: Any) -> World:
    world = worlds(instant=False, finishes=False, **more)
    world.communicator.gives_once = number
    world.restart()
    return world


def lost(world: World) -> list[LostAnswer]:
    with world.database.read() as connection:
        return calls.lost_since(connection, 0.0)


def under_way(world: World) -> list[LostAnswer]:
    with world.database.read() as connection:
        return calls.under_way(connection)


def answer_once(world: World, answer: Callable[[Sequence[Mapping[str, Any]]], Any]) -> None:
    """Let the next request for jobs be done, and answered as ``answer`` says."""
    real = world.communicator.get_jobs

    def get_jobs(*arguments: Any) -> Sequence[Mapping[str, Any]]:
        world.communicator.get_jobs = real  # type: ignore[method-assign]
        found: Sequence[Mapping[str, Any]] = answer(real(*arguments))
        return found

    world.communicator.get_jobs = get_jobs  # type: ignore[method-assign]


def loses(jobs: Sequence[Mapping[str, Any]]) -> Any:
    raise AnswerLost("no answer to acquire_jobs", why="timed out")


def dies(jobs: Sequence[Mapping[str, Any]]) -> Any:
    raise KeyboardInterrupt


def test_an_answer_that_is_lost_is_told_once_with_the_number_that_was_asked_for(worlds: Worlds) -> None:
    world = giving_once(worlds, jobs_waiting=10)
    answer_once(world, loses)
    world.settle()
    (one,) = lost(world)
    assert (one.queue, one.wanted, one.why) == ("Q", 7, "no answer to acquire_jobs; timed out")
    world.later(30.0)
    world.later(30.0)
    (letter,) = world.communicator.dialogs
    assert "up to 7 jobs" in letter["diagMessage"]
    assert sorted(world.communicator.states.values()).count("sent") == 7, "they are not asked for again"
    assert len(lost(world)) == 1
    assert under_way(world) == []


def test_a_process_that_dies_in_the_middle_of_a_request_is_followed_by_one_that_tells(worlds: Worlds) -> None:
    world = giving_once(worlds, jobs_waiting=3)
    answer_once(world, dies)
    with pytest.raises(KeyboardInterrupt):
        world.run(JOB_FETCHER)
    world.restart()
    world.run(JOB_FETCHER)
    (one,) = lost(world)
    assert (one.queue, one.wanted) == ("Q", 7)
    world.restart()
    world.run(JOB_FETCHER)
    assert len(lost(world)) == 1


def test_a_defect_after_the_request_is_told_too(worlds: Worlds) -> None:
    world = giving_once(worlds, jobs_waiting=3)
    answer_once(world, lambda jobs: jobs[17])
    world.settle()
    assert lost(world) == []
    world.later(40.0)
    assert [one.wanted for one in lost(world)] == [7]


def test_a_system_that_was_not_reached_has_given_nothing(worlds: Worlds) -> None:
    world = giving_once(worlds, jobs_waiting=3)
    world.communicator.faults.fail("get_jobs", 3, "connection refused")
    for _ in range(4):
        world.later(30.0)
    assert (lost(world), under_way(world)) == ([], [])
    assert world.communicator.counts().get("activated", 0) == 0


def test_an_empty_answer_and_a_full_one_leave_nothing_behind(worlds: Worlds) -> None:
    world = giving_once(worlds, jobs_waiting=3)
    for _ in range(4):
        world.later(30.0)
    assert (lost(world), under_way(world)) == ([], [])
    assert "activated" not in world.communicator.counts()
