"""The agents when much goes wrong at once: pauses of ours, file systems away, plugins with defects, clocks that jump."""
from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.daemon.bell import Bells
from harvester_hpc.daemon.service import Service
from harvester_hpc.errors import StoreUnusable
from harvester_hpc.messenger.values import AccessPoint, News
from harvester_hpc.model.job import Job, JobState
from harvester_hpc.model.turn import JOB_FETCHER, MESSENGER, MONITOR, PREPARATOR
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.ports.batch import Uncertain
from harvester_hpc.ports.communicator import NotAccepted
from harvester_hpc.ports.outcome import Pending, Result, Retry
from harvester_hpc.store import dues
from harvester_hpc.store.lease import acquire
from tests.unit.agents.test_pipeline import Worlds, kill, told
from tests.unit.agents.world import World


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Worlds]:
    made = Worlds(tmp_path)
    yield made
    made.close()


def running(worlds: Worlds, **settings: Any) -> World:
    """Return a world with one job whose worker runs."""
    world = worlds(jobs_waiting=1, instant=False, finishes=False, **settings)
    world.settle()
    world.batch.start(world.worker(1).key)
    world.later(2.0)
    assert world.job(1).state is JobState.RUNNING
    return world


# -- signs of life ------------------------------------------------------------------------------------


def test_after_a_pause_of_ours_no_worker_is_killed_for_a_heartbeat_that_nobody_has_read(worlds: Worlds) -> None:
    world = running(worlds, queue={"heartbeat_limit_s": 600.0})
    world.messenger.tell(1, News(heartbeat=world.clock.now()))
    world.later(61.0)
    world.clock.advance(7200.0)
    world.messenger.tell(1, News(heartbeat=world.clock.now() - 30.0))
    world.run(MONITOR, MESSENGER, MONITOR)
    assert world.worker(1).kill == ""


def test_a_running_worker_whose_letters_show_no_sign_of_life_is_killed(worlds: Worlds) -> None:
    world = running(worlds, queue={"heartbeat_limit_s": 600.0})
    world.messenger.tell(1, News(heartbeat=world.clock.now()))
    world.later(601.0)
    world.later(61.0)
    assert "worker_heartbeat" in world.worker(1).kill


def test_a_worker_whose_letters_cannot_be_read_is_not_silent(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = running(worlds, queue={"heartbeat_limit_s": 600.0})

    def away(point: AccessPoint, *, last: bool = False, rung: bool = False) -> News:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(world.messenger, "collect", away)
    for _ in range(20):
        world.later(61.0)
    assert world.worker(1).kill == ""


def test_an_older_word_of_a_worker_never_replaces_its_last(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = running(worlds)
    first, final = News(attributes={1: {"nEvents": 1}}), News(attributes={1: {"nEvents": 9}}, job_status={1: "finished"})
    collect = world.messenger.collect

    def slow(point: AccessPoint, *, last: bool = False, rung: bool = False) -> News:
        monkeypatch.setattr(world.messenger, "collect", collect)
        read = collect(point, last=last)
        world.messenger.tell(1, final)
        world.batch.end(world.worker(1).key)
        world.clock.advance(31.0)
        world.run(MONITOR)
        return read

    world.messenger.tell(1, first)
    world.clock.advance(61.0)
    monkeypatch.setattr(world.messenger, "collect", slow)
    world.run(MESSENGER)
    assert world.worker(1).state is WorkerState.FINISHED
    assert world.job(1).attributes == {"nEvents": 9}


# -- letters that cannot be read ----------------------------------------------------------------------


def cannot_read(error: Exception) -> Any:
    def collect(point: AccessPoint, *, last: bool = False, rung: bool = False) -> News:
        raise error

    return collect


@pytest.mark.parametrize("error", [OSError(5, "Input/output error"), FileNotFoundError(2, "the root is not mounted")], ids=str)
def test_a_file_system_that_is_away_for_hours_fails_no_job(worlds: Worlds, monkeypatch: pytest.MonkeyPatch, error: OSError) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    world.batch.start(world.worker(1).key)
    world.later(2.0)
    with monkeypatch.context() as patch:
        patch.setattr(world.messenger, "collect", cannot_read(error))
        world.batch.end(world.worker(1).key)
        for _ in range(6):
            world.later(3600.0)
        assert world.job(1).state is JobState.RUNNING
    world.later(60.0)
    assert world.job(1).state is JobState.FINISHED


def test_one_folder_that_forbids_to_be_read_is_given_up_soon(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = running(worlds)
    monkeypatch.setattr(world.messenger, "collect", cannot_read(PermissionError(13, "Permission denied")))
    world.batch.end(world.worker(1).key)
    for _ in range(12):
        world.later(60.0)
    assert world.job(1).state is JobState.FAILED


def test_letters_that_a_messenger_cannot_bear_hold_up_no_other_worker(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(jobs_waiting=3, instant=False)
    world.settle()
    collect = world.messenger.collect

    def touchy(point: AccessPoint, *, last: bool = False, rung: bool = False) -> News:
        if point.worker_id == 1:
            raise RecursionError("a defect")
        return collect(point, last=last)

    monkeypatch.setattr(world.messenger, "collect", touchy)
    for number in (1, 2, 3):
        world.batch.start(world.worker(number).key)
    world.later(61.0)
    for number in (1, 2, 3):
        world.batch.end(world.worker(number).key)
    for _ in range(4):
        world.later(60.0)
    assert [world.job(number).state for number in (1, 2, 3)] == [JobState.RUNNING, JobState.FINISHED, JobState.FINISHED]
    assert ("monitor", "Q", "RecursionError: a defect") in world.troubles()


# -- plugins with defects -----------------------------------------------------------------------------


@pytest.mark.parametrize(("agent", "part", "method"), [
    ("submitter", "submitter", "submit_workers"), ("submitter", "submitter", "find_workers"), ("monitor", "monitor", "check_workers"),
    ("propagator", "communicator", "update_jobs"), ("propagator", "communicator", "update_workers"),
])
@pytest.mark.parametrize("answer", [[], [None] * 9, ["done"]], ids=["too few", "too many", "of another kind"])
def test_answers_that_do_not_fit_are_the_trouble_of_their_queue(
    worlds: Worlds, monkeypatch: pytest.MonkeyPatch, agent: str, part: str, method: str, answer: list[Any],
) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    plugins = world.agents[agent].house.queues["Q"]
    if method == "find_workers":
        world.batch.answer([Uncertain(why="Socket timed out")])
        world.settle()
    with monkeypatch.context() as patch:
        patch.setattr(getattr(plugins, part, world.communicator), method, lambda *_: answer)
        world.settle()
        world.later(5.0)
        assert agent in [name for name, _, _ in world.troubles()]
    for _ in range(5):
        world.later(60.0)
    assert world.troubles() == []
    assert world.batch.submissions == ["habcde-1"]


def test_a_transfer_that_begins_and_is_lost_again_and_again_ends_some_time(worlds: Worlds) -> None:
    world = worlds()
    world.communicator.add_jobs(1, inFiles="in.root", outFiles="")
    world.preparator.answers.extend([Pending(), Retry(why="the transfer was lost")] * 40)
    world.settle()
    for _ in range(100):
        world.later(700.0)
    assert world.job(1).state is JobState.FAILED
    assert "gave up after 20 tries: the transfer was lost" in world.job(1).why


def test_a_job_that_a_plugin_cannot_bear_fails_in_the_end_and_starves_nobody(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds()
    world.communicator.add_jobs(5, inFiles="in.root", outFiles="")
    bring = world.preparator.trigger_preparation

    def touchy(job: Job) -> Result:
        if job.id == 1:
            raise KeyError("a defect")
        return bring(job)

    monkeypatch.setattr(world.preparator, "trigger_preparation", touchy)
    world.settle()
    world.later(20.0)
    world.later(20.0)
    assert [world.job(number).state for number in (1, 2, 3, 4, 5)] == [JobState.FETCHED, *[JobState.FINISHED] * 4]
    for _ in range(40):
        world.later(800.0)
    assert (world.job(1).state, "KeyError: 'a defect'" in world.job(1).why) == (JobState.FAILED, True)


def test_what_one_part_raises_costs_no_other_part_its_result(worlds: Worlds) -> None:
    agent = worlds().agents["sweeper"]
    under_way: list[int] = []

    def act(part: Any) -> list[int]:
        if 0 in part:
            raise StoreUnusable("the disk is full")
        under_way.append(part[0])
        time.sleep(0.05)
        under_way.remove(part[0])
        return [int(part[0])]

    results: list[int] = []
    with pytest.raises(StoreUnusable):
        for ready in agent.in_parallel(range(32), act):
            results += ready
    assert sorted(results) == [8, 16, 24]
    with pytest.raises(ZeroDivisionError):
        for _ in agent.in_parallel(range(1, 33), act):
            _ = 1 / 0
    assert under_way == []


# -- nobody spins, and nothing is stuck ---------------------------------------------------------------


def test_while_workers_cannot_be_told_nobody_asks_all_the_time(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.communicator.faults.fail("update_workers", times=99)
    world.settle()
    propagator = world.agents["propagator"]
    assert [name for name, queue, _ in world.troubles() if queue == "workers"] == ["propagator"]
    due = propagator.next_due()
    assert due is not None
    assert due == propagator.waits_until("workers") > world.clock.now() + 1.0


def test_a_full_queue_is_not_looked_at_all_the_time(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=3, instant=False, queue={"limit_jobs": 4})
    world.settle()  # the last answer was empty
    world.communicator.add_jobs(5)
    world.later(60.0)
    assert world.communicator.counts()["starting"] == 4
    world.later(60.0)
    due = world.agents["job_fetcher"].next_due()
    assert due is not None
    assert due > world.clock.now() + 1.0


def test_a_report_that_will_never_be_taken_holds_its_job_back_from_nothing(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(jobs_waiting=1, queue={"keep_s": {"finished": 10.0}})
    monkeypatch.setattr(world.communicator, "update_jobs", lambda told, _: [NotAccepted(why="malformed", final=True)] * len(told))
    world.settle()
    world.later(2.0)
    assert world.job(1).state is JobState.FINISHED
    world.later(100.0)
    assert world.messenger.cleaned == [1]


def test_a_queue_that_is_gone_from_the_configuration_is_named_until_nothing_of_it_waits(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2, instant=False)
    world.settle()
    plugins = dict(world.agents["sweeper"].house.queues)
    house = world.agents["sweeper"].house.queues
    assert isinstance(house, dict)
    house.clear()
    served(world)
    (trouble,) = [one for one in world.troubles() if one[0] == "configuration"]
    assert trouble[1] == "Q"
    assert "4 jobs and workers" in trouble[2]
    house.update(plugins)
    served(world)
    assert [one for one in world.troubles() if one[0] == "configuration"] == []


# -- clocks that jump ---------------------------------------------------------------------------------


def served(world: World) -> None:
    """Let the service make one bounded round, as the process that holds the lease."""
    lease = acquire(world.database.path, clock=world.clock, wait=lambda seconds: False)
    agents = list(world.agents.values())
    Service(agents, world.database, lease, Bells(world.agents), threading.Event(), world.clock, 20.0).run_once()


def test_nothing_waits_for_a_clock_that_was_set_back(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    world.batch.start(world.worker(1).key)
    world.later(2.0)
    world.communicator.add_jobs(1, inFiles="in.root", outFiles="")
    world.preparator.answers.append(Retry(why="not now"))
    world.batch.faults.fail("check_workers", times=1)
    world.later(60.0)
    assert world.job(2).tries == 1
    world.clock.advance(-86400.0)
    world.batch.end(world.worker(1).key)
    served(world)
    assert world.job(1).state is JobState.FINISHED
    assert (1, "finished") in told(world)
    assert world.job(2).state is JobState.SUBMITTED


def test_what_may_wait_for_long_is_not_brought_forward(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2, instant=False)
    world.settle()
    world.batch.end(world.worker(1).key)
    world.later(2.0)
    world.run("propagator")
    before = [world.worker(number).due for number in (1, 2)], world.job(1).due
    with world.database.write() as write:
        assert dues.bring_forward(write, write.now + 2 * world.agents["monitor"].longest_pause_s) == 0
    assert ([world.worker(number).due for number in (1, 2)], world.job(1).due) == before


# -- what a round costs -------------------------------------------------------------------------------


def test_no_round_looks_through_what_has_ended(worlds: Worlds) -> None:
    """Steps of SQLite's machine in a round of all agents, with a history and without one."""
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    without = steps_of_a_round(world)
    with world.database.write() as write:
        now = write.now
        write.connection.executemany(
            "INSERT INTO job (job_id, queue, state, attempt, priority, resource_type, cores, ram_mb, walltime_s, created, changed, due)"
            " VALUES (?, 'Q', 'finished', 1, 0, '', 1, 0, 0, ?, ?, ?)", [(number, now, now, now + 86400.0) for number in range(1000, 9000)],
        )
        write.connection.executemany(
            "INSERT INTO worker (worker_id, queue, map_type, state, key, access_point, nodes, cores, walltime_s, ram_mb, gpus_per_node,"
            " created, changed) VALUES (?1, 'Q', 'OneToOne', 'finished', 'k' || ?1, '/a/' || ?1, 1, 1, 1, 0, 0, ?2, ?2)",
            [(number, now) for number in range(1000, 9000)],
        )
    world.run("sweeper")
    assert steps_of_a_round(world) < 2 * without + 1000


def steps_of_a_round(world: World) -> int:
    steps = [0]

    def count() -> int:
        steps[0] += 1
        return 0

    with world.database.read() as reader, world.database.write() as write:
        connections = (reader, write.connection)
    for connection in connections:
        connection.set_progress_handler(count, 10)
    world.run(*world.agents)
    for connection in connections:
        connection.set_progress_handler(None, 10)
    return steps[0]


# -- what comes from outside and no store takes -------------------------------------------------------


def test_a_command_that_leaves_no_trace_in_the_time_of_its_folder_is_found_all_the_same(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    then = world.inbox.stat()
    kill(world, 1)
    os.utime(world.inbox, ns=(then.st_atime_ns, then.st_mtime_ns))
    world.later(31.0)
    assert world.job(1).cancel == "by hand"


@pytest.mark.parametrize("kind", ["kill_jobs", "kill_workers"])
def test_a_command_with_a_number_that_no_store_takes_stops_no_other(worlds: Worlds, kind: str) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    kill(world, 2**70, -1, 1, kind=kind)
    world.settle()
    assert world.worker(1).kill == "by hand"


@pytest.mark.parametrize("odd", [{"minRamCount": 1e30}, {"inFiles": "x", "fsize": str(2**64)}, {"resource_type": "\ud800"}], ids=str)
def test_an_odd_job_costs_none_of_those_that_came_with_it(worlds: Worlds, odd: dict[str, Any]) -> None:
    world = worlds()
    world.communicator.add_jobs(1, **odd)
    world.communicator.add_jobs(2)
    world.settle()
    world.later(2.0)
    assert [world.job(number).state for number in (1, 2, 3)] == [JobState.FAILED, JobState.FINISHED, JobState.FINISHED]
    assert (1, "failed") in told(world)


def test_many_workers_share_few_calls_to_the_batch_system(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(instant=False)
    monitor = world.agents["monitor"]
    plugin = monitor.house.queues["Q"].monitor
    calls: list[int] = []
    check = plugin.check_workers

    def counted(workers: Any) -> Any:
        calls.append(len(workers))
        return check(workers)

    monkeypatch.setattr(plugin, "check_workers", counted)
    for second in range(900):
        if second % 7 == 0 and second < 280:
            world.communicator.add_jobs(1)
            world.settle()
        elif second == 300:
            calls.clear()
        world.clock.advance(1.0)
        world.run(MONITOR)
    assert sum(calls) > 10 * 40
    assert len(calls) < 80


# -- requeued, or never there -------------------------------------------------------------------------


def test_a_requeued_worker_waits_anew(worlds: Worlds) -> None:
    world = running(worlds, queue={"queue_time_limit_s": 600.0})
    world.later(3600.0)
    world.batch.requeue(world.worker(1).key)
    world.later(60.0)
    world.later(60.0)
    assert (world.worker(1).state, world.worker(1).kill) == (WorkerState.SUBMITTED, "")
    for _ in range(12):
        world.later(60.0)
    assert "workerQueueTimeLimit" in world.worker(1).kill


def test_a_killed_worker_that_nobody_can_fence_is_not_looked_up_all_the_time(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.batch.answer([Uncertain(why="Socket timed out")])
    world.settle()
    world.messenger.claimed.add(1)
    kill(world, 1)
    world.later(5.0)
    due = world.agents["submitter"].next_due()
    assert due is not None
    assert due > world.clock.now() + 1.0


@pytest.mark.parametrize("agents", [(), (PREPARATOR,)], ids=["fetched", "prepared"])
def test_a_job_of_a_queue_that_is_no_longer_configured_can_be_killed(worlds: Worlds, agents: tuple[str, ...]) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.run(JOB_FETCHER, *agents)
    with world.database.write() as write:
        write.connection.execute("UPDATE job SET queue = 'GONE'")
    world.settle()
    kill(world, 1)
    world.later(60.0)
    assert (world.job(1).state, world.job(1).why) == (JobState.CANCELLED, "by hand")


def test_access_points_are_fed_side_by_side(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(jobs_waiting=32, instant=False)
    together = threading.Barrier(4, timeout=20.0)
    feed = world.messenger.feed_jobs

    def slow(point: AccessPoint, jobs: Any, inputs: Any) -> None:
        together.wait()
        feed(point, jobs, inputs)

    monkeypatch.setattr(world.messenger, "feed_jobs", slow)
    world.settle()
    assert sorted(world.messenger.fed) == list(range(1, 33))
    assert world.troubles() == []
    assert world.batch.submissions == [world.worker(number).key for number in range(1, 33)]
