"""The fakes do what they are told, and are what the ports ask for."""
from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.clock import Clock
from harvester_hpc.errors import Unavailable
from harvester_hpc.messenger.values import AccessPoint, Exit, News
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.batch import Busy, Monitor, NotThere, Refused, Seen, Submitted, Submitter, Sweeper, Uncertain, Unseen
from harvester_hpc.ports.communicator import Communicator, Inbox, JobReport
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.messenger import Messenger
from harvester_hpc.ports.outcome import Done, Failed
from harvester_hpc.ports.staging import Preparator, Stager
from harvester_hpc.ports.worker_maker import WorkerMaker
from harvester_hpc.testing.fakes import (
    BatchSettings,
    FakeBatch,
    FakeClock,
    FakeCommunicator,
    FakeMessenger,
    FixedWorkerMaker,
    InstantMonitor,
    InstantPreparator,
    InstantStager,
    InstantSubmitter,
    InstantSweeper,
)

CONTEXT = Context(instance="test", tag="abcde", state_dir=Path("/state"), facility=Facility(name="here", scheduler="local"))


def worker(number: int = 1) -> Worker:
    plan = WorkerPlan(nodes=1, cores=1, walltime_s=60)
    return Worker(
        id=WorkerId(number), queue="Q", map_type=MapType.ONE_TO_ONE, state=WorkerState.PLANNED, key=f"habcde-{number}",
        access_point=f"/a/{number}", plan=plan,
    )


def point(number: int = 1, jobs: Sequence[int] = (7,)) -> AccessPoint:
    return AccessPoint(root=Path("/a"), path=Path(f"/a/{number}"), instance="test", worker_id=number, job_ids=tuple(jobs))


def plugins(batch: FakeBatch) -> tuple[InstantSubmitter, InstantMonitor, InstantSweeper]:
    settings = BatchSettings(batch=batch)
    return InstantSubmitter(settings, CONTEXT), InstantMonitor(settings, CONTEXT), InstantSweeper(settings, CONTEXT)


def test_every_fake_is_what_its_port_asks_for() -> None:
    batch = BatchSettings()
    clock: Clock = FakeClock()
    communicator: Communicator = FakeCommunicator(FakeCommunicator.Settings(), CONTEXT)
    inbox: Inbox = FakeCommunicator(FakeCommunicator.Settings(), CONTEXT)
    preparator: Preparator = InstantPreparator(InstantPreparator.Settings(), CONTEXT)
    stager: Stager = InstantStager(InstantStager.Settings(), CONTEXT)
    submitter: Submitter = InstantSubmitter(batch, CONTEXT)
    monitor: Monitor = InstantMonitor(batch, CONTEXT)
    sweeper: Sweeper = InstantSweeper(batch, CONTEXT)
    messenger: Messenger = FakeMessenger(FakeMessenger.Settings(), CONTEXT)
    worker_maker: WorkerMaker = FixedWorkerMaker(FixedWorkerMaker.Settings(), CONTEXT)
    made: list[Any] = [clock, communicator, inbox, preparator, stager, submitter, monitor, sweeper, messenger, worker_maker]
    assert all(made)


def test_a_clock_moves_only_when_it_is_moved() -> None:
    clock = FakeClock(10.0)
    assert (clock.now(), clock.advance(5.0), clock.now()) == (10.0, 15.0, 15.0)
    clock.set(3.0)
    assert clock.now() == 3.0


def test_calls_fail_as_often_as_they_were_told_to() -> None:
    communicator = FakeCommunicator(FakeCommunicator.Settings(jobs=1), CONTEXT)
    communicator.faults.unavailable_for(2, "maintenance")
    for _ in range(2):
        with pytest.raises(Unavailable, match="maintenance"):
            communicator.get_jobs("Q", "", "managed", "", 1, {})
    assert len(communicator.get_jobs("Q", "", "managed", "", 1, {})) == 1


def test_jobs_are_remembered_with_what_was_told_of_them() -> None:
    communicator = FakeCommunicator(FakeCommunicator.Settings(jobs=2), CONTEXT)
    communicator.get_jobs("Q", "", "managed", "", 1, {})
    report = JobReport(job_id=JobId(1), attempt=1, status="running")
    communicator.update_jobs([report], "test")
    assert communicator.reports == [report]
    assert communicator.counts() == {"running": 1, "activated": 1}


def test_threads_share_jobs_without_losing_or_doubling_one() -> None:
    communicator = FakeCommunicator(FakeCommunicator.Settings(jobs=2000), CONTEXT)
    given: list[int] = []

    def work() -> None:
        while jobs := communicator.get_jobs("Q", "", "managed", "", 3, {}):
            given.extend(job["PandaID"] for job in jobs)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(given) == list(range(1, 2001))


@pytest.mark.parametrize(("exit_code", "state"), [(0, WorkerState.FINISHED), (3, WorkerState.FAILED)])
def test_an_instant_worker_has_ended_when_it_is_submitted(exit_code: int, state: WorkerState) -> None:
    submitter, monitor, _ = plugins(FakeBatch(exit_code=exit_code))
    assert list(submitter.submit_workers([worker()])) == [Submitted(batch_id="1")]
    (sight,) = monitor.check_workers([worker()])
    assert isinstance(sight, Seen)
    assert (sight.state, sight.exit_code) == (state, exit_code)


def test_a_worker_goes_the_way_that_it_is_told() -> None:
    batch = FakeBatch(instant=False)
    submitter, monitor, sweeper = plugins(batch)
    one = worker()
    assert list(monitor.check_workers([one])) == [Unseen(why="the batch system does not know it", gone=True)]
    submitter.submit_workers([one])

    def state() -> WorkerState:
        (sight,) = monitor.check_workers([one])
        assert isinstance(sight, Seen)
        return sight.state

    assert state() is WorkerState.SUBMITTED
    batch.start(one.key)
    assert state() is WorkerState.RUNNING
    batch.requeue(one.key)
    assert state() is WorkerState.SUBMITTED
    assert sweeper.kill_worker(one) == Done()
    assert state() is WorkerState.CANCELLED
    batch.end(one.key, 1)
    sweeper.kill_worker(one)
    assert state() is WorkerState.FAILED
    batch.lose(one.key)
    assert isinstance(monitor.check_workers([one])[0], Unseen)


def test_a_submission_answers_what_it_is_told_and_makes_nothing() -> None:
    batch = FakeBatch()
    submitter, _, _ = plugins(batch)
    batch.answer([Busy(why="full"), Refused(why="no"), Uncertain(why="time-out")])
    batch.unnoticed.add("habcde-3")
    answers = submitter.submit_workers([worker(1), worker(2), worker(3), worker(4)])
    assert list(answers) == [Busy(why="full"), Refused(why="no"), Uncertain(why="time-out"), Submitted(batch_id="2")]
    assert batch.submissions == ["habcde-3", "habcde-4"]
    assert [type(found) for found in submitter.find_workers([worker(1), worker(3)])] == [NotThere, Submitted]


def test_the_same_key_makes_one_batch_job() -> None:
    batch = FakeBatch()
    submitter, _, _ = plugins(batch)
    assert submitter.submit_workers([worker(1)]) == submitter.submit_workers([worker(1)])
    assert batch.submissions == ["habcde-1"]


def test_a_monitor_of_its_own_sees_every_worker_ended() -> None:
    (sight,) = InstantMonitor(BatchSettings(), CONTEXT).check_workers([worker()])
    assert isinstance(sight, Seen)
    assert sight.state is WorkerState.FINISHED


def test_a_sweep_answers_what_it_is_told() -> None:
    batch = FakeBatch()
    _, _, sweeper = plugins(batch)
    batch.cleaning["habcde-1"] = Failed(why="not ours")
    assert sweeper.sweep_worker(worker(1)) == Failed(why="not ours")
    assert sweeper.sweep_worker(worker(2)) == Done()
    assert batch.swept == ["habcde-2"]


def test_a_worker_has_finished_its_jobs_and_declared_their_outputs() -> None:
    messenger = FakeMessenger(FakeMessenger.Settings(), CONTEXT)
    messenger.setup_access_points([point()])
    messenger.feed_jobs(point(), {7: {"outFiles": "a,log", "logFile": "log"}}, {})
    news = messenger.collect(point())
    assert news.job_status == {7: "finished"}
    assert news.exit == Exit(exit_code=0)
    assert [(file.lfn, file.kind) for file in news.files] == [("a", "output"), ("log", "log")]
    messenger.acknowledge(news)
    assert messenger.collect(point()).files == ()


def test_a_worker_says_what_it_is_told_to_say_and_rings() -> None:
    messenger = FakeMessenger(FakeMessenger.Settings(finishes=False), CONTEXT)
    messenger.setup_access_points([point()])
    assert messenger.collect(point()) == News()
    messenger.tell(1, News(kill_requested=True))
    assert messenger.collect(point()).kill_requested
    assert list(messenger.rung(Path("/a"))) == [1]
    assert list(messenger.rung(Path("/a"))) == []


def test_an_access_point_belongs_to_one_worker_until_it_is_cleaned() -> None:
    messenger = FakeMessenger(FakeMessenger.Settings(), CONTEXT)
    messenger.setup_access_points([point(1), point(1)])
    other = AccessPoint(root=Path("/a"), path=Path("/a/1"), instance="test", worker_id=2)
    with pytest.raises(FileExistsError):
        messenger.setup_access_points([other])
    messenger.stays[1] = "outputs wait"
    assert messenger.clean_up(point(1)) == "outputs wait"
    messenger.stays.clear()
    assert messenger.clean_up(point(1)) == ""
    messenger.setup_access_points([other])
    assert messenger.cleaned == [1]
