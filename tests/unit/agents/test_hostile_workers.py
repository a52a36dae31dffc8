"""Workers that say what cannot be, over real letters: nothing is lost, nothing is told wrong, and the log has an end."""
from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.app import agents as all_agents
from harvester_hpc.messenger.doorbell import ring
from harvester_hpc.messenger.letter import deliver
from harvester_hpc.messenger.names import NAMES
from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import JobState
from harvester_hpc.model.turn import AGENTS
from harvester_hpc.model.worker import MapType, WorkerState
from harvester_hpc.ports.context import Context
from harvester_hpc.store import event as events
from tests.unit.agents.world import World, make_world

THOUSANDS = 3000


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(
        tmp_path, instant=False, finishes=False, outputs=(), workers_per_job=2, cores=2,
        queue={"map_type": MapType.ONE_TO_MANY, "workers_per_job_per_cycle": 2, "workers_per_job_in_total": 2},
    )
    context = Context(instance="test", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))
    messenger = SharedFileMessenger(SharedFileMessenger.Settings(), context)
    made.house = replace(made.house, queues={"Q": replace(made.house.queues["Q"], messenger=messenger)})
    made.agents = {agent.name: agent for agent in all_agents(made.house, dict.fromkeys(AGENTS, 30.0), made.stop.set)}
    yield made
    for agent in made.agents.values():
        agent.close()
    made.database.close()


def begin(world: World, ranges: int = 8) -> int:
    """Let one job get its two workers, and let both run."""
    (job_id,) = world.communicator.add_jobs(1, nRanges=ranges)
    world.later(60.0)
    for worker in (1, 2):
        world.batch.start(world.worker(worker).key)
    world.later(2.0)
    return job_id


def folder(world: World, worker: int = 1) -> Path:
    return Path(world.worker(worker).access_point)


def held(world: World, job_id: int, worker: int = 1) -> list[str]:
    """Return the ranges that a worker finds in its letter."""
    return [str(one["eventRangeID"]) for one in json.loads((folder(world, worker) / NAMES.event_ranges).read_text())[str(job_id)]]


def output(world: World, name: str, text: str = "", worker: int = 1, **other: Any) -> dict[str, Any]:
    """Make an output of a range, and return its declaration."""
    path = folder(world, worker) / f"out.{name}.{text}"
    path.write_text(text or name)
    return {"path": str(path), "type": "es_output", "eventRangeID": name, "eventStatus": "finished", "fsize": len(text or name), **other}


def declares(world: World, content: object, worker: int = 1, letter: str = NAMES.status_dump) -> None:
    deliver(folder(world, worker) / letter, content)
    ring(folder(world, worker).parent, worker)
    world.later(2.0)


def tally(world: World, job_id: int) -> dict[str, int]:
    with world.database.read() as connection:
        return {str(state): number for state, number in events.tally(connection, job_id).items()}


def told(world: World) -> Counter[tuple[str, str]]:
    return Counter((report.range_id, report.status) for _, report in world.communicator.events.told)


def end(world: World) -> None:
    """Let both workers end, and the job with them."""
    for worker in (1, 2):
        world.batch.end(world.worker(worker).key, state=WorkerState.FINISHED)
    for _ in range(6):
        world.later(60.0)


def test_thousands_of_bad_items_cost_no_good_one_and_the_log_has_an_end(world: World, caplog: pytest.LogCaptureFixture) -> None:
    job_id = begin(world)
    good = held(world, job_id)[:2]
    foreign = [{"eventRangeID": f"9-9-9-{number}-1", "eventStatus": "finished"} for number in range(THOUSANDS)]
    odd_types: list[Any] = [None, 5, "x", [], {"path": 7, "type": "es_output"}, {"path": "a", "type": "weapon"}, {"eventRangeID": "a"}]
    dump = {
        str(job_id): [*odd_types * (THOUSANDS // 7), output(world, good[0]), *foreign, output(world, good[1])],
        "777": foreign, "no job": foreign, str(10**30): [output(world, good[0])],
    }
    with caplog.at_level(logging.INFO):
        declares(world, dump)
    assert len(caplog.records) < 100, caplog.text[:3000]
    assert sum(len(record.getMessage()) for record in caplog.records) < 30_000
    assert len(list(folder(world).iterdir())) < 200
    kept = [json.loads(path.read_text()) for path in folder(world).glob(f"{NAMES.status_dump}.bad.*") if path.suffix != ".reason"]
    assert max(len(one) for one in kept if isinstance(one, list)) > THOUSANDS - 20, "what cannot be used is kept for people to look at"
    end(world)
    assert {name: state for (name, state) in told(world) if state == "finished"} == dict.fromkeys(good, "finished")
    assert max(told(world).values()) == 1


@pytest.mark.parametrize("status", ["done", "FINISHED", "", "x" * 10_000, "finished "])
def test_a_status_that_is_none_changes_nothing(world: World, status: str) -> None:
    job_id = begin(world)
    mine = held(world, job_id)
    before = tally(world, job_id)
    declares(world, {str(job_id): [output(world, mine[0], eventStatus=status), {"eventRangeID": mine[1], "eventStatus": status}]})
    declares(world, {str(job_id): [{"eventRangeID": mine[1], "eventStatus": status}]}, letter=NAMES.update_events)
    assert (tally(world, job_id), told(world)) == (before, Counter())


def test_a_range_that_is_declared_twice_keeps_its_first_output(world: World, tmp_path: Path) -> None:
    job_id = begin(world)
    name = held(world, job_id)[0]
    declares(world, {str(job_id): [output(world, name, "first"), output(world, name, "second")]})
    declares(world, {str(job_id): [output(world, name, "third"), {"eventRangeID": name, "eventStatus": "failed"}]})
    with world.database.read() as connection:
        paths = [row[0] for row in connection.execute("SELECT path FROM event_output")]
    assert [Path(path).name for path in paths] == [f"out.{name}.first"]
    end(world)
    assert told(world)[(name, "finished")] == 1
    assert (name, "failed") not in told(world)


def test_what_another_worker_of_the_job_has_is_not_ones_own(world: World) -> None:
    job_id = begin(world)
    theirs = held(world, job_id, worker=2)
    declares(world, {str(job_id): [output(world, name) for name in theirs]}, worker=1)
    assert tally(world, job_id).get("fed") == len(held(world, job_id, 1)) + len(theirs)
    declares(world, {str(job_id): [output(world, name, worker=2) for name in theirs]}, worker=2)
    end(world)
    assert all(told(world)[(name, "finished")] == 1 for name in theirs)


def test_paths_that_are_no_outputs_spoil_no_other(world: World, tmp_path: Path) -> None:
    job_id = begin(world)
    bad, good = held(world, job_id)[:2]
    place = folder(world)
    (place / "loop").symlink_to("loop")
    (place / "shelf").symlink_to(tmp_path)
    (tmp_path / "other").write_text("not of this worker")
    above = "../" * len(place.parts) + "etc/hostname"
    paths = (str(place / "loop"), str(place / "shelf"), above, "/dev/zero", "a\0b", str(place), "x" * 5000)
    items = [output(world, bad, path=path) for path in paths]
    declares(world, {str(job_id): [*items, output(world, good)]})
    end(world)
    assert told(world)[(good, "finished")] == 1
    assert (bad, "finished") not in told(world), "its range goes back, and is told as failed with the job"
    assert world.job(job_id).state is JobState.FINISHED


def test_attributes_without_end_are_put_aside_and_the_next_ones_are_read(world: World) -> None:
    job_id = begin(world)
    declares(world, {"nEvents": 1}, letter=NAMES.attributes)
    declares(world, {"nEvents": 2, "story": "x" * (4 * 1024 * 1024)}, letter=NAMES.attributes)
    assert world.job(job_id).attributes["nEvents"] == 1
    declares(world, {"nEvents": 3}, letter=NAMES.attributes)
    world.later(120.0)
    assert world.job(job_id).attributes["nEvents"] == 3
    assert world.worker(1).state is WorkerState.RUNNING
    largest = {"nEvents": 4, "story": "x" * (4 * 1024 * 1024 - 1000)}
    declares(world, largest, letter=NAMES.attributes)
    assert world.job(job_id).attributes["nEvents"] == 4
