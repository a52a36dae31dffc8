"""Logs of workers: shown when they end, told of, kept, removed; and nobody waits for it who need not."""
from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.job import JobState
from harvester_hpc.model.turn import LOG_EXPOSER, MONITOR, SWEEPER
from harvester_hpc.model.worker import MapType, WorkerId, WorkerState
from harvester_hpc.model.worker_log import LogKeeping, LogState
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.store import worker_log as logs
from harvester_hpc.testing.fake_log_exposer import ADDRESS
from tests.unit.agents.test_pipeline import Worlds
from tests.unit.agents.world import World

KEEPING = LogKeeping(most=4000, keep_s=86400.0, patience_s=3600.0)
SECRET = "password=correct-horse"


class Crash(BaseException):
    """Nothing of ours catches it."""


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Worlds]:
    made = Worlds(tmp_path)
    yield made
    made.close()


def running(worlds: Worlds, keeping: LogKeeping | None = KEEPING, **settings: Any) -> World:
    """Return a world with one job whose worker runs, and its logs on disk."""
    queue = {"logs": keeping, "keep_s": dict.fromkeys(("finished", "failed", "cancelled"), 60.0), **settings.pop("queue", {})}
    world = worlds(jobs_waiting=1, instant=False, queue=queue, **settings)
    world.settle()
    point = Path(world.worker(1).access_point)
    many = world.worker(1).map_type is MapType.MANY_TO_ONE
    (point / "1").mkdir(parents=True)
    (point / "batch.log").write_text("the batch script\n")
    (point / "1" / "payload.stdout" if many else point / "payload.stdout").write_text(f"the payload\n{SECRET}\n")
    world.batch.start(world.worker(1).key)
    world.later(60.0)
    assert world.worker(1).state is WorkerState.RUNNING
    return world


def ended(world: World, *, then_s: float = 60.0) -> World:
    """Let the worker end, and its logs settle."""
    world.batch.end(world.worker(1).key)
    world.later(60.0)
    world.later(then_s)
    assert world.worker(1).state is WorkerState.FINISHED
    return world


def told(world: World) -> dict[str, str]:
    """Return the addresses that the workload management system knows."""
    return {str(kind): url for kind, url in world.communicator.workers[WorkerId(1)].logs.items()}


def state(world: World) -> LogState | None:
    with world.database.read() as connection:
        found = logs.by_ids(connection, [1]).get(1)
    return found.state if found else None


BOTH = {kind: f"{ADDRESS}/test__1.{kind}.txt" for kind in ("batch", "stdout")}


def test_the_logs_of_a_worker_that_has_ended_are_shown_and_told_without_secrets(worlds: Worlds) -> None:
    world = ended(running(worlds))
    assert told(world) == BOTH
    assert world.exposer.text(BOTH["stdout"]) == b"the payload\npassword=[masked]\n"
    assert world.communicator.workers[WorkerId(1)].state is WorkerState.FINISHED
    assert world.troubles() == []


def test_nothing_is_shown_of_a_running_worker_unless_that_is_asked_for(worlds: Worlds) -> None:
    world = running(worlds)
    assert (world.exposer.order, told(world), state(world)) == ([], {}, LogState.LIVE)


def test_a_worker_for_many_jobs_shows_what_its_only_job_prints(worlds: Worlds) -> None:
    world = ended(running(worlds, queue={"map_type": MapType.MANY_TO_ONE}))
    assert told(world) == BOTH
    assert world.exposer.text(BOTH["stdout"]) == b"the payload\npassword=[masked]\n"


def test_a_queue_without_an_exposer_keeps_no_book_of_logs(worlds: Worlds) -> None:
    world = ended(running(worlds, keeping=None))
    assert (world.exposer.order, told(world), state(world)) == ([], {}, None)


def test_a_folder_that_is_shown_as_it_is_has_addresses_while_the_worker_runs_and_copies_afterwards(worlds: Worlds, tmp_path: Path) -> None:
    world = running(worlds, live=str(tmp_path))
    live = told(world)
    assert live["batch"].startswith(f"{ADDRESS}/live/")
    assert set(live) == {"batch", "stdout", "stderr"}
    assert world.exposer.order == []
    assert told(ended(world)) == BOTH  # the file that never came has no address any more


def test_logs_of_a_running_worker_are_copied_by_the_clock_and_only_if_they_have_changed(worlds: Worlds) -> None:
    world = running(worlds, replace(KEEPING, live_s=100.0))
    assert sorted(world.exposer.order) == sorted(["test__1.batch.txt", "test__1.stdout.txt"])
    assert told(world) == BOTH
    world.later(150.0)
    assert len(world.exposer.order) == 2
    with (Path(world.worker(1).access_point) / "batch.log").open("a") as stream:
        stream.write("more\n")
    world.later(150.0)
    assert world.exposer.order[2:] == ["test__1.batch.txt"]
    ended(world)
    assert len(world.exposer.order) == 3
    assert world.exposer.text(BOTH["batch"]) == b"the batch script\nmore\n"


def test_the_end_is_told_while_the_logs_cannot_be_shown_and_they_follow(worlds: Worlds) -> None:
    world = running(worlds)
    world.exposer.faults.unavailable_for(10**6, "disk is away")
    ended(world)
    assert world.communicator.workers[WorkerId(1)].state is WorkerState.FINISHED
    assert world.job(1).state is JobState.FINISHED
    assert told(world) == {}
    (trouble,) = world.troubles()
    assert (trouble[0], trouble[1], "disk is away" in trouble[2]) == (LOG_EXPOSER, "Q", True)
    world.exposer.faults.clear()
    world.later(700.0)
    assert told(world) == BOTH
    assert world.troubles() == []


def test_a_worker_is_swept_after_its_logs_are_shown_and_not_before(worlds: Worlds) -> None:
    world = running(worlds)
    world.exposer.faults.unavailable_for(10**6)
    ended(world)
    world.later(1000.0)
    assert world.batch.swept == []
    world.exposer.faults.clear()
    world.later(1000.0)
    world.later(100.0)
    assert world.batch.swept == [world.worker(1).key]
    assert told(world) == BOTH


def test_patience_with_a_broken_exposer_has_an_end(worlds: Worlds) -> None:
    world = running(worlds)
    world.exposer.faults.unavailable_for(10**6)
    ended(world)
    for _ in range(12):
        world.later(400.0)
    assert world.batch.swept == [world.worker(1).key]
    assert (told(world), state(world)) == ({}, None)


def test_logs_that_cannot_be_shown_now_are_tried_again(worlds: Worlds) -> None:
    world = running(worlds)
    world.exposer.answers.extend([Retry(why="busy"), Retry(why="busy")])
    ended(world)
    world.later(700.0)
    world.later(700.0)
    assert told(world) == BOTH


def test_one_log_that_can_never_be_shown_holds_up_no_other(worlds: Worlds) -> None:
    world = running(worlds)
    world.exposer.answers.append(Failed(why="too odd"))
    ended(world)
    assert len(told(world)) == 1
    assert (state(world), world.troubles()) == (LogState.SHOWN, [])


def test_a_crash_after_the_logs_were_shown_shows_them_again_under_the_same_names(worlds: Worlds) -> None:
    dies = ["logs shown, not stored"]

    def reached(point: str) -> None:
        if point in dies:
            dies.remove(point)
            raise Crash

    world = running(worlds, reached=reached)
    world.batch.end(world.worker(1).key)
    with pytest.raises(Crash):
        for _ in range(9):
            world.later(60.0)
    assert (len(world.exposer.order), told(world)) == (2, {})
    world.restart()
    world.later(60.0)
    assert told(world) == BOTH
    assert set(world.exposer.order) == set(world.exposer.shown) == {"test__1.batch.txt", "test__1.stdout.txt"}
    assert len(world.exposer.order) == 4


def test_what_was_shown_is_removed_after_its_time_also_when_the_worker_is_forgotten(worlds: Worlds) -> None:
    keeping = replace(KEEPING, keep_s=10 * 86400.0)
    world = ended(running(worlds, keeping))
    for _ in range(8):
        world.later(86400.0)
    with world.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM worker").fetchone() == (0,)
    assert world.exposer.text(BOTH["batch"]) is not None
    world.exposer.faults.fail("hide_log", 1)
    for _ in range(3):
        world.later(86400.0)
    assert (world.exposer.shown, state(world)) == ({}, None)


def test_a_worker_without_logs_leaves_nothing_behind(worlds: Worlds) -> None:
    world = running(worlds)
    for file in Path(world.worker(1).access_point).rglob("*.*"):
        file.unlink()
    ended(world)
    assert (world.exposer.order, state(world)) == ([], None)
    world.later(100.0)
    assert world.batch.swept == [world.worker(1).key]


@pytest.mark.parametrize("kind", ["link", "folder behind a link", "pipe", "folder"])
def test_nothing_is_shown_through_a_link_or_of_what_is_no_file(worlds: Worlds, tmp_path: Path, kind: str) -> None:
    world = running(worlds, queue={"map_type": MapType.MANY_TO_ONE})
    point = Path(world.worker(1).access_point)
    far = tmp_path / "far"
    far.mkdir()
    (far / "payload.stdout").write_text("private")
    (point / "1" / "payload.stdout").unlink()
    match kind:
        case "link":
            (point / "1" / "payload.stdout").symlink_to(far / "payload.stdout")
        case "folder behind a link":
            (point / "1").rmdir()
            (point / "1").symlink_to(far)
        case "pipe":
            os.mkfifo(point / "1" / "payload.stdout")
        case _:
            (point / "1" / "payload.stdout").mkdir()
    ended(world)
    assert told(world) == {"batch": BOTH["batch"]}
    assert b"private" not in b"".join(world.exposer.shown.values())


def test_when_nobody_shows_logs_any_more_the_rest_goes_on(worlds: Worlds) -> None:
    world = running(worlds)
    plugins = world.house.queues["Q"]
    world.house = replace(world.house, queues={"Q": replace(plugins, queue=replace(plugins.queue, logs=None), log_exposer=None)})
    world.restart()
    ended(world, then_s=200.0)
    world.later(100.0)
    assert (told(world), state(world)) == ({}, None)
    assert world.batch.swept == [world.worker(1).key]


def test_a_worker_that_ends_while_its_logs_are_copied_is_shown_once_more(worlds: Worlds) -> None:
    ends: list[World] = []

    def reached(point: str) -> None:
        if point == "logs shown, not stored" and ends:
            world = ends.pop()
            (Path(world.worker(1).access_point) / "batch.log").write_text("the last words\n")
            world.batch.end(world.worker(1).key)
            world.run(MONITOR)

    world = running(worlds, replace(KEEPING, live_s=100.0), reached=reached)
    (Path(world.worker(1).access_point) / "batch.log").write_text("some words\n")
    ends.append(world)
    world.clock.advance(150.0)
    world.run(LOG_EXPOSER)
    assert state(world) is LogState.WANTED
    world.later(60.0)
    assert world.exposer.text(BOTH["batch"]) == b"the last words\n"
    assert (state(world), world.run(SWEEPER)) == (LogState.SHOWN, 0)
