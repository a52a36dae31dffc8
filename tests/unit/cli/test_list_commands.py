"""``jobs`` and ``workers``: the right rows, whole when piped, and the same keys for ever."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.cli.exits import Exit
from harvester_hpc.model.job import JobState
from harvester_hpc.model.worker import WorkerState
from tests.unit.cli.rows_and_answers import Command, Stored

JOB_KEYS = {
    "job", "queue", "state", "outcome", "attempt", "task", "priority", "cores", "memory_mb", "walltime_s", "tries", "submissions", "why",
    "cancel", "worker", "batch_id", "worker_state", "created", "changed",
}
WORKER_KEYS = {
    "worker", "queue", "state", "map_type", "key", "batch_id", "batch_queue", "native_status", "node", "exit_code", "why", "kill", "nodes",
    "cores", "memory_mb", "gpus_per_node", "walltime_s", "submissions", "tries", "access_point", "created", "changed", "submitted",
    "started", "ended", "heartbeat", "not_seen_since", "jobs",
}


@pytest.fixture
def every_state(stored: Stored, tmp_path: Path) -> Stored:
    for number, state in enumerate(JobState, 1):
        stored.add_job(number, state)
    for number, worker_state in enumerate(WorkerState, 1):
        stored.add_worker(number, tmp_path / str(number), worker_state)
    return stored


def ids(command: Command, noun: str, *arguments: str) -> set[int]:
    return {row[noun[:-1]] for row in command(noun, "list", "--json", *arguments).json[noun]}


def test_only_what_goes_on_is_listed(command: Command, every_state: Stored) -> None:
    states = {row["state"] for row in command("jobs", "--json").json["jobs"]}
    assert states == set(JobState) - {JobState.FINISHED, JobState.FAILED, JobState.CANCELLED}
    states = {row["state"] for row in command("workers", "--json").json["workers"]}
    assert states == {WorkerState.PLANNED, WorkerState.SUBMITTED, WorkerState.RUNNING}


def test_all_lists_all(command: Command, every_state: Stored) -> None:
    assert ids(command, "jobs", "-a") == set(range(1, len(JobState) + 1))
    assert ids(command, "workers", "--all") == set(range(1, len(WorkerState) + 1))


@pytest.mark.parametrize("state", JobState)
def test_a_state_lists_its_jobs(command: Command, every_state: Stored, state: JobState) -> None:
    assert [row["state"] for row in command("jobs", "--json", "-s", state).json["jobs"]] == [state]


def test_several_states_may_be_named_in_two_ways(command: Command, every_state: Stored) -> None:
    assert ids(command, "jobs", "-s", "running,failed") == ids(command, "jobs", "-s", "running", "-s", "failed")
    assert len(ids(command, "jobs", "-s", "running,failed")) == 2


def test_a_wrong_state_is_answered_with_the_nearest(command: Command, stored: Stored) -> None:
    said = command("jobs", "-s", "runing")
    assert said.code == Exit.USAGE
    assert "did you mean 'running'?" in said.err


def test_a_queue_lists_its_jobs(command: Command, stored: Stored) -> None:
    stored.add_job(1, queue="Q")
    stored.add_job(2, queue="R")
    assert ids(command, "jobs", "-q", "R") == {2}


@pytest.mark.parametrize(("span", "found"), [("30s", {1}), ("10m", {1, 2}), ("2h", {1, 2, 3}), ("3d", {1, 2, 3, 4})])
def test_since_counts_from_the_last_change(command: Command, stored: Stored, span: str, found: set[int]) -> None:
    for number, age_s in ((1, 0.0), (2, 300.0), (3, 3600.0), (4, 100_000.0)):
        stored.add_job(number, age_s=age_s)
    assert ids(command, "jobs", "--since", span) == found


def test_a_span_that_is_none_is_refused(command: Command, stored: Stored) -> None:
    assert command("jobs", "--since", "yesterday").code == Exit.USAGE


def test_the_newest_come_first_and_a_limit_is_told(command: Command, stored: Stored) -> None:
    for number in range(1, 6):
        stored.add_job(number, age_s=10.0 * number)
    said = command("jobs", "--limit", 2)
    assert [line.split()[0] for line in said.out.splitlines()] == ["job", "1", "2"]
    assert "2 of 5 jobs" in said.err
    facts = command("jobs", "--limit", 2, "--json").json
    assert (facts["matched"], len(facts["jobs"])) == (5, 2)
    assert len(command("jobs", "--limit", 0, "--json").json["jobs"]) == 5


def test_nothing_matched_has_its_exit_code(command: Command, stored: Stored) -> None:
    assert command("jobs").code == command("workers").code == Exit.NOTHING
    assert command("jobs", "show", 1).code == command("workers", "show", 1).code == Exit.NOTHING


def test_ls_is_list_and_a_number_is_show(command: Command, stored: Stored) -> None:
    stored.add_job(7)
    assert command("jobs", "ls", "--json").out == command("jobs", "list", "--json").out == command("jobs", "--json").out
    assert command("jobs", 7, "--json").out == command("jobs", "show", 7, "--json").out == command("jobs", "info", 7, "--json").out


def test_nothing_is_cut_or_coloured_when_piped(command: Command, stored: Stored) -> None:
    why = "slurm said\nsomething very long " + "x" * 500
    stored.add_job(1, why=why)
    out = command("jobs").out
    assert " ".join(why.split()) in out
    assert "\x1b" not in out
    assert len(out.splitlines()) == 2


def test_all_jobs_of_a_worker_are_listed_when_piped(command: Command, stored: Stored, tmp_path: Path) -> None:
    stored.add_worker(1, tmp_path)
    for number in range(1, 6):
        stored.add_job(number)
        stored.sql("INSERT INTO bond (worker_id, job_id) VALUES (1, ?)", number)
    assert "1, 2, 3, 4, 5" in command("workers").out


def test_json_keeps_its_keys(command: Command, stored: Stored, tmp_path: Path) -> None:
    stored.add_job(1)
    stored.add_worker(5, tmp_path / "5", job_id=1)
    job = command("jobs", "--json").json["jobs"][0]
    assert set(job) == JOB_KEYS
    assert (job["worker"], job["batch_id"], job["worker_state"]) == (5, "b5", "running")
    assert set(command("workers", "--json").json["workers"][0]) == WORKER_KEYS == set(command("workers", "show", 5, "--json").json)
    shown = command("jobs", "show", 1, "--json").json
    assert set(shown) == JOB_KEYS | {"workers", "files", "attributes", "params"}
    assert (shown["params"], shown["workers"], shown["files"][0]["lfn"]) == ({"PandaID": 1}, [5], "1.log")


def test_times_are_utc(command: Command, stored: Stored) -> None:
    stored.add_job(1)
    assert command("jobs", "--json").json["jobs"][0]["created"].endswith("Z")


def test_show_is_one_fact_a_line(command: Command, stored: Stored) -> None:
    stored.add_job(1, why="no\nreason")
    lines = command("jobs", "show", 1).out.splitlines()
    assert ["why", "no", "reason"] in [line.split() for line in lines]
    assert [line.split()[0] for line in lines[-2:]] == ["kind", "log"]


def test_an_unknown_verb_is_answered_with_the_nearest(command: Command, stored: Stored) -> None:
    said = command("workers", "shwo")
    assert said.code == Exit.USAGE
    assert "did you mean 'show'?" in said.err
