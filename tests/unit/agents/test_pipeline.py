"""The agents on a real store, with fakes outside: what goes well, what goes wrong, and what must never happen."""
from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.errors import Unavailable
from harvester_hpc.messenger.values import DeclaredFile, News
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.command import Command, CommandKind
from harvester_hpc.model.file import FileState
from harvester_hpc.model.job import JobState, Outcome
from harvester_hpc.model.turn import JOB_FETCHER, PREPARATOR, PROPAGATOR, SUBMITTER
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.ports.batch import Busy, Refused, Seen, Uncertain
from harvester_hpc.ports.outcome import Failed, Pending, Retry
from harvester_hpc.store import health
from harvester_hpc.store import worker as workers
from tests.unit.agents.world import World, make_world

DAY = 86400.0

#: What KILL_WORKERS says of workers that wait in queue Q.
WHERE = {"status": ("submitted",), "computingSite": ("Q",), "computingElement": ("ALL",), "submissionHost": ("ALL",)}


class Worlds:
    """Makes worlds and closes their stores at the end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: list[World] = []

    def __call__(self, **settings: Any) -> World:
        folder = self._folder / str(len(self._made))
        folder.mkdir()
        world = make_world(folder, **settings)
        self._made.append(world)
        return world

    def close(self) -> None:
        for world in self._made:
            for agent in world.agents.values():
                agent.close()
            world.database.close()


@pytest.fixture
def worlds(tmp_path: Path) -> Iterator[Worlds]:
    made = Worlds(tmp_path)
    yield made
    made.close()


def told(world: World) -> list[tuple[int, str]]:
    return [(report.job_id, report.status) for report in world.communicator.reports]


def test_an_ordinary_job_goes_all_the_way(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    assert world.job(1).state is JobState.SUBMITTED
    world.later(2.0)
    job = world.job(1)
    assert (job.state, job.outcome, job.why) == (JobState.FINISHED, Outcome.FINISHED, "")
    assert [file.state for file in job.files] == [FileState.FINISHED]
    assert told(world) == [(1, "starting"), (1, "finished")]
    assert world.batch.submissions == [world.worker(1).key]
    assert world.troubles() == []


def test_every_job_of_many_goes_all_the_way_once(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=250, rows=40)
    world.settle()
    for _ in range(12):
        world.later(2.0)
    assert world.communicator.counts() == {"finished": 250}
    assert len(world.batch.submissions) == len(set(world.batch.submissions)) == 250
    assert sorted(job for job, status in told(world) if status == "finished") == list(range(1, 251))


def test_running_is_told_when_the_worker_runs(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    (key,) = world.batch.keys()
    world.batch.start(key)
    world.later(2.0)
    assert world.job(1).state is JobState.RUNNING
    world.batch.end(key)
    world.later(10.0)
    assert told(world) == [(1, "starting"), (1, "running"), (1, "finished")]


def test_no_more_is_fetched_than_the_queue_may_hold(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=50, instant=False, queue={"limit_jobs": 7})
    world.settle()
    assert world.communicator.counts()["starting"] == 7


def test_no_more_workers_wait_than_the_queue_may_hold(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=20, instant=False, queue={"limit_queued_workers": 3})
    world.settle()
    assert len(world.batch.submissions) == 3
    for key in list(world.batch.keys()):
        world.batch.start(key)
    world.later(2.0)
    assert len(world.batch.submissions) == 6


def test_a_job_without_its_output_has_failed(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    world.messenger.tell(1, News(job_status={1: "finished"}))
    world.later(2.0)
    job = world.job(1)
    assert job.state is JobState.FAILED
    assert "did not make out.1" in job.why
    assert told(world)[-1] == (1, "failed")
    assert world.communicator.reports[-1].cause is Cause.MISSING_OUTPUT


def test_a_failed_payload_keeps_its_log_and_its_words(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=0)
    world.communicator.add_jobs(1, outFiles="out,job.log", logFile="job.log")
    world.settle()
    files = tuple(DeclaredFile(job_id=1, lfn=lfn, path=f"/x/{lfn}", kind=kind) for lfn, kind in (("out", "output"), ("job.log", "log")))
    world.messenger.tell(1, News(job_status={1: "failed"}, attributes={1: {"exeErrorDiag": "segmentation violation"}}, files=files))
    world.later(2.0)
    job = world.job(1)
    assert (job.state, job.why) == (JobState.FAILED, "segmentation violation")
    assert {file.lfn: file.state for file in job.files} == {"out": FileState.DEFINED, "job.log": FileState.FINISHED}
    last = world.communicator.reports[-1]
    assert [file.lfn for file in last.outputs] == ["job.log"]
    assert last.why == "segmentation violation"
    assert last.cause is Cause.PAYLOAD


def test_letters_of_other_jobs_change_nothing(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2)
    world.settle()
    stray = DeclaredFile(job_id=2, lfn="out.2", path="/elsewhere", kind="output")
    world.messenger.tell(1, News(job_status={1: "finished", 2: "failed"}, attributes={2: {"node": "liar"}}, files=(stray,)))
    world.later(2.0)
    assert world.job(2).state is JobState.FINISHED
    assert world.job(2).attributes == {}
    assert world.job(2).files[0].path != "/elsewhere"


# -- the outside does not answer ----------------------------------------------------------------------


def test_a_silent_scheduler_fails_no_worker_and_is_not_asked_all_the_time(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=3, instant=False)
    world.settle()
    for key in list(world.batch.keys()):
        world.batch.start(key)
    world.batch.faults.fail("check_workers", times=5)
    world.later(2.0)
    assert [agent for agent, _, _ in world.troubles()] == ["monitor"]
    assert {world.worker(number).state for number in (1, 2, 3)} == {WorkerState.SUBMITTED}
    for _ in range(30):
        world.later(30.0)
    assert world.troubles() == []
    assert {world.worker(number).state for number in (1, 2, 3)} == {WorkerState.RUNNING}


def test_a_silent_workload_management_system_stops_nothing_else(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2)
    world.run(JOB_FETCHER)
    world.communicator.faults.fail("update_jobs", times=3)
    world.settle()
    world.later(2.0)
    assert world.job(1).state is JobState.FINISHED
    assert (PROPAGATOR, "") in [(agent, queue) for agent, queue, _ in world.troubles()]
    for _ in range(10):
        world.later(60.0)
    assert sorted(status for _, status in told(world)) == ["finished", "finished"]
    assert world.troubles() == []


def test_a_plugin_that_raises_makes_its_queue_wait_and_is_tried_again(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(jobs_waiting=1)

    def broken(job: object) -> object:
        raise KeyError("a defect")

    with monkeypatch.context() as patch:
        patch.setattr(world.preparator, "trigger_preparation", broken)
        world.communicator.add_jobs(1, inFiles="in.root")
        world.settle()
        assert world.troubles() == [(PREPARATOR, "Q", "KeyError: 'a defect'")]
        assert world.job(1).state is JobState.SUBMITTED
        assert world.job(2).state is JobState.FETCHED
    world.later(10.0)
    world.later(3.0)
    assert world.job(2).state is JobState.FINISHED
    assert world.troubles() == []


# -- submission ---------------------------------------------------------------------------------------


def test_a_full_batch_queue_is_waited_for(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.batch.answer([Busy(why="QOSMaxSubmitJobPerUserLimit")])
    world.settle()
    assert world.worker(1).state is WorkerState.PLANNED
    assert world.worker(1).why == "QOSMaxSubmitJobPerUserLimit"
    assert (SUBMITTER, "Q", "QOSMaxSubmitJobPerUserLimit") in world.troubles()
    world.later(10.0)
    world.later(3.0)
    assert world.job(1).state is JobState.FINISHED
    assert world.batch.submissions == [world.worker(1).key]


def test_a_refused_worker_gives_its_job_back_until_the_attempts_are_used_up(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, queue={"max_submissions": 2})
    world.batch.answer([Refused(why="Invalid account"), Refused(why="Invalid account")])
    world.settle()
    assert world.worker(1).state is WorkerState.MISSED
    assert (world.job(1).state, world.job(1).submissions) == (JobState.PREPARED, 1)
    world.later(10.0)
    job = world.job(1)
    assert job.state is JobState.FAILED
    assert "Invalid account" in job.why
    assert told(world)[-1] == (1, "failed")
    assert world.communicator.reports[-1].cause is Cause.SUBMISSION
    assert world.worker(1).cause is Cause.SUBMISSION
    assert world.batch.submissions == []


def test_a_job_whose_worker_may_run_all_the_same_gets_no_other(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, queue={"max_submissions": 3})
    world.batch.answer([Refused(why="nobody knows its batch job", may_run=True)])
    world.settle()
    world.later(60.0)
    assert (world.job(1).state, world.worker(1).state) == (JobState.FAILED, WorkerState.MISSED)
    assert world.batch.submissions == []
    assert told(world)[-1] == (1, "failed")


def test_after_a_refusal_few_jobs_pay(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=100, queue={"max_new_workers": 1, "max_submissions": 1})
    world.batch.answer([Refused(why="Invalid account")] * 100)
    world.settle()
    assert world.communicator.counts()["failed"] == 1
    world.later(1.0)
    assert world.communicator.counts()["failed"] == 1


def test_a_queue_that_says_no_again_is_one_trouble_until_nobody_wants_it(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, queue={"max_submissions": 2})
    world.batch.answer([Refused(why="Invalid account"), Refused(why="Invalid account")])
    world.settle()
    began = world.clock.now()
    world.later(6.0)
    with world.database.read() as connection:
        (trouble,) = health.troubles(connection)
    assert (trouble.agent, trouble.since, trouble.count) == (SUBMITTER, began, 2)
    assert world.job(1).state is JobState.FAILED
    world.later(20.0)
    assert world.troubles() == []


def test_a_queue_that_stays_full_is_asked_less_and_less(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.batch.answer([Busy(why="QOSMaxSubmitJobPerUserLimit")] * 3)
    world.settle()
    pauses = []
    for _ in range(3):
        with world.database.read() as connection:
            (trouble,) = health.troubles(connection)
        pauses.append(trouble.until - world.clock.now())
        world.later(max(trouble.until, world.worker(1).due or 0.0) - world.clock.now())
    assert pauses == [5.0, 10.0, 20.0]
    assert world.troubles() == []
    assert world.batch.submissions == [world.worker(1).key]


def test_a_yes_ends_the_trouble_with_a_queue(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.batch.answer([Refused(why="Invalid account")])
    world.settle()
    assert [agent for agent, _, _ in world.troubles()] == [SUBMITTER]
    world.later(6.0)
    assert world.troubles() == []
    assert world.batch.submissions == [world.worker(2).key]


def test_an_uncertain_submission_is_looked_up_and_not_repeated(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.run(JOB_FETCHER, PREPARATOR)
    world.batch.answer([Uncertain(why="Socket timed out")])
    world.batch.unnoticed.add("habcde-1")
    world.settle()
    assert world.worker(1).state is WorkerState.PLANNED
    assert (SUBMITTER, "Q", "Socket timed out") in world.troubles()
    world.later(5.0)
    assert world.worker(1).state is WorkerState.SUBMITTED
    assert world.batch.submissions == ["habcde-1"]


def test_an_uncertain_submission_that_never_was_is_made_again_under_the_same_name(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.batch.answer([Uncertain(why="Socket timed out")])
    world.settle()
    world.later(5.0)
    assert world.batch.submissions == ["habcde-1"]
    assert world.worker(1).submissions == 2


def test_nothing_is_submitted_while_the_lookup_has_no_answer(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.batch.answer([Uncertain(why="Socket timed out")])
    world.settle()
    world.batch.faults.fail("find_workers", times=3)
    world.later(5.0)
    world.later(5.0)
    assert world.batch.submissions == []
    for _ in range(5):
        world.later(60.0)
    assert world.batch.submissions == ["habcde-1"]


def test_a_planned_worker_of_an_earlier_life_is_looked_up_first(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.batch.faults.fail("submit_workers", times=1)
    world.settle()
    assert world.worker(1).state is WorkerState.PLANNED
    world.batch.submit(world.worker(1))  # as if the daemon had died between the scheduler's answer and the store
    world.later(20.0)
    assert world.worker(1).state is WorkerState.SUBMITTED
    assert world.batch.submissions == ["habcde-1"]


def test_a_new_worker_never_gets_the_folder_of_an_unknown_one(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2)
    for name in ("1", "7", "12x", ".trash.9", ".doorbell"):
        (world.inbox.parent / "work" / name).mkdir(parents=True)
    world.settle()
    with world.database.read() as connection:
        assert sorted(workers.by_ids(connection, range(100))) == [8, 9]


def test_a_job_that_fits_no_worker_fails_with_the_arithmetic(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.maker.answer = Failed(why="asks for 64 cores, a worker has 32")
    world.settle()
    assert (world.job(1).state, world.job(1).why) == (JobState.FAILED, "asks for 64 cores, a worker has 32")
    assert world.communicator.reports[-1].cause is Cause.TOO_LARGE


def test_a_worker_maker_that_says_later_is_asked_later(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    plan = world.maker.answer
    world.maker.answer = Retry(why="no backfill hole")
    world.settle()
    assert (world.job(1).state, world.job(1).why) == (JobState.PREPARED, "no backfill hole")
    changed = world.job(1).changed
    world.later(60.0)
    assert world.job(1).changed == changed, "the same reason is not written again"
    world.maker.answer = plan
    world.settle()
    assert world.job(1).state is JobState.SUBMITTED


def test_no_more_workers_are_made_than_there_is_room_for_now(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=3)
    world.maker.number_ready = 1
    world.settle()
    assert len(world.batch.submissions) >= 1
    world.maker.number_ready = 0
    world.communicator.add_jobs(1)
    before = len(world.batch.submissions)
    world.later(60.0)
    assert len(world.batch.submissions) == before


# -- the batch system's odd answers -------------------------------------------------------------------


def test_a_worker_that_the_batch_system_forgot_is_given_up_after_a_patience(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    (key,) = world.batch.keys()
    world.batch.lose(key)
    world.messenger.claimed.add(1)
    world.later(60.0)
    assert world.worker(1).state is WorkerState.SUBMITTED
    world.later(60.0)
    assert world.worker(1).state is WorkerState.SUBMITTED
    for _ in range(5):
        world.later(400.0)
    assert world.worker(1).state is WorkerState.FAILED
    assert "without a trace" in world.job(1).why
    assert world.communicator.reports[-1].cause is Cause.LOST
    assert world.worker(1).cause is Cause.LOST


def test_a_worker_that_was_lost_before_it_began_is_fenced_and_its_job_gets_another(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    (key,) = world.batch.keys()
    world.batch.lose(key)
    for _ in range(6):
        world.later(400.0)
    assert (world.worker(1).state, world.worker(1).cause) == (WorkerState.FAILED, Cause.LOST)
    assert world.messenger.fenced == [1]
    assert world.worker(2).state is WorkerState.SUBMITTED
    assert world.job(1).state is JobState.SUBMITTED


def test_a_killed_worker_of_which_the_batch_system_keeps_no_history_was_killed(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    (key,) = world.batch.keys()
    with world.database.write() as write:
        workers.kill(write, 1, "the user wants it")
    world.batch.lose(key)
    for _ in range(6):
        world.later(400.0)
    assert (world.worker(1).state, world.worker(1).cause) == (WorkerState.CANCELLED, Cause.KILLED)
    assert world.messenger.fenced == [1]
    assert world.job(1).state is JobState.CANCELLED


def test_a_worker_that_comes_back_is_not_given_up(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    (key,) = world.batch.keys()
    kept = world.batch._jobs[key]
    world.batch.lose(key)
    world.later(60.0)
    assert world.worker(1).gone is not None
    world.batch._jobs[key] = kept
    world.later(60.0)
    assert world.worker(1).gone is None


def test_a_requeued_worker_takes_its_jobs_back_to_the_queue(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    (key,) = world.batch.keys()
    world.batch.start(key)
    world.later(5.0)
    world.batch.requeue(key)
    world.later(30.0)
    assert (world.worker(1).state, world.job(1).state) == (WorkerState.SUBMITTED, JobState.SUBMITTED)
    world.batch.start(key)
    world.later(30.0)
    world.batch.end(key)
    world.later(30.0)
    assert world.job(1).state is JobState.FINISHED


def test_a_worker_whose_work_was_done_before_its_end_was_unkind_has_finished_jobs(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    (key,) = world.batch.keys()
    world.batch.start(key)
    world.later(5.0)
    world.batch._jobs[key] = Seen(state=WorkerState.FAILED, native_status="TIMEOUT", why="time limit reached")
    world.later(30.0)
    assert world.worker(1).state is WorkerState.FAILED
    assert world.job(1).state is JobState.FINISHED
    assert world.communicator.reports[-1].cause is Cause.UNKNOWN


def test_what_the_batch_system_did_to_a_worker_is_told_of_its_job(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    (key,) = world.batch.keys()
    world.batch.start(key)
    world.later(5.0)
    world.batch._jobs[key] = Seen(
        state=WorkerState.FAILED, native_status="TIMEOUT", why="time limit reached", cause=Cause.TIME_LIMIT,
    )
    world.later(30.0)
    assert world.worker(1).cause is Cause.TIME_LIMIT
    last = world.communicator.reports[-1]
    assert (last.status, last.why, last.cause) == ("failed", "time limit reached", Cause.TIME_LIMIT)


def test_a_file_that_is_not_visible_yet_is_waited_for(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    world.messenger.tell(1, News(job_status={1: "finished"}, waiting=("/x/out.1",)))
    (key,) = world.batch.keys()
    world.batch.end(key)
    world.later(5.0)
    assert world.job(1).state is JobState.SUBMITTED
    file = DeclaredFile(job_id=1, lfn="out.1", path="/x/out.1", kind="output")
    world.messenger.tell(1, News(job_status={1: "finished"}, files=(file,)))
    world.later(5.0)
    assert world.job(1).state is JobState.FINISHED


def test_an_end_that_cannot_be_stored_takes_no_other_along(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=3)
    world.settle()
    file = DeclaredFile(job_id=2, lfn="out.2", path="/x", kind="output", size=2**70)
    world.messenger.tell(2, News(job_status={2: "finished"}, files=(file,), taken=(Path("/letter"),)))
    world.later(2.0)
    assert [world.job(number).state for number in (1, 2, 3)] == [JobState.FINISHED, JobState.SUBMITTED, JobState.FINISHED]
    world.messenger.tell(2, News(job_status={2: "finished"}, files=(replace(file, size=1),)))
    world.later(61.0)
    assert world.job(2).state is JobState.FINISHED


# -- staging ------------------------------------------------------------------------------------------


def test_a_stage_in_under_way_is_asked_for_until_it_is_done(worlds: Worlds) -> None:
    world = worlds()
    world.communicator.add_jobs(1, inFiles="in.root", outFiles="")
    world.preparator.answers.extend([Pending(), Pending()])
    world.settle()
    assert world.job(1).state is JobState.PREPARING
    for _ in range(5):
        world.later(5.0)
    assert world.job(1).state is JobState.FINISHED
    assert world.messenger.inputs[1] == {1: {"in.root": "/fake/inputs/1/in.root"}}


def test_a_stage_in_that_will_never_work_fails_its_job_only(worlds: Worlds) -> None:
    world = worlds()
    world.communicator.add_jobs(2, inFiles="in.root", outFiles="")
    world.preparator.answers.append(Failed(why="wrong checksum"))
    world.settle()
    world.later(3.0)
    assert sorted(world.job(number).state for number in (1, 2)) == [JobState.FAILED, JobState.FINISHED]
    assert {report.cause for report in world.communicator.reports if report.status == "failed"} == {Cause.STAGE_IN}


def test_a_stage_out_is_tried_again_and_then_given_up(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.stager.answers.extend([Retry(why="no space")] * 3)
    world.settle()
    world.later(2.0)
    assert (world.job(1).state, world.job(1).why, world.job(1).tries) == (JobState.TO_TRANSFER, "no space", 1)
    for _ in range(6):
        world.later(60.0)
    assert world.job(1).state is JobState.FINISHED

    again = worlds(jobs_waiting=1)
    again.stager.answers.extend([Retry(why="no space")] * 99)
    again.settle()
    for _ in range(40):
        again.later(700.0)
    assert again.job(1).state is JobState.FAILED
    assert "gave up after 20 tries: no space" in again.job(1).why
    assert again.communicator.reports[-1].cause is Cause.STAGE_OUT


# -- kill and sweep -----------------------------------------------------------------------------------


def kill(world: World, *ids: int, kind: str = "kill_jobs") -> None:
    (world.inbox / f"{kind}-{ids}.json").write_text(json.dumps({"kind": kind, "ids": list(ids), "why": "by hand"}))


@pytest.mark.parametrize("agents", [(JOB_FETCHER,), (JOB_FETCHER, PREPARATOR)])
def test_a_job_killed_before_its_worker_never_runs(worlds: Worlds, agents: tuple[str, ...]) -> None:
    world = worlds(jobs_waiting=1)
    world.run(*agents)
    kill(world, 1)
    world.settle()
    assert (world.job(1).state, world.job(1).why) == (JobState.CANCELLED, "by hand")
    assert world.batch.submissions == []
    assert told(world) == [(1, "failed")]
    assert world.communicator.reports[-1].sub_status == "killed"
    assert world.communicator.reports[-1].cause is Cause.KILLED


def test_a_job_killed_while_its_worker_waits_ends_with_the_worker(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    kill(world, 1)
    world.settle()
    world.later(5.0)
    assert world.batch.killed == [world.worker(1).key]
    assert (world.worker(1).state, world.job(1).state) == (WorkerState.CANCELLED, JobState.CANCELLED)


def test_a_worker_killed_before_its_submission_is_fenced_first(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.batch.answer([Uncertain(why="Socket timed out")])
    world.settle()
    world.messenger.claimed.add(1)
    kill(world, 1)
    world.later(5.0)
    assert world.worker(1).state is WorkerState.PLANNED
    world.messenger.claimed.clear()
    world.later(60.0)
    assert world.messenger.fenced == [1]
    assert (world.worker(1).state, world.job(1).state) == (WorkerState.CANCELLED, JobState.CANCELLED)
    assert world.batch.submissions == []


def test_a_kill_without_an_answer_is_repeated(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    world.batch.faults.fail("kill_worker", times=2)
    kill(world, 1, kind="kill_workers")
    world.settle()
    assert world.batch.killed == []
    for _ in range(4):
        world.later(20.0)
    assert world.batch.killed[:1] == [world.worker(1).key]
    assert world.job(1).state is JobState.CANCELLED


def test_what_the_workload_management_system_wants_no_more_is_killed(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.communicator.killed.add(1)
    world.settle()
    world.later(5.0)
    assert world.job(1).state is JobState.CANCELLED
    assert "wants it no more" in world.job(1).why


def test_a_command_is_stored_before_it_is_done_and_done_once(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    order = Command(id="wms-7", kind=CommandKind.KILL_WORKERS, where=WHERE, ack=True)
    world.communicator.add_commands([order, order])
    world.later(60.0)
    world.later(60.0)
    assert world.batch.killed == [world.worker(1).key]
    assert world.communicator.acknowledged == ["wms-7"]


def test_a_command_that_names_no_site_kills_nothing(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    world.communicator.add_commands([Command(id="wms-8", kind=CommandKind.KILL_WORKERS, where={"status": ("submitted",)})])
    world.later(60.0)
    assert world.batch.killed == []


def test_a_bad_command_file_is_put_aside(worlds: Worlds) -> None:
    world = worlds()
    (world.inbox / "a.json").write_text("{torn")
    (world.inbox / "b.json").write_text('{"kind": "dance"}')
    (world.inbox / "c.json").write_text("[" * 100_000)
    world.settle()
    assert sorted(path.name for path in world.inbox.iterdir()) == ["a.bad", "b.bad", "c.bad"]


def test_what_is_no_file_is_put_aside_and_holds_up_no_command(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    (world.inbox / "a.json").mkdir()
    os.mkfifo(world.inbox / "b.json")
    (world.inbox / "c.json").symlink_to("/dev/zero")
    kill(world, 1)
    world.later(31.0)
    assert world.job(1).state is JobState.CANCELLED
    assert sorted(path.name for path in world.inbox.iterdir()) == ["a.bad", "b.bad", "c.bad"]


def test_a_command_with_half_a_character_is_carried_out_and_holds_up_no_other(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=2, instant=False, finishes=False)
    world.settle()
    (world.inbox / "a.json").write_text(json.dumps({"kind": "kill_jobs", "ids": [1], "why": "caf\udce9"}))
    kill(world, 2)
    world.later(31.0)
    assert [world.job(number).state for number in (1, 2)] == [JobState.CANCELLED] * 2


def test_a_command_that_cannot_be_read_for_a_moment_is_not_lost(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False)
    world.settle()
    kill(world, 1)

    def stale(*_: Any, **__: Any) -> str:
        raise OSError(errno.ESTALE, "Stale file handle")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_text", stale)
        world.later(5.0)
    world.later(31.0)
    assert world.job(1).state is JobState.CANCELLED


def test_what_a_payload_has_printed_is_told_without_its_secrets(worlds: Worlds, caplog: pytest.LogCaptureFixture) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    world.batch.start(world.worker(1).key)
    world.later(31.0)
    said = "exit code 3: curl -H 'Authorization: Bearer eyJhbGciOiJSUzI1NiJ9.c2VjcmV0.c2lnbmF0dXJl' | it failed"
    with caplog.at_level("DEBUG"):
        world.messenger.tell(1, News(job_status={1: "failed"}, attributes={1: {"exeErrorDiag": said, "node": "n1"}}))
        world.batch.end(world.worker(1).key)
        world.later(40.0)
    assert world.job(1).state is JobState.FAILED
    report = world.communicator.reports[-1]
    everything = f"{report} {world.job(1)} {caplog.text}"
    assert "c2VjcmV0" not in everything
    assert "it failed" in report.why
    assert "it failed" in report.attributes["exeErrorDiag"]


def test_words_that_are_no_text_stop_no_agent(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1)
    world.communicator.faults.fail("get_jobs", 1, "half \udcff")
    world.settle()
    assert any("half ?" in why for _, _, why in world.troubles())


def test_a_stop_meant_for_an_earlier_instance_stops_nobody(worlds: Worlds) -> None:
    world = worlds()
    (world.inbox / "a.json").write_text('{"kind": "stop"}')
    world.settle()
    assert not world.stop.is_set()


def test_a_stop_command_stops(worlds: Worlds) -> None:
    world = worlds()
    world.settle()
    (world.inbox / "a.json").write_text('{"kind": "stop"}')
    world.settle()
    assert world.stop.is_set()


def test_a_worker_that_waits_too_long_is_killed(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False, finishes=False, queue={"queue_time_limit_s": 100.0})
    world.settle()
    world.later(90.0)
    assert world.batch.killed == []
    world.later(60.0)
    world.later(30.0)
    assert world.batch.killed == [world.worker(1).key]
    assert "workerQueueTimeLimit" in world.worker(1).kill


def test_nothing_is_swept_before_its_time_or_while_a_report_waits(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, queue={"keep_s": {"finished": 100.0}})
    world.run(JOB_FETCHER)
    world.communicator.faults.fail("update_jobs", times=1000)
    world.settle()
    world.later(2.0)
    world.later(500.0)
    assert world.messenger.cleaned == []
    world.communicator.faults.clear()
    world.later(700.0)
    world.later(200.0)
    assert world.messenger.cleaned == [1]
    assert world.batch.swept == [world.worker(1).key]


def test_what_must_stay_stays_and_is_not_tried_for_ever(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, queue={"keep_s": {"finished": 10.0}})
    world.settle()
    world.messenger.stays[1] = "it is a symbolic link"
    world.later(2.0)
    world.later(100.0)
    assert world.worker(1).due is None
    assert world.worker(1).why == "it is a symbolic link"
    assert world.messenger.cleaned == []


def test_what_is_over_is_forgotten_in_the_end(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=5)
    world.settle()
    world.later(2.0)
    for _ in range(6):
        world.later(2 * DAY)
    with world.database.read() as connection:
        assert connection.execute("SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM worker)").fetchone() == (0, 0)


def test_inputs_that_cannot_be_given_up_stand_before_nobody(worlds: Worlds) -> None:
    world = worlds(rows=1)
    world.communicator.add_jobs(2, inFiles="in.root", outFiles="")
    for _ in range(10):
        world.later(2.0)
    world.preparator.faults.fail("release", times=1)
    world.clock.advance(4 * DAY)
    world.run("sweeper")
    world.clock.advance(700.0)
    world.run("sweeper")
    assert len(world.preparator.released) == 1


def test_staged_in_copies_go_when_their_job_is_forgotten(worlds: Worlds) -> None:
    world = worlds()
    world.communicator.add_jobs(1, inFiles="in.root", outFiles="")
    world.settle()
    world.later(2.0)
    assert world.preparator.released == []
    world.preparator.faults.fail("release", times=1)
    for _ in range(4):
        world.later(2 * DAY)
    assert world.preparator.released == [1]
    with world.database.read() as connection:
        assert connection.execute("SELECT count(*) FROM job").fetchone() == (0,)


# -- reports ------------------------------------------------------------------------------------------


def test_an_unchanged_job_is_reported_again_and_again(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    for _ in range(4):
        world.later(1801.0)
    assert told(world) == [(1, "starting")] * 5


def test_a_true_pilot_speaks_for_itself(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, queue={"true_pilot": True})
    world.settle()
    world.later(3.0)
    assert world.job(1).state is JobState.FINISHED
    assert told(world) == [(1, "starting")]


def test_a_reply_that_is_lost_makes_the_report_come_again_and_end_once(worlds: Worlds, monkeypatch: pytest.MonkeyPatch) -> None:
    world = worlds(jobs_waiting=1)
    world.settle()
    taken = world.communicator.update_jobs

    def lost(jobs: Any, id: str) -> Any:
        taken(jobs, id)
        raise Unavailable("the answer was lost")

    with monkeypatch.context() as patch:
        patch.setattr(world.communicator, "update_jobs", lost)
        world.later(3.0)
    for _ in range(3):
        world.later(60.0)
    assert world.communicator.counts() == {"finished": 1}
    assert told(world).count((1, "finished")) == 1
    assert world.job(1).due is not None


def test_a_job_that_comes_twice_is_one_job(worlds: Worlds) -> None:
    world = worlds(jobs_waiting=1, instant=False)
    world.settle()
    world.communicator._waiting.append({"PandaID": 1, "attemptNr": 1})
    world.later(60.0)
    assert world.batch.submissions == [world.worker(1).key]


def test_an_unusable_job_is_told_failed_with_the_reason(worlds: Worlds) -> None:
    world = worlds()
    world.communicator.add_jobs(1, coreCount="eight")
    world.settle()
    assert told(world) == [(1, "failed")]
    assert "coreCount" in world.communicator.reports[-1].why
