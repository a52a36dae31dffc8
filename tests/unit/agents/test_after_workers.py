"""What is done beside the rounds after the end of a worker: once, tried again, given up, and in nobody's way."""
from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.agents import after_workers
from harvester_hpc.agents.access_point import highest_number, place
from harvester_hpc.messenger.log_tar import Stopped
from harvester_hpc.messenger.post_processing import LeftBy
from harvester_hpc.messenger.values import AccessPoint
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.testing.contracts.batch import wait_until
from harvester_hpc.testing.fakes import FakeMessenger
from tests.unit.agents.world import World, make_world


class Processor:
    """A messenger with a post-processing that a test steers; all else is the fake's."""

    def __init__(self, inner: FakeMessenger) -> None:
        self.inner = inner
        self.done: set[int] = set()
        self.calls: list[tuple[int, tuple[int, ...]]] = []
        self.act: Callable[[Callable[[float], bool]], None] = lambda wait: None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)

    def wants_post_processing(self, *, true_pilot: bool) -> bool:
        return not true_pilot

    def is_post_processed(self, point: AccessPoint) -> bool:
        return point.worker_id in self.done

    def post_process(self, point: AccessPoint, jobs: Sequence[LeftBy], wait: Callable[[float], bool]) -> None:
        self.calls.append((point.worker_id, tuple(job.job_id for job in jobs)))
        self.act(wait)
        self.done.add(point.worker_id)


@pytest.fixture
def scene(tmp_path: Path) -> Iterator[tuple[World, Processor]]:
    world = make_world(tmp_path, jobs_waiting=2)
    processor = Processor(world.messenger)
    queues: Any = world.house.queues
    queues["Q"] = replace(queues["Q"], messenger=processor)
    yield world, processor
    for agent in world.agents.values():
        agent.close()
    world.database.close()


def pass_time(world: World, seconds: float = after_workers.SETTLE_S + 1.0) -> None:
    world.settle()
    world.later(seconds)


def test_a_worker_is_judged_when_it_is_done_and_it_is_done_once(scene: tuple[World, Processor]) -> None:
    world, processor = scene
    pass_time(world)
    wait_until(lambda: len(processor.done) == 2, 60.0, "both are done")
    assert {world.worker(number).state for number in (1, 2)} != {WorkerState.FINISHED}
    world.later(60.0)
    assert {world.worker(number).state for number in (1, 2)} == {WorkerState.FINISHED}
    assert sorted(processor.calls) == [(1, (world.worker(1).job_ids[0],)), (2, (world.worker(2).job_ids[0],))]


def test_what_takes_long_for_one_worker_holds_up_no_other(scene: tuple[World, Processor]) -> None:
    world, processor = scene
    go_on = threading.Event()

    def act(wait: Callable[[float], bool]) -> None:
        if processor.calls[-1][0] == 1:
            go_on.wait(60.0)

    processor.act = act
    pass_time(world)
    wait_until(lambda: 2 in processor.done or len(processor.calls) == 2, 60.0, "the other is done")
    wait_until(lambda: bool(processor.done), 60.0, "the other is done")
    world.later(60.0)
    ended = [number for number in (1, 2) if world.worker(number).state is WorkerState.FINISHED]
    go_on.set()
    assert len(ended) == 1


def test_a_file_system_that_is_away_is_tried_again_and_then_given_up(
    scene: tuple[World, Processor], monkeypatch: pytest.MonkeyPatch
) -> None:
    world, processor = scene
    monkeypatch.setattr(after_workers, "AGAIN_S", 0.0)

    def act(wait: Callable[[float], bool]) -> None:
        raise OSError(5, "Input/output error")

    processor.act = act
    pass_time(world)
    wait_until(lambda: len(processor.calls) >= 2, 60.0, "both were tried")
    for tries in (3, 5):
        world.later(60.0)
        wait_until(lambda tries=tries: len(processor.calls) >= tries, 60.0, "they are tried again")  # type: ignore[misc]
    assert world.worker(1).state is not WorkerState.FINISHED
    world.later(25 * 3600.0)
    world.later(60.0)
    assert world.worker(1).state is WorkerState.FINISHED


def test_a_defect_costs_the_log_and_not_the_worker(scene: tuple[World, Processor]) -> None:
    world, processor = scene

    def act(wait: Callable[[float], bool]) -> None:
        raise KeyError("defect")

    processor.act = act
    pass_time(world)
    wait_until(lambda: len(processor.calls) == 2, 60.0, "both were tried")
    wait_until(lambda: not world.agents["monitor"].is_busy(), 60.0, "they are through")
    world.later(60.0)
    assert {world.worker(number).state for number in (1, 2)} == {WorkerState.FINISHED}
    assert len(processor.calls) == 2


def test_the_next_process_does_what_this_one_has_not(scene: tuple[World, Processor]) -> None:
    world, processor = scene

    def act(wait: Callable[[float], bool]) -> None:
        if wait(60.0):
            raise Stopped

    processor.act = act
    pass_time(world)
    wait_until(lambda: len(processor.calls) == 2, 60.0, "both have begun")
    world.restart()
    assert processor.done == set()
    processor.act = lambda wait: None
    world.later(60.0)
    wait_until(lambda: len(processor.done) == 2, 60.0, "both are done")
    world.later(60.0)
    assert {world.worker(number).state for number in (1, 2)} == {WorkerState.FINISHED}


def test_digits_of_a_number_may_be_folders_and_the_highest_is_found_behind_them(tmp_path: Path) -> None:
    queue = Queue(name="Q", access_point=f"{tmp_path}/${{_workerID_3.2}}/w${{workerID}}", access_root=str(tmp_path))
    places = [Path(place(queue, number, "i")) for number in (7, 123, 98765, 4321)]
    assert [str(one.relative_to(tmp_path)) for one in places] == ["00/w7", "01/w123", "87/w98765", "43/w4321"]
    for one in places:
        one.mkdir(parents=True)
    assert highest_number(queue, "i") == 98765
