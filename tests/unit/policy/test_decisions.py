"""Pure decisions, case by case."""
from __future__ import annotations

from typing import Any

import pytest

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState, Outcome
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.policy.backoff import pause_s
from harvester_hpc.policy.fetching import by_state, jobs_to_fetch
from harvester_hpc.policy.packing import workers_to_make
from harvester_hpc.policy.patience import is_given_up, next_look_s, reason_to_kill, together
from harvester_hpc.policy.verdict import verdict
from harvester_hpc.ports.batch import Seen

J, W = JobState, WorkerState


def queue(**attributes: Any) -> Queue:
    return Queue(name="Q", **attributes)


@pytest.mark.parametrize(("limit", "counts", "bunch", "wanted"), [
    (None, {}, 100, 0),
    (10, {}, 100, 10),
    (10, {}, 4, 4),
    (10, {J.FETCHED: 2, J.PREPARING: 1, J.PREPARED: 3, J.SUBMITTED: 1}, 100, 3),
    (10, {J.RUNNING: 500, J.TRANSFERRING: 9, J.FAILED: 7}, 100, 10),
    (5, {J.PREPARED: 9}, 100, 0),
])
def test_fetched_is_the_limit_minus_what_waits(limit: int | None, counts: dict[JobState, int], bunch: int, wanted: int) -> None:
    assert jobs_to_fetch(queue(limit_jobs=limit), list(by_state(counts)), bunch).number == wanted


@pytest.mark.parametrize(("attributes", "counts", "room"), [
    ({}, {}, 100),
    ({"limit_queued_workers": 5}, {}, 5),
    ({"limit_queued_workers": 5}, {W.PLANNED: 1, W.SUBMITTED: 2, W.RUNNING: 50}, 2),
    ({"limit_queued_workers": 5}, {W.SUBMITTED: 9}, 0),
    ({"limit_queued_workers": 50, "max_workers": 10}, {W.SUBMITTED: 2, W.RUNNING: 3}, 5),
    ({"limit_queued_workers": 50, "max_workers": 10, "max_new_workers": 3}, {}, 3),
    ({"max_workers": 0}, {W.RUNNING: 10**6}, 100),
    ({"max_workers": 10}, {W.FINISHED: 99, W.FAILED: 99, W.MISSED: 9}, 10),
])
def test_new_workers_keep_to_every_limit(attributes: dict[str, int], counts: dict[WorkerState, int], room: int) -> None:
    assert workers_to_make(queue(**attributes), counts, 100).number == room


def test_pauses_grow_and_end_at_a_bound_and_are_spread() -> None:
    middle = [pause_s(tries, 0.5) for tries in range(1, 12)]
    assert middle[:4] == [5.0, 10.0, 20.0, 40.0]
    assert middle == sorted(middle)
    assert pause_s(10**6, 0.5) == 600.0
    assert pause_s(1, 0.0) < pause_s(1, 0.99)


def a_job(**attributes: Any) -> Job:
    return Job(id=JobId(1), queue="Q", state=J.RUNNING, **attributes)


def output(state: FileState, kind: FileKind = FileKind.OUTPUT) -> File:
    return File(job_id=1, kind=kind, lfn="out.root", state=state)


@pytest.mark.parametrize(("seen", "said", "files", "outcome"), [
    (Seen(state=W.FINISHED, exit_code=0), None, [], Outcome.FINISHED),
    (Seen(state=W.FINISHED, exit_code=0), "finished", [output(FileState.DEFINED)], Outcome.FINISHED),
    (Seen(state=W.FINISHED, exit_code=0), "finished", [output(FileState.EXPECTED)], Outcome.FAILED),
    (Seen(state=W.FINISHED, exit_code=0), "finished", [output(FileState.EXPECTED, FileKind.LOG)], Outcome.FINISHED),
    (Seen(state=W.FINISHED, exit_code=0), "failed", [], Outcome.FAILED),
    (Seen(state=W.FAILED, why="time limit reached"), "finished", [output(FileState.DEFINED)], Outcome.FINISHED),
    (Seen(state=W.FAILED, why="time limit reached"), None, [], Outcome.FAILED),
    (Seen(state=W.FAILED, exit_code=3), None, [], Outcome.FAILED),
    (Seen(state=W.CANCELLED, why="by uid 0"), None, [], Outcome.CANCELLED),
])
def test_a_job_is_finished_only_with_its_workers_word_and_its_outputs(
    seen: Seen, said: str | None, files: list[File], outcome: Outcome
) -> None:
    judged, why = verdict(a_job(), seen, said, {}, files)
    assert judged is outcome
    assert (why == "") == (outcome is Outcome.FINISHED)


def test_a_cancelled_job_is_cancelled_however_its_worker_ended() -> None:
    assert verdict(a_job(cancel="no longer wanted"), Seen(state=W.FINISHED), "finished", {}, []) == (Outcome.CANCELLED, "no longer wanted")


def test_the_payloads_own_words_come_first() -> None:
    told = {"exeErrorDiag": "no such geometry", "transExitCode": 65}
    assert verdict(a_job(), Seen(state=W.FAILED, why="exit code 65", exit_code=65), "failed", told, [])[1] == "no such geometry"
    assert verdict(a_job(), Seen(state=W.FINISHED, exit_code=0), "failed", told, [])[1] == "no such geometry"


@pytest.mark.parametrize(("state", "reason", "outcome"), [
    (W.FAILED, "time limit reached", Outcome.FAILED),
    (W.FAILED, "node failure", Outcome.FAILED),
    (W.CANCELLED, "cancelled from outside", Outcome.CANCELLED),
    (W.CANCELLED, "killed: gave no sign of life for more than 60 s (worker_heartbeat)", Outcome.CANCELLED),
])
def test_who_ended_the_payload_knows_better_why_than_the_payload(state: WorkerState, reason: str, outcome: Outcome) -> None:
    told = {"exeErrorDiag": "killed by signal SIGTERM", "transExitCode": 143}
    judged = verdict(a_job(), Seen(state=state, why=reason, exit_code=143), "failed", told, [])
    assert judged == (outcome, f"{reason} (killed by signal SIGTERM)")


def a_worker(state: WorkerState, **attributes: Any) -> Worker:
    return Worker(
        id=WorkerId(1), queue="Q", map_type=MapType.ONE_TO_ONE, state=state, key="k", access_point="/x",
        plan=WorkerPlan(nodes=1, cores=1, walltime_s=60), **attributes,
    )


def test_a_worker_without_limits_waits_for_ever() -> None:
    assert reason_to_kill(a_worker(W.SUBMITTED, created=0.0), queue(), 1e9) == ""


def test_a_worker_that_waits_too_long_is_killed() -> None:
    limited = queue(queue_time_limit_s=100.0)
    assert reason_to_kill(a_worker(W.SUBMITTED, submitted=0.0), limited, 99.0) == ""
    assert "workerQueueTimeLimit" in reason_to_kill(a_worker(W.SUBMITTED, submitted=1.0), limited, 102.0)
    assert reason_to_kill(a_worker(W.RUNNING, submitted=1.0), limited, 1e6) == ""


def test_a_silent_worker_is_killed_once() -> None:
    limited = queue(heartbeat_limit_s=60.0)
    silent = a_worker(W.RUNNING, started=10.0, heartbeat=20.0)
    assert reason_to_kill(silent, limited, 79.0) == ""
    assert "no sign of life" in reason_to_kill(silent, limited, 81.0)
    assert reason_to_kill(a_worker(W.RUNNING, started=10.0, kill="asked already"), limited, 1e6) == ""


def test_a_new_worker_is_looked_at_soon_and_an_old_one_at_the_poll_interval() -> None:
    assert next_look_s(a_worker(W.SUBMITTED, submitted=100.0), 30.0, 100.0) == 1.0
    assert next_look_s(a_worker(W.SUBMITTED, submitted=100.0), 30.0, 1e6) == 30.0


def test_an_unknown_worker_is_given_up_after_a_patience_only() -> None:
    assert not is_given_up(a_worker(W.RUNNING), 1e9)
    assert not is_given_up(a_worker(W.RUNNING, gone=100.0), 150.0, 60.0)
    assert is_given_up(a_worker(W.RUNNING, gone=100.0), 161.0, 60.0)


def test_a_killed_worker_that_nobody_knows_any_more_is_not_waited_for_as_long() -> None:
    assert not is_given_up(a_worker(W.SUBMITTED, gone=100.0, kill="enough"), 219.0)
    assert is_given_up(a_worker(W.SUBMITTED, gone=100.0, kill="enough"), 221.0)
    assert not is_given_up(a_worker(W.SUBMITTED, gone=100.0), 221.0)


def test_an_unknown_worker_that_gives_signs_of_life_is_not_given_up() -> None:
    assert not is_given_up(a_worker(W.RUNNING, gone=100.0, heartbeat=500.0), 550.0, 60.0)
    assert is_given_up(a_worker(W.RUNNING, gone=100.0, heartbeat=500.0), 561.0, 60.0)
    assert is_given_up(a_worker(W.RUNNING, gone=100.0, heartbeat=20.0), 161.0, 60.0)


@pytest.mark.parametrize("pause_s", [0.1, 0.3, 1.0, 1.7, 5.0, 7.9, 30.0, 600.0])
@pytest.mark.parametrize("now", [1.8e9, 1.8e9 + 0.3, 1.8e9 + 15.99])
def test_a_look_together_with_others_is_neither_much_sooner_nor_much_later(now: float, pause_s: float) -> None:
    assert 0.49 * pause_s <= together(now, pause_s) - now <= 1.51 * pause_s
