"""Late binding: workers are submitted without jobs, and get them when they ask; and workers that fetch their jobs themselves."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.values import News
from harvester_hpc.model.command import Command, CommandKind
from harvester_hpc.model.worker import MapType, WorkerPlan, WorkerState
from harvester_hpc.ports.outcome import Failed
from harvester_hpc.store import command as commands
from harvester_hpc.store import job_request as requests
from harvester_hpc.store import worker as workers
from harvester_hpc.testing.fakes import FixedWorkerMaker
from tests.unit.agents.world import World, make_world

SILENT = News()


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Any]:
    made: list[World] = []

    def world(size: int = 1, cores: int = 1, nodes: int = 1, walltime_s: int = 3600, **settings: Any) -> World:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        queue = {"late": True, "late_wait_s": 60.0, **settings.pop("queue", {})}
        one = make_world(folder, queue=queue, instant=False, finishes=False, **settings)
        one.maker.settings = FixedWorkerMaker.Settings(jobs_per_worker=size)
        one.maker.answer = WorkerPlan(nodes=nodes, cores=cores, walltime_s=walltime_s)
        made.append(one)
        return one

    yield world
    for one in made:
        for agent in one.agents.values():
            agent.close()
        one.database.close()


def many(**more: Any) -> dict[str, Any]:
    return {"map_type": MapType.MANY_TO_ONE, **more}


def look_at(world: World, worker_id: int) -> None:
    with world.database.write() as write:
        workers.hurry(write, [worker_id])
    world.settle()


def start(world: World, worker_id: int) -> None:
    world.batch.start(world.worker(worker_id).key)
    look_at(world, worker_id)
    assert world.worker(worker_id).state is WorkerState.RUNNING


def asks(world: World, worker_id: int, number: int = 1) -> None:
    world.messenger.ask_for_jobs(worker_id, number)
    world.settle()


def end(world: World, worker_id: int, exit_code: int = 0) -> None:
    world.batch.end(world.worker(worker_id).key, exit_code)
    look_at(world, worker_id)


def states(world: World, *ids: int) -> list[str]:
    return [world.job(job_id).state.value for job_id in ids]


def command(world: World, kind: CommandKind, *ids: int) -> None:
    with world.database.write() as write:
        commands.insert(write, [Command(id=f"{kind}{ids}", kind=kind, ids=ids, why="enough")])


def open_requests(world: World) -> list[int]:
    with world.database.read() as connection:
        return [one.worker_id for one in requests.due(connection, 1e12, 100)]


# -- how many workers -------------------------------------------------------------------------


def test_no_worker_is_submitted_when_nothing_waits(worlds: Any) -> None:
    world = worlds()
    world.later(100.0)
    assert world.batch.submissions == []


def test_there_are_as_many_workers_as_waiting_jobs_can_use_and_they_have_none(worlds: Any) -> None:
    world = worlds(jobs_waiting=3)
    world.settle()
    world.later(60.0)
    assert len(world.batch.submissions) == 3
    assert [world.worker(number).job_ids for number in (1, 2, 3)] == [()] * 3
    assert states(world, 1, 2, 3) == ["prepared"] * 3 and world.messenger.answers == []


@pytest.mark.parametrize("limit", [{"max_workers": 2}, {"limit_queued_workers": 2}])
def test_the_limits_of_the_queue_hold_for_late_workers(worlds: Any, limit: dict[str, int]) -> None:
    world = worlds(jobs_waiting=5, queue=limit)
    world.settle()
    world.later(60.0)
    assert len(world.batch.submissions) == 2


def test_a_worker_for_many_jobs_is_made_for_a_chunk_and_speaks_for_it_while_it_works(worlds: Any) -> None:
    world = worlds(size=4, cores=2, jobs_waiting=4, queue=many())
    world.settle()
    start(world, 1)
    asks(world, 1, 2)
    world.later(60.0)
    assert len(world.batch.submissions) == 1, "two of the four wait for their turn in the worker that was made for them"
    world.communicator.add_jobs(1)
    world.later(60.0)
    assert len(world.batch.submissions) == 2


def test_a_worker_that_does_not_ask_soon_speaks_for_no_job_any_more(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    start(world, 1)
    world.later(100.0)
    assert len(world.batch.submissions) == 1
    world.later(100.0)
    assert len(world.batch.submissions) == 2


def test_a_worker_that_is_to_be_killed_speaks_for_no_job(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    command(world, CommandKind.KILL_WORKERS, 1)
    world.later(2.0)
    assert world.worker(1).state is WorkerState.CANCELLED and len(world.batch.submissions) == 2


# -- asking and binding -----------------------------------------------------------------------


def test_a_worker_that_asks_gets_a_job_that_begins_and_ends_as_any_other(worlds: Any) -> None:
    world = worlds(jobs_waiting=1, outputs=())
    world.settle()
    start(world, 1)
    asks(world, 1)
    assert world.worker(1).job_ids == (1,) and states(world, 1) == ["submitted"]
    assert world.messenger.answers == [(1, (1,))] and open_requests(world) == []
    world.messenger.tell(1, News(begun=frozenset({1}), attributes={1: {"node": "n1"}}))
    world.settle()
    assert states(world, 1) == ["running"]
    world.messenger.tell(1, News(begun=frozenset({1}), job_status={1: "finished"}))
    end(world, 1)
    assert states(world, 1) == ["finished"]
    assert [one.status for one in world.communicator.reports if one.job_id == 1] == ["starting", "running", "finished"]


def test_a_worker_is_served_although_the_batch_system_has_not_said_that_it_runs(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    asks(world, 1)
    assert world.worker(1).state is WorkerState.SUBMITTED and world.worker(1).job_ids == (1,)
    world.batch.start(world.worker(1).key)
    world.later(2.0)
    assert states(world, 1) == ["submitted"], "it runs when it is begun, and not when its worker does"


def test_the_most_urgent_job_goes_first_and_none_goes_twice(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.communicator.add_jobs(1, currentPriority=5000)
    world.settle()
    start(world, 1)
    start(world, 2)
    world.messenger.ask_for_jobs(1, 1)
    asks(world, 2)
    assert sorted([world.worker(1).job_ids, world.worker(2).job_ids]) == [(1,), (2,)]
    assert world.messenger.answers[0][1] == (2,)


def test_a_worker_that_asks_twice_has_one_job(worlds: Any) -> None:
    world = worlds(jobs_waiting=2)
    world.settle()
    start(world, 1)
    asks(world, 1)
    asks(world, 1, 5)
    world.later(61.0)
    assert world.worker(1).job_ids == (1,)
    assert world.messenger.answers == [(1, (1,)), (1, ())] and states(world, 2) == ["prepared"]


def test_many_jobs_are_bound_as_they_fit_side_by_side_and_more_as_they_end(worlds: Any) -> None:
    world = worlds(size=4, cores=2, jobs_waiting=4, queue=many(), outputs=())
    world.settle()
    start(world, 1)
    asks(world, 1, 8)
    assert world.worker(1).job_ids == (1, 2) and states(world, 3, 4) == ["prepared"] * 2
    world.messenger.tell(1, News(begun=frozenset({1, 2}), job_status={1: "finished"}))
    world.settle()
    asks(world, 1, 1)
    assert world.worker(1).job_ids == (1, 2, 3) and states(world, 1, 4) == ["finished", "prepared"]


def test_a_job_is_bound_only_where_it_fits_and_can_end(worlds: Any) -> None:
    world = worlds(size=4, nodes=2, cores=8, queue=many(mixture=True))
    for asked in ({"coreCount": 5}, {"maxWalltime": 5000}, {"coreCount": 4}):
        world.communicator.add_jobs(1, **asked)
    world.settle()
    start(world, 1)
    asks(world, 1, 8)
    assert world.worker(1).job_ids == (3,), "a node has 4 cores, and the worker 3600 s and a tenth"


def test_tasks_share_a_late_worker_only_where_that_is_allowed(worlds: Any) -> None:
    world = worlds(size=4, cores=4, queue=many())
    for task in (7, 8, 7):
        world.communicator.add_jobs(1, taskID=task)
    world.settle()
    start(world, 1)
    asks(world, 1, 4)
    assert world.worker(1).job_ids == (1, 3)


# -- no job there -----------------------------------------------------------------------------


def test_a_worker_waits_for_a_job_and_then_hears_that_there_is_none(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    command(world, CommandKind.KILL_JOBS, 1)
    world.settle()
    start(world, 1)
    asks(world, 1)
    due = world.agents["messenger"].next_due()
    assert world.messenger.answers == [] and due is not None and due <= world.clock.now() + 60.0
    world.later(59.0)
    assert world.messenger.answers == []
    world.later(1.0)
    assert world.messenger.answers == [(1, ())] and open_requests(world) == []
    end(world, 1)
    assert world.worker(1).state is WorkerState.FINISHED


def test_a_job_that_comes_while_a_worker_waits_is_bound_at_once(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    command(world, CommandKind.KILL_JOBS, 1)
    world.settle()
    start(world, 1)
    asks(world, 1)
    world.communicator.add_jobs(1)
    world.later(31.0)
    assert world.worker(1).job_ids == (2,) and len(world.batch.submissions) == 1


def test_a_worker_waits_for_a_small_part_of_its_walltime_only(worlds: Any) -> None:
    world = worlds(jobs_waiting=1, walltime_s=100)
    world.settle()
    command(world, CommandKind.KILL_JOBS, 1)
    world.settle()
    start(world, 1)
    asks(world, 1)
    world.later(10.0)
    assert world.messenger.answers == [(1, ())]


def test_workers_that_end_without_a_job_again_and_again_are_made_ever_more_rarely(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    for number in (1, 2, 3):
        start(world, number)
        end(world, number, 1)
        assert len(world.batch.submissions) == number
        assert "in a row ended without a job" in str(world.troubles())
        world.later(30.0)
        assert len(world.batch.submissions) == number + 1
    start(world, 4)
    asks(world, 4)
    assert states(world, 1) == ["submitted"] and world.troubles() == []


# -- workers that die -------------------------------------------------------------------------


@pytest.mark.parametrize("settings", [{}, {"queue": many()}])
def test_jobs_of_a_worker_that_died_before_it_began_them_go_to_another(worlds: Any, settings: dict[str, Any]) -> None:
    world = worlds(jobs_waiting=1, outputs=(), **settings)
    world.settle()
    start(world, 1)
    asks(world, 1)
    end(world, 1, 1)
    assert world.messenger.fenced_jobs == [(1, 1)] and states(world, 1) == ["prepared"]
    world.later(30.0)
    start(world, 2)
    asks(world, 2)
    assert world.worker(2).job_ids == (1,)
    world.messenger.tell(2, News(begun=frozenset({1}), job_status={1: "finished"}))
    end(world, 2)
    assert states(world, 1) == ["finished"]


def test_a_job_that_was_begun_is_not_run_again(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    start(world, 1)
    asks(world, 1)
    world.messenger.begun[1] = {1}
    end(world, 1, 1)
    world.later(60.0)
    assert states(world, 1) == ["failed"] and len(world.batch.submissions) == 1


def test_a_job_that_no_worker_ever_begins_fails_in_the_end(worlds: Any) -> None:
    world = worlds(jobs_waiting=1, queue={"max_submissions": 2})
    world.settle()
    for number in (1, 2):
        start(world, number)
        asks(world, number)
        end(world, number, 1)
        world.later(60.0)
    assert states(world, 1) == ["failed"] and "2 workers ended without having begun it" in world.job(1).why


def test_a_worker_that_has_ended_or_is_to_end_gets_no_job(worlds: Any) -> None:
    world = worlds(jobs_waiting=2)
    world.settle()
    start(world, 1)
    start(world, 2)
    world.messenger.ask_for_jobs(1, 1)
    command(world, CommandKind.KILL_WORKERS, 1)
    world.run("command_manager", "messenger")
    assert world.worker(1).job_ids == () and world.messenger.answers == []
    world.messenger.ask_for_jobs(2, 1)
    world.batch.end(world.worker(2).key)
    world.clock.advance(60.0)
    world.run("monitor", "messenger")
    world.later(2.0)
    assert world.worker(2).job_ids == () and states(world, 1, 2) == ["prepared"] * 2


def test_a_job_that_is_bound_while_its_worker_is_found_to_have_ended_is_not_lost(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    start(world, 1)
    world.batch.end(world.worker(1).key, 1)
    collect = world.messenger.collect
    done: list[int] = []

    def bound_meanwhile(point: Any, **how: Any) -> News:
        if not done:
            done.append(1)
            world.messenger.ask_for_jobs(1, 1)
            with world.database.write() as write:
                requests.note(write, 1)
                assert requests.bind(write, 1, [world.job(1).id]) == [1]
        return collect(point, **how)

    world.messenger.collect = bound_meanwhile  # type: ignore[method-assign]
    look_at(world, 1)
    world.later(1.0)
    assert world.worker(1).state is WorkerState.FAILED and states(world, 1) == ["prepared"]


# -- kill and cancel --------------------------------------------------------------------------


def test_killing_a_job_before_it_is_bound_ends_it_and_no_worker_gets_it(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    start(world, 1)
    command(world, CommandKind.KILL_JOBS, 1)
    asks(world, 1)
    assert states(world, 1) == ["cancelled"] and world.worker(1).job_ids == ()


def test_killing_the_job_of_a_worker_kills_the_worker(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    start(world, 1)
    asks(world, 1)
    world.messenger.begun[1] = {1}
    command(world, CommandKind.KILL_JOBS, 1)
    world.later(2.0)
    world.later(2.0)
    assert world.worker(1).state is WorkerState.CANCELLED and states(world, 1) == ["cancelled"]


def test_killing_all_jobs_of_a_worker_that_asks_for_others_does_not_kill_it(worlds: Any) -> None:
    world = worlds(size=4, cores=4, jobs_waiting=2, queue=many())
    world.settle()
    start(world, 1)
    asks(world, 1, 4)
    world.messenger.begun[1] = {1}
    command(world, CommandKind.KILL_JOBS, 1, 2)
    world.later(2.0)
    assert world.worker(1).kill == "" and world.messenger.asked_to_end == [(1, 1)]
    assert states(world, 2) == ["cancelled"] and (1, 2) in world.messenger.fenced_jobs


def test_a_worker_that_is_killed_gives_back_what_it_has_not_begun(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    start(world, 1)
    asks(world, 1)
    command(world, CommandKind.KILL_WORKERS, 1)
    world.later(2.0)
    world.later(2.0)
    assert world.worker(1).state is WorkerState.CANCELLED and states(world, 1) == ["prepared"]


# -- our own death ----------------------------------------------------------------------------


class Died(BaseException):
    """A kill -9, as far as a thread can have one."""


@pytest.mark.parametrize("point", ["jobs bound late", "jobs fed late"])
@pytest.mark.parametrize("settings", [{}, {"queue": many(), "size": 2, "cores": 2}])
def test_a_death_between_binding_and_feeding_changes_nothing(worlds: Any, point: str, settings: dict[str, Any]) -> None:
    armed: list[str] = []

    def reached(name: str) -> None:
        if name in armed:
            armed.remove(name)
            raise Died

    world = worlds(jobs_waiting=2, reached=reached, outputs=(), **settings)
    world.settle()
    start(world, 1)
    armed.append(point)
    with pytest.raises(Died):
        asks(world, 1, 2)
    bound = world.worker(1).job_ids
    assert bound and open_requests(world) == [1]
    world.restart()
    world.settle()
    assert world.worker(1).job_ids == bound and open_requests(world) == []
    assert world.messenger.answers == [(1, bound)], "the letters were written, and once"
    assert states(world, *bound) == ["submitted"] * len(bound)


def test_letters_that_cannot_be_written_are_written_later(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    start(world, 1)
    feed, broken = world.messenger.feed_jobs, [True]

    def feed_jobs(*words: Any) -> None:
        if broken:
            raise OSError("no space left on device")
        feed(*words)

    world.messenger.feed_jobs = feed_jobs  # type: ignore[method-assign]
    asks(world, 1)
    assert world.worker(1).job_ids == (1,) and world.messenger.answers == []
    broken.clear()
    world.later(16.0)
    assert world.messenger.answers == [(1, (1,))] and open_requests(world) == []


def test_a_submission_that_is_repeated_after_a_death_is_late_again(worlds: Any) -> None:
    world = worlds(jobs_waiting=1)
    world.batch.faults.fail("submit_workers", 1)
    world.settle()
    assert world.worker(1).state is WorkerState.PLANNED and world.worker(1).late
    world.restart()
    world.later(30.0)
    assert world.worker(1).state is WorkerState.SUBMITTED and world.worker(1).late and len(world.batch.submissions) == 1


# -- workers that fetch their jobs themselves -------------------------------------------------


def pull(**more: Any) -> dict[str, Any]:
    return {"map_type": MapType.NO_JOB, "late": False, "limit_jobs": None, **more}


def test_workers_that_fetch_their_jobs_are_as_many_as_the_limits_allow(worlds: Any) -> None:
    world = worlds(jobs_waiting=5, queue=pull(limit_queued_workers=2, max_workers=3))
    world.settle()
    assert len(world.batch.submissions) == 2 and world.communicator.counts() == {"activated": 5}, "no job is fetched"
    start(world, 1)
    start(world, 2)
    world.later(30.0)
    assert len(world.batch.submissions) == 3
    end(world, 1)
    world.later(30.0)
    assert len(world.batch.submissions) == 4 and world.worker(1).state is WorkerState.FINISHED
    assert world.messenger.answers == []


def test_workers_that_fetch_and_fail_at_once_are_made_ever_more_rarely(worlds: Any) -> None:
    world = worlds(queue=pull(limit_queued_workers=1, max_workers=1))
    world.settle()
    for number in (1, 2, 3):
        start(world, number)
        assert len(world.batch.submissions) == number
        end(world, number, 1)
        world.settle()
        assert len(world.batch.submissions) == number and "in a row ended within 300 s" in str(world.troubles())
        world.later(40.0)
        assert len(world.batch.submissions) == number + 1


def test_pilots_that_find_nothing_to_do_are_made_ever_more_rarely_and_those_that_work_are_not(worlds: Any) -> None:
    world = worlds(queue=pull(limit_queued_workers=1, max_workers=1))
    world.settle()

    def begins(number: int) -> None:
        start(world, number)
        with world.database.write() as write:  # as a monitor says that asks the batch system
            write.connection.execute("UPDATE worker SET started = ? WHERE worker_id = ?", (world.clock.now(), number))

    for number in (1, 2):
        begins(number)
        end(world, number)
        world.settle()
        assert len(world.batch.submissions) == number and f"{number} worker(s) in a row ended" in str(world.troubles())
        world.later(40.0)
        assert len(world.batch.submissions) == number + 1
    begins(3)
    world.later(90.0)
    end(world, 3)
    world.settle()
    assert len(world.batch.submissions) == 4


def test_a_maker_without_a_size_for_them_is_a_trouble_of_the_queue(worlds: Any) -> None:
    world = worlds(queue=pull(limit_queued_workers=1))
    world.maker.answer = Failed(why="9 nodes are too many")
    world.settle()
    assert world.batch.submissions == [] and "9 nodes are too many" in str(world.troubles())
    world.maker.answer = WorkerPlan(nodes=1, cores=1, walltime_s=60)
    world.later(30.0)
    assert len(world.batch.submissions) == 1 and world.troubles() == []


