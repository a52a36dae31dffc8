"""Attributes of several workers of one job, through the whole line."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.values import News
from harvester_hpc.model.job import JobState
from harvester_hpc.model.worker import MapType, WorkerState
from tests.unit.agents.world import World, make_world

JUMBO: dict[str, Any] = {"map_type": MapType.ONE_TO_MANY, "workers_per_job_per_cycle": 2, "workers_per_job_in_total": 2}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path, instant=False, finishes=False, outputs=(), workers_per_job=2, cores=4, queue=JUMBO)
    yield made
    for agent in made.agents.values():
        agent.close()
    made.database.close()


def both_run(world: World) -> int:
    """Let one job get its two workers, and let both run."""
    (job_id,) = world.communicator.add_jobs(1, nRanges=100)
    world.later(60.0)
    for worker in (1, 2):
        world.batch.start(world.worker(worker).key)
    world.later(2.0)
    return job_id


def tells(world: World, worker: int, job_id: int, **told: Any) -> None:
    """Let a worker tell something of its job."""
    world.messenger.tell(worker, News(attributes={job_id: told}))
    world.later(2.0)


def end(world: World, worker: int, state: WorkerState = WorkerState.FINISHED) -> None:
    world.batch.end(world.worker(worker).key, state=state)
    for _ in range(3):
        world.later(10.0)


def test_the_report_of_a_job_is_of_all_its_workers(world: World) -> None:
    job_id = both_run(world)
    assert world.job(job_id).attributes == {"coreCount": 8}
    tells(world, 1, job_id, nEvents=10, cpuConsumptionTime=100, maxRSS=5, node="n1", jobStatus="finished")
    tells(world, 2, job_id, nEvents=20, cpuConsumptionTime=50, maxRSS=7, node="n2")
    assert world.job(job_id).attributes == {"coreCount": 8, "nEvents": 30, "cpuConsumptionTime": 150, "maxRSS": 7, "node": "n2"}
    end(world, 1)
    assert world.job(job_id).attributes["coreCount"] == 4
    end(world, 2)
    assert world.job(job_id).state is JobState.FINISHED
    last = world.communicator.reports[-1]
    assert (last.status, last.attributes["nEvents"], last.attributes["cpuConsumptionTime"]) == ("finished", 30, 150)


def test_a_word_that_is_read_again_counts_once_also_after_a_restart(world: World) -> None:
    job_id = both_run(world)
    for _ in range(3):
        tells(world, 1, job_id, nEvents=10)
        tells(world, 2, job_id, nEvents=5)
        world.restart()
        world.later(60.0)
    assert world.job(job_id).attributes["nEvents"] == 15
    tells(world, 1, job_id, nEvents=11)
    assert world.job(job_id).attributes["nEvents"] == 16


def test_a_worker_that_says_nothing_new_writes_nothing(world: World) -> None:
    job_id = both_run(world)
    tells(world, 1, job_id, nEvents=10)
    with world.database.write() as write:
        write.connection.execute("UPDATE job_attributes SET attributes = '{}'")
    tells(world, 1, job_id, nEvents=10)
    assert world.job(job_id).attributes == {}
    tells(world, 1, job_id, nEvents=12)
    assert world.job(job_id).attributes["nEvents"] == 12


def test_a_worker_speaks_only_of_its_own_jobs(world: World) -> None:
    job_id = both_run(world)
    (other,) = world.communicator.add_jobs(1, nRanges=10)
    world.messenger.tell(1, News(attributes={job_id: {"nEvents": 1}, other: {"nEvents": 99}, 10**12: {"nEvents": 99}}))
    world.later(60.0)
    assert world.job(job_id).attributes["nEvents"] == 1
    assert "nEvents" not in world.job(other).attributes


def test_a_job_fails_with_the_words_of_the_worker_that_failed(world: World) -> None:
    job_id = both_run(world)
    tells(world, 1, job_id, exeErrorDiag="no such geometry", exeErrorCode=65)
    end(world, 1, WorkerState.FAILED)
    tells(world, 2, job_id, exeErrorDiag="told to end", exeErrorCode=9)
    end(world, 2, WorkerState.CANCELLED)
    job = world.job(job_id)
    assert (job.state, job.attributes["exeErrorCode"]) == (JobState.FAILED, 65)
    assert "no such geometry" in job.why


def test_what_went_wrong_in_one_worker_is_not_told_of_a_job_that_finished(world: World) -> None:
    job_id = both_run(world)
    tells(world, 1, job_id, exeErrorDiag="no such geometry", exeErrorCode=65)
    end(world, 1, WorkerState.FAILED)
    assert "exeErrorCode" not in world.job(job_id).attributes
    tells(world, 2, job_id, exeErrorDiag="", exeErrorCode=0)
    end(world, 2)
    assert (world.job(job_id).state, world.job(job_id).attributes["exeErrorCode"]) == (JobState.FINISHED, 0)


def test_shares_are_forgotten_with_their_job(world: World) -> None:
    job_id = both_run(world)
    tells(world, 1, job_id, nEvents=10)
    for worker in (1, 2):
        end(world, worker)
    for _ in range(3):
        world.later(100 * 3600.0)
    with world.database.read() as connection:
        assert connection.execute("SELECT (SELECT count(*) FROM job), (SELECT count(*) FROM share)").fetchone() == (0, 0)
