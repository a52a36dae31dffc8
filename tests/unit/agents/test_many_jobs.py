"""Many jobs in one worker: each is begun, judged and given back by itself."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.values import AccessPoint, DeclaredFile, News
from harvester_hpc.model.command import Command, CommandKind
from harvester_hpc.model.file import FileState
from harvester_hpc.model.job import JobState, Outcome
from harvester_hpc.model.worker import MapType, WorkerState
from harvester_hpc.ports.batch import Refused
from harvester_hpc.store import command as commands
from harvester_hpc.testing.fakes import FixedWorkerMaker
from tests.unit.agents.world import World, make_world


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Any]:
    made: list[World] = []

    def world(size: int = 4, wait_s: float = 0.0, **settings: Any) -> World:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        queue = {"map_type": MapType.MANY_TO_ONE, **settings.pop("queue", {})}
        one = make_world(folder, queue=queue, **settings)
        one.maker.settings = FixedWorkerMaker.Settings(jobs_per_worker=size, full_chunk_wait_s=wait_s)
        made.append(one)
        return one

    yield world
    for one in made:
        for agent in one.agents.values():
            agent.close()
        one.database.close()


def running(worlds: Any, number: int = 4, **settings: Any) -> World:
    """Return a world with one worker that runs and has begun nothing yet."""
    world: World = worlds(jobs_waiting=number, instant=False, finishes=False, **settings)
    world.settle()
    world.batch.start(world.worker(1).key)
    world.later(2.0)
    assert world.worker(1).state is WorkerState.RUNNING
    return world


def states(world: World, *ids: int) -> list[str]:
    return [world.job(job_id).state.value for job_id in ids]


def output(job_id: int) -> DeclaredFile:
    return DeclaredFile(job_id=job_id, lfn=f"out.{job_id}", path=f"/x/{job_id}/out.{job_id}", kind="output", size=1)


def told(world: World, job_id: int) -> list[str]:
    return [report.status for report in world.communicator.reports if report.job_id == job_id]


def kill_job(world: World, job_id: int) -> None:
    with world.database.write() as write:
        commands.insert(write, [Command(id=f"k{job_id}", kind=CommandKind.KILL_JOBS, ids=(job_id,), why="enough")])


def test_a_full_chunk_is_one_worker(worlds: Any) -> None:
    world = worlds(jobs_waiting=8)
    world.settle()
    world.later(2.0)
    assert world.communicator.counts() == {"finished": 8}
    assert len(world.batch.submissions) == 2
    assert sorted(map(len, (world.worker(1).job_ids, world.worker(2).job_ids))) == [4, 4]


def test_a_part_of_a_chunk_waits_and_does_not_starve(worlds: Any) -> None:
    world = worlds(jobs_waiting=6, wait_s=100.0)
    world.settle()
    assert len(world.batch.submissions) == 1
    world.later(50.0)
    assert len(world.batch.submissions) == 1
    due = world.agents["submitter"].next_due()
    assert due is not None and due <= world.clock.now() + 50.0
    world.later(50.0)
    assert len(world.batch.submissions) == 2 and len(world.worker(2).job_ids) == 2


def test_others_fill_a_part_of_a_chunk_before_its_time(worlds: Any) -> None:
    world = worlds(jobs_waiting=3, wait_s=1000.0)
    world.settle()
    assert world.batch.submissions == []
    world.communicator.add_jobs(1)
    world.later(30.0)
    world.later(2.0)
    assert world.worker(1).job_ids == (1, 2, 3, 4)


@pytest.mark.parametrize(("mixture", "chunks"), [(False, [(1, 3), (2, 4)]), (True, [(1, 2), (3, 4)])])
def test_tasks_share_a_worker_only_where_that_is_allowed(worlds: Any, mixture: bool, chunks: list[tuple[int, ...]]) -> None:
    world = worlds(size=2, queue={"mixture": mixture})
    for task in (7, 8, 7, 8):
        world.communicator.add_jobs(1, taskID=task)
    world.settle()
    assert [world.worker(1).job_ids, world.worker(2).job_ids] == chunks


def test_a_job_that_fits_into_no_worker_does_not_sink_its_neighbours(worlds: Any) -> None:
    world = worlds()
    world.maker.largest_cores = 8
    world.communicator.add_jobs(3, coreCount=8)
    world.communicator.add_jobs(1, coreCount=9)
    world.settle()
    world.later(2.0)
    assert states(world, 1, 2, 3, 4) == ["finished", "finished", "finished", "failed"]
    assert world.job(4).why == "too many cores" and world.worker(1).job_ids == (1, 2, 3)


def test_a_job_runs_when_it_is_begun_and_not_when_its_worker_does(worlds: Any) -> None:
    world = running(worlds)
    assert states(world, 1, 2, 3, 4) == ["submitted"] * 4
    world.messenger.tell(1, News(begun=frozenset({1, 2})))
    world.later(2.0)
    assert states(world, 1, 2, 3, 4) == ["running", "running", "submitted", "submitted"]
    assert told(world, 1) == ["starting", "running"] and told(world, 3) == ["starting"]


def test_what_is_through_is_staged_out_while_the_worker_runs(worlds: Any) -> None:
    world = running(worlds)
    news = News(
        begun=frozenset({1, 2, 3}), job_status={1: "finished", 2: "failed"}, attributes={2: {"exeErrorDiag": "exit code 65"}},
        files=(output(1), output(2)), taken=(Path("/letter"),),
    )
    world.messenger.tell(1, news)
    world.later(2.0)
    assert states(world, 1, 2, 3, 4) == ["finished", "failed", "running", "submitted"]
    assert world.job(2).why == "exit code 65" and told(world, 1)[-1] == "finished" and told(world, 2)[-1] == "failed"
    assert world.worker(1).state is WorkerState.RUNNING


def test_a_finished_job_waits_for_its_letters_and_none_is_lost(worlds: Any) -> None:
    """Its word comes before its outputs do, as pilots have it, or its outputs are not visible yet."""
    world = running(worlds)
    world.messenger.tell(1, News(begun=frozenset({1}), job_status={1: "finished"}))
    world.later(2.0)
    assert states(world, 1) == ["running"]
    world.messenger.tell(1, News(begun=frozenset({1}), job_status={1: "finished"}, files=(output(1),), taken=(Path("/late"),)))
    world.later(2.0)
    assert states(world, 1) == ["finished"]
    assert [file.state for file in world.job(1).files] == [FileState.FINISHED]


def test_a_killed_worker_fails_what_it_had_begun_and_gives_back_the_rest(worlds: Any) -> None:
    world = running(worlds)
    world.messenger.tell(1, News(begun=frozenset({1, 2}), job_status={1: "finished"}, files=(output(1),), taken=(Path("/letter"),)))
    world.later(2.0)
    world.batch.end(world.worker(1).key, exit_code=137)
    world.later(60.0)
    assert states(world, 1, 2) == ["finished", "failed"]
    assert "it was begun, and its worker ended without a word on it" in world.job(2).why
    assert sorted(world.messenger.fenced_jobs) == [(1, 3), (1, 4)]
    assert [world.worker(2).job_ids, world.job(3).submissions, world.job(4).submissions] == [(3, 4), 1, 1]
    world.batch.start(world.worker(2).key)
    files = (output(3), output(4))
    world.messenger.tell(2, News(begun=frozenset({3, 4}), job_status=dict.fromkeys((3, 4), "finished"), files=files, taken=(Path("/2"),)))
    world.later(2.0)
    assert states(world, 3, 4) == ["finished", "finished"]
    assert [told(world, job_id)[-1] for job_id in (1, 2, 3, 4)] == ["finished", "failed", "finished", "finished"]
    assert len(world.batch.submissions) == 2


def test_what_a_launcher_takes_at_the_last_moment_is_not_given_to_another(worlds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its letter was not seen yet, but its claim is faster than our fence."""
    world = running(worlds)
    world.messenger.tell(1, News(begun=frozenset({1})))
    world.later(2.0)
    world.messenger.begun[1] = {2}
    world.messenger.tell(1, News(begun=frozenset({1}), job_status={1: "failed"}))
    with monkeypatch.context() as patch:
        older = News(begun=frozenset({1}), job_status={1: "failed"})
        patch.setattr(world.messenger, "collect", lambda point, last=False, rung=False: older)
        world.batch.end(world.worker(1).key, exit_code=1)
        world.later(60.0)
    assert states(world, 1, 2) == ["failed", "failed"]
    assert world.worker(2).job_ids == (3, 4)


def test_a_good_end_of_the_worker_says_nothing_of_a_job_that_was_lost_in_it(worlds: Any) -> None:
    world = running(worlds, outputs=())
    world.messenger.tell(1, News(begun=frozenset({1, 2}), job_status={1: "finished"}))
    world.later(2.0)
    world.batch.end(world.worker(1).key)
    world.later(60.0)
    assert states(world, 1, 2) == ["finished", "failed"]


def test_jobs_that_no_worker_ever_begins_are_given_up(worlds: Any) -> None:
    world = worlds(jobs_waiting=2, size=2, instant=False, finishes=False, queue={"max_submissions": 3})
    world.settle()
    for number in (1, 2, 3):
        world.batch.start(world.worker(number).key)
        world.later(2.0)
        world.batch.end(world.worker(number).key, exit_code=1)
        world.later(60.0)
    assert states(world, 1, 2) == ["failed", "failed"]
    assert "3 workers ended without having begun it" in world.job(1).why
    assert len(world.batch.submissions) == 3


def test_a_requeued_worker_keeps_its_jobs(worlds: Any) -> None:
    world = running(worlds)
    world.messenger.tell(1, News(begun=frozenset({1})))
    world.later(2.0)
    world.batch.requeue(world.worker(1).key)
    world.later(2.0)
    assert states(world, 1, 2) == ["running", "submitted"]
    assert world.worker(1).state is WorkerState.SUBMITTED


def test_one_job_is_killed_and_its_neighbours_go_on(worlds: Any) -> None:
    world = running(worlds)
    world.messenger.begun[1] = {1, 2}
    world.messenger.tell(1, News())
    world.later(2.0)
    kill_job(world, 1)
    kill_job(world, 3)
    world.later(2.0)
    assert states(world, 1, 2, 3, 4) == ["running", "running", "cancelled", "submitted"]
    assert (world.messenger.asked_to_end, world.messenger.fenced_jobs) == ([(1, 1)], [(1, 3)])
    assert world.batch.killed == [] and world.worker(1).kill == ""
    world.messenger.tell(1, News(job_status={1: "failed"}, attributes={1: {"exeErrorDiag": "killed by signal SIGTERM"}}))
    world.later(2.0)
    assert (world.job(1).state, world.job(1).why) == (JobState.CANCELLED, "enough")
    assert world.worker(1).state is WorkerState.RUNNING


def test_a_worker_of_which_no_job_is_wanted_is_killed(worlds: Any) -> None:
    world = running(worlds, 2, size=2)
    kill_job(world, 1)
    kill_job(world, 2)
    world.later(2.0)
    assert world.batch.killed == [world.worker(1).key]


def test_a_refused_worker_gives_all_its_jobs_back(worlds: Any) -> None:
    world = worlds(jobs_waiting=4)
    world.batch.answer([Refused(why="Invalid account")])
    world.settle()
    assert states(world, 1, 2, 3, 4) == ["prepared"] * 4
    world.later(10.0)
    world.later(2.0)
    assert states(world, 1, 2, 3, 4) == ["finished"] * 4


def test_what_the_time_limit_took_down_says_so(worlds: Any) -> None:
    world = running(worlds, 2, size=2)
    words = {1: {"exeErrorDiag": "exit code 65"}, 2: {"exeErrorDiag": "killed by signal SIGTERM"}}
    world.messenger.tell(1, News(begun=frozenset({1, 2})))
    world.later(2.0)
    world.messenger.tell(1, News(begun=frozenset({1, 2}), job_status=dict.fromkeys((1, 2), "failed"), attributes=words))
    world.batch.end(world.worker(1).key, exit_code=0, state=WorkerState.CANCELLED)
    world.run("messenger")
    assert states(world, 1, 2) == ["to_transfer", "running"], "who took the second one down is not known yet"
    world.later(60.0)
    assert [(world.job(one).outcome, world.job(one).why) for one in (1, 2)] == [
        (Outcome.FAILED, "exit code 65"), (Outcome.CANCELLED, "the batch job was cancelled (killed by signal SIGTERM)"),
    ]


def test_a_job_that_is_seen_to_begin_while_its_worker_is_judged_is_judged_too(worlds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The messenger moves it between the monitor's look at the letters and the monitor's word."""
    world = running(worlds)
    fence_job = world.messenger.fence_job

    def meanwhile(point: AccessPoint, job_id: int) -> bool:
        world.run("messenger")
        assert states(world, 1) == ["running"]
        return fence_job(point, job_id)

    monkeypatch.setattr(world.messenger, "fence_job", meanwhile)
    world.messenger.tell(1, News(begun=frozenset({1})))
    world.batch.end(world.worker(1).key, exit_code=1)
    world.clock.advance(60.0)
    world.run("monitor")
    monkeypatch.undo()
    assert states(world, 1, 2, 3, 4) == ["to_transfer", "prepared", "prepared", "prepared"]


def test_the_folders_of_jobs_that_are_over_are_not_looked_into_again(worlds: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = running(worlds)
    world.messenger.tell(1, News(begun=frozenset({1, 2}), job_status={1: "finished"}, files=(output(1),), taken=(Path("/letter"),)))
    world.later(2.0)
    collect, asked = world.messenger.collect, []

    def noted(point: AccessPoint, *, last: bool = False, rung: bool = False) -> News:
        asked.append(point.job_ids)
        return collect(point, last=last)

    monkeypatch.setattr(world.messenger, "collect", noted)
    world.messenger.tell(1, News(begun=frozenset({1, 2})))
    world.later(2.0)
    assert asked == [(2, 3, 4)]


def test_jobs_that_wait_for_others_say_so_until_they_have_a_worker(worlds: Any) -> None:
    world: World = worlds(size=4, wait_s=100.0, jobs_waiting=3, instant=False, finishes=False)
    world.settle()
    assert states(world, 1, 2, 3) == ["prepared"] * 3
    assert {world.job(number).why for number in (1, 2, 3)} == {"waits for other jobs to fill a worker, for 100 s at most"}
    assert told(world, 1) == ["starting"]
    world.later(101.0)
    assert states(world, 1, 2, 3) == ["submitted"] * 3
    assert {world.job(number).why for number in (1, 2, 3)} == {""}
