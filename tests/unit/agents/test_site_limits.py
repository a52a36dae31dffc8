"""The submitter keeps to the limits of the site, and says so."""
from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from harvester_hpc.model.facility import BatchQueue, Facility, JobLimits, NodeBin
from harvester_hpc.model.job import JobState
from harvester_hpc.model.queue import Resources
from harvester_hpc.model.worker import MapType, WorkerPlan, WorkerState
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import holdback
from harvester_hpc.store import worker as workers
from harvester_workers.simple import SimpleWorkerMaker
from tests.unit.agents.world import World, make_world

FACILITY = Facility(
    name="f", scheduler="slurm",
    queues=(
        BatchQueue(
            name="batch", limits=JobLimits(eligible_per_user=2),
            bins=(NodeBin(min_nodes=1, max_nodes=10, max_walltime_s=7200), NodeBin(min_nodes=11, max_nodes=20, max_walltime_s=20000)),
        ),
        BatchQueue(name="extended", max_nodes=5, max_walltime_s=86400, limits=JobLimits(eligible_per_user=1)),
    ),
)


def world_at(tmp_path: Path, facility: Facility, jobs: int, **more: Any) -> World:
    """Make a world at a facility whose batch system starts nothing by itself, with the real worker maker."""
    world = make_world(tmp_path, instant=False, finishes=False, jobs_waiting=jobs, **more)
    plugins = world.house.queues["Q"]
    maker = SimpleWorkerMaker(
        SimpleWorkerMaker.Settings(), Context(instance="i", tag="abcde", state_dir=tmp_path, facility=facility, queue=plugins.queue)
    )
    queues: dict[str, QueuePlugins] = {"Q": replace(plugins, worker_maker=maker)}
    world.house = replace(world.house, facility=facility, queues=queues)
    world.restart()
    return world


def held(world: World) -> list[str]:
    with world.database.read() as connection:
        return [one.why for one in holdback.holdbacks(connection)]


def standing(world: World) -> dict[tuple[str, WorkerState], int]:
    with world.database.read() as connection:
        return workers.batch_queue_counts(connection)


def test_no_more_workers_wait_than_are_eligible_and_status_says_so(tmp_path: Path) -> None:
    world = world_at(tmp_path, FACILITY, jobs=5)
    world.settle()
    world.later(60)
    assert standing(world) == {("", WorkerState.SUBMITTED): 2}
    assert held(world) == ["2 of 2 eligible in batch queue 'batch'"]
    waiting = [job for number in range(1, 6) if (job := world.job(number)).state is JobState.PREPARED]
    assert [job.why for job in waiting] == ["waits for room: 2 of 2 eligible in batch queue 'batch'"] * 3
    assert world.troubles() == []


def test_when_workers_run_others_follow(tmp_path: Path) -> None:
    world = world_at(tmp_path, FACILITY, jobs=3)
    world.settle()
    for number in (1, 2):
        world.batch.start(world.worker(number).key)
    world.later(60)
    world.later(60)
    assert standing(world) == {("", WorkerState.RUNNING): 2, ("", WorkerState.SUBMITTED): 1}
    assert held(world) == []


def test_of_several_batch_queues_the_first_with_room_gets_the_worker(tmp_path: Path) -> None:
    world = world_at(tmp_path, FACILITY, jobs=5, queue={"resources": Resources(batch_queue="batch", batch_queues=("batch", "extended"))})
    world.settle()
    world.later(60)
    assert standing(world) == {("batch", WorkerState.SUBMITTED): 2, ("extended", WorkerState.SUBMITTED): 1}
    assert held(world) == ["2 of 2 eligible in batch queue 'batch'; 1 of 1 eligible in batch queue 'extended'"]


def test_a_job_that_fits_only_where_there_is_no_room_waits_and_does_not_fail(tmp_path: Path) -> None:
    resources = Resources(batch_queue="batch", batch_queues=("batch", "extended"), walltime_s=50_000)
    world = world_at(tmp_path, FACILITY, jobs=3, queue={"resources": resources})
    world.settle()
    world.later(60)
    assert standing(world) == {("extended", WorkerState.SUBMITTED): 1}
    states = [world.job(number).state for number in (1, 2, 3)]
    assert states == [JobState.SUBMITTED, JobState.PREPARED, JobState.PREPARED]
    assert "extended" in world.job(3).why


def test_what_no_batch_queue_takes_hears_of_those_without_room_too(tmp_path: Path) -> None:
    resources = Resources(batch_queue="batch", batch_queues=("batch", "extended"))
    world = world_at(tmp_path, FACILITY, jobs=2, queue={"resources": resources})  # which fill one of the two
    world.settle()
    plugins = world.house.queues["Q"]
    longer = replace(plugins, queue=replace(plugins.queue, resources=replace(resources, walltime_s=100_000)))
    world.house = replace(world.house, queues={"Q": longer})
    world.restart()
    world.communicator.add_jobs(1)
    world.later(60)
    assert standing(world) == {("batch", WorkerState.SUBMITTED): 2}
    assert world.job(3).state is JobState.FAILED
    assert "gives 7200 s at most" in world.job(3).why and "gives 86400 s at most" in world.job(3).why


def test_what_no_batch_queue_takes_fails_with_the_reasons_of_each(tmp_path: Path) -> None:
    resources = Resources(batch_queue="batch", batch_queues=("batch", "extended"), nodes=15, walltime_s=30_000)
    world = world_at(tmp_path, FACILITY, jobs=1, queue={"resources": resources})
    world.settle()
    assert world.job(1).state is JobState.FAILED
    assert "gives 20000 s at most to 15 node(s)" in world.job(1).why
    assert "batch queue 'extended' takes 5 at most" in world.job(1).why


def test_a_worker_that_the_site_refuses_is_not_asked_for_whatever_its_maker_says(tmp_path: Path) -> None:
    world = make_world(tmp_path, jobs_waiting=1)
    world.house = replace(world.house, facility=FACILITY)
    world.maker.answer = WorkerPlan(nodes=21, cores=21, walltime_s=60)
    world.restart()
    world.settle()
    assert world.job(1).state is JobState.FAILED
    assert "batch queue 'batch' takes 1 to 10, 11 to 20" in world.job(1).why
    assert standing(world) == {}


def test_queues_that_share_a_batch_queue_take_turns(tmp_path: Path) -> None:
    facility = replace(FACILITY, queues=(BatchQueue(name="batch", limits=JobLimits(eligible_per_user=1)),))
    world = world_at(tmp_path, facility, jobs=0)
    one = world.house.queues["Q"]
    other = replace(one, queue=replace(one.queue, name="R", access_point=f"{tmp_path}/r/${{workerID}}", access_root=f"{tmp_path}/r"))
    pulling = {name: replace(each, queue=replace(each.queue, map_type=MapType.NO_JOB)) for name, each in (("Q", one), ("R", other))}
    world.house = replace(world.house, queues=pulling)
    world.restart()
    queues = []
    for number in range(1, 5):
        world.later(60)
        worker = world.worker(number)
        queues.append(worker.queue)
        world.batch.start(worker.key)
    assert sorted(queues) == ["Q", "Q", "R", "R"]
    assert queues[0] != queues[1]


def test_pull_workers_keep_to_the_limits_too(tmp_path: Path) -> None:
    world = world_at(tmp_path, FACILITY, jobs=0, queue={"map_type": MapType.NO_JOB, "limit_queued_workers": 10})
    world.settle()
    world.later(60)
    assert standing(world) == {("", WorkerState.SUBMITTED): 2}
    assert held(world) == ["2 of 2 eligible in batch queue 'batch'"]


def test_jobs_that_wait_for_one_batch_queue_keep_nobody_from_another(tmp_path: Path) -> None:
    resources = Resources(batch_queue="batch", batch_queues=("batch", "extended"))
    world = world_at(tmp_path, FACILITY, jobs=0, queue={"resources": resources})
    world.communicator.add_jobs(6, maxWalltime=50_000)  # fit into 'extended' only, which takes one
    world.communicator.add_jobs(2, maxWalltime=600)
    world.settle()
    world.later(60)
    assert standing(world) == {("extended", WorkerState.SUBMITTED): 1, ("batch", WorkerState.SUBMITTED): 2}
    assert [world.job(number).state for number in (7, 8)] == [JobState.SUBMITTED] * 2
    assert "waits for room" in world.job(2).why and "'extended'" in world.job(2).why
