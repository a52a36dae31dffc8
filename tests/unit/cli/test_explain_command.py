"""``explain``: the arithmetic of a queue, and what a job or a worker waits for."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from harvester_hpc.cli.exits import Exit
from harvester_hpc.model.file import File, FileId, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.store import health, holdback, wish
from harvester_hpc.store import job as jobs
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store.database import Database
from tests.unit.cli.rows_and_answers import Command, Stored


def configure(home: Path, **queue: object) -> None:
    values = {"extends": "local", "instance": "test", "queues": {"Q": queue, "R": {"siteName": "SITE_R"}}}
    (home / "harvester.json").write_text(json.dumps(values))


def add_jobs(stored: Stored, *said: tuple[JobState, str, int]) -> None:
    with Database(stored.path, stored.clock) as database, database.write() as write:
        for number, (state, resource_type, cores) in enumerate(said, start=1):
            job = Job(id=JobId(number), queue="Q", state=state, resource_type=resource_type, cores=cores, priority=-number)
            jobs.insert(write, [job])


def test_a_queue_tells_each_limit_with_the_numbers_of_now(command: Command, stored: Stored, home: Path, tmp_path: Path) -> None:
    configure(home, nQueueLimitJobRatio=200, nQueueLimitJobMin=3, nQueueLimitWorker=4, maxWorkers=9, nQueueLimitWorkerCores=10)
    add_jobs(stored, (JobState.RUNNING, "SCORE", 1), (JobState.RUNNING, "SCORE", 1), (JobState.PREPARED, "SCORE", 1))
    stored.add_worker(1, tmp_path / "1", "submitted")
    said = command("explain", "queue", "Q")
    assert said.code == Exit.DONE
    for line in (
        "queue Q: online, mapType OneToOne, runMode self",
        "  jobs to fetch: 3", "    nQueueLimitJobRatio 200 % of 2 jobs running = 4, at least 3: 4 - 1 jobs waiting = 3",
        "  workers to make: 3", "    nQueueLimitWorker 4 - 1 workers waiting = 3", "    maxWorkers 9 - 1 waiting - 0 running = 8",
        "  jobs that want a worker: 1", "    nQueueLimitWorkerCores 10 - 1 cores waiting = 9",
    ):
        assert line in said.out.splitlines(), said.out
    facts = command("explain", "queue", "Q", "--json").json
    assert (facts["jobs_to_fetch"]["number"], facts["workers_to_make"]["number"], facts["running"]) == (3, 3, False)


def test_a_queue_tells_what_is_wished_shared_out_and_held_back(command: Command, stored: Stored, home: Path) -> None:
    configure(home, runMode="slave", dynamicPartition=True, resourceTypeLimits={"MCORE": {"jobs": 4, "workers": 2}}, queueStatus="standby")
    add_jobs(stored, (JobState.PREPARED, "SCORE", 1), (JobState.PREPARED, "MCORE", 8))
    with Database(stored.path, stored.clock) as database, database.write() as write:
        wish.put(write, "Q", {("managed", "MCORE"): 3}, "1")
        holdback.hold(write, "Q", "queueStatus standby")
        health.trouble(write, "submitter", "Q", write.now + 60, "sbatch does not answer")
        health.trouble(write, "job_fetcher", "R", write.now + 60, "another queue's")
    facts = command("explain", "queue", "Q", "--json").json
    assert facts["workers_to_make"] == {"number": 0, "lines": ["queueStatus standby makes no workers", "so 0 workers to make"]}
    assert facts["jobs_to_fetch_by_type"] == {"MCORE": 3}
    assert facts["wishes"] == [{"job_type": "managed", "resource_type": "MCORE", "number": 3}]
    assert [line.split(":")[0] for line in facts["partition"]] == ["dynamicPartition MCORE", "dynamicPartition SCORE"]
    assert facts["limits_by_size"] == ["resourceTypeLimits MCORE workers 2 - 0 workers waiting and running = 2"]
    assert facts["held_back"] == "queueStatus standby"
    assert [one["why"] for one in facts["troubles"]] == ["sbatch does not answer"]


def test_an_unknown_queue_job_or_worker_is_nothing_found(command: Command, stored: Stored) -> None:
    said = command("explain", "queue", "q")
    assert (said.code, "there is: Q, R" in said.err) == (Exit.NOTHING, True)
    assert [command("explain", what, 7).code for what in ("job", "worker")] == [Exit.NOTHING] * 2


@pytest.mark.parametrize(("state", "turn", "words"), [
    (JobState.FETCHED, "preparator", "waits for its inputs"), (JobState.PREPARING, "preparator", "waits for its inputs"),
    (JobState.PREPARED, "submitter", "waits for a worker; 0 jobs of its queue come first"),
    (JobState.SUBMITTED, "monitor", "waits for its worker to begin it"), (JobState.RUNNING, "monitor", "runs in its worker"),
    (JobState.TO_TRANSFER, "stager", "its outputs are brought away"), (JobState.TRANSFERRING, "stager", "its outputs are brought away"),
    (JobState.FINISHED, None, "has ended"), (JobState.FAILED, None, "has ended"), (JobState.CANCELLED, None, "has ended"),
])
def test_every_state_of_a_job_says_whose_turn_it_is(
    command: Command, stored: Stored, state: JobState, turn: str | None, words: str
) -> None:
    stored.add_job(1, state, why="the last one did not work")
    assert command("explain", "job", 1, "--json").json["turn"] == turn
    out = command("explain", "job", 1).out
    assert words in out
    assert "last reason: the last one did not work" in out
    assert f"not told yet: {state}" in out


def test_a_prepared_job_tells_how_many_come_first(command: Command, stored: Stored) -> None:
    add_jobs(stored, *[(JobState.PREPARED, "", 1)] * 3)  # the first ones have the highest priority
    assert [
        next(word for word in ("0 jobs", "1 jobs", "2 jobs") if word in command("explain", "job", number).out) for number in (1, 2, 3)
    ] == ["0 jobs", "1 jobs", "2 jobs"]


def test_a_job_tells_its_files_its_worker_and_the_trouble_of_who_is_at_it(command: Command, stored: Stored, tmp_path: Path) -> None:
    stored.add_job(1, JobState.TRANSFERRING)
    stored.add_worker(5, tmp_path / "5", "finished", job_id=1)
    with Database(stored.path, stored.clock) as database, database.write() as write:
        log = File(id=FileId(1), job_id=1, kind=FileKind.LOG, lfn="1.log", state=FileState.DEFINED, path="/scratch/1.log", size=4)
        parcels.send(write, "Q", [log])
        write.connection.execute("UPDATE parcel SET tries = 2, why = 'no space left there'")
        for agent in ("stager", "submitter"):
            health.trouble(write, agent, "Q", write.now + 60, f"the {agent} waits")
    facts = command("explain", "job", 1, "--json").json
    (file,) = facts["files_on_their_way"]
    assert (file["file"], file["direction"], file["tries"], file["why"]) == ("1.log", "out", 2, "no space left there")
    assert [one["worker"] for one in facts["workers"]] == [5]
    assert [one["why"] for one in facts["troubles"]] == ["the stager waits"]
    assert "worker 5 (finished since 0s): batch job b5" in command("explain", "job", 1).out


@pytest.mark.parametrize(("state", "turn", "words"), [
    ("planned", "submitter", "the batch system may or may not have it"), ("submitted", "monitor", "waits in the batch queue since"),
    ("running", "monitor", "runs"), ("finished", "sweeper", "has ended"), ("failed", "sweeper", "has ended"),
    ("cancelled", "sweeper", "has ended"), ("missed", "sweeper", "has ended"),
])
def test_every_state_of_a_worker_says_whose_turn_it_is(
    command: Command, stored: Stored, tmp_path: Path, state: str, turn: str, words: str
) -> None:
    stored.add_worker(1, tmp_path / "1", state)
    assert command("explain", "worker", 1, "--json").json["turn"] == turn
    assert words in command("explain", "worker", 1).out


def test_a_worker_tells_what_the_batch_system_says_and_what_is_due(command: Command, stored: Stored, tmp_path: Path) -> None:
    stored.add_job(3, JobState.SUBMITTED)
    stored.add_worker(1, tmp_path / "1", "submitted", job_id=3)
    stored.sql("INSERT INTO job_request (worker_id, since, due, pending) VALUES (1, 0, 0, '[3]')")
    now = stored.clock.now()
    stored.sql(
        "UPDATE worker SET native_status = 'PD (AssocGrpNodeLimit)', batch_queue = 'regular', gone = ?1, kill = 'waited too long', "
        "kill_due = ?1 + 300, look = ?1 + 30, tell = ?1 + 9, due = ?1 + 600", now,
    )
    out = command("explain", "worker", 1).out
    for words in (
        "batch job b1 in regular, PD (AssocGrpNodeLimit)", "the monitor looks in ", "it is to be ended: waited too long",
        "the batch system does not know it since", "its letters are read in ", "its jobs: 1 submitted", "on their way to it: 3",
        "it is told of in ", "no instance runs here",
    ):
        assert words in out, out
    facts = command("explain", "worker", 1, "--json").json
    assert set(facts["looked_after"]) == {"kill", "letters", "report"}
    assert facts["jobs"] == {"submitted": 1}
