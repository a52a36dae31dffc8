"""A jumbo job over real letters, the embedded workload management system and stage-out to a folder; two workers, one of which dies."""
from __future__ import annotations

import json
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.app import agents as all_agents
from harvester_hpc.daemon.rounds import once
from harvester_hpc.messenger.doorbell import ring
from harvester_hpc.messenger.letter import deliver, write
from harvester_hpc.messenger.names import NAMES
from harvester_hpc.messenger.numbered import Kind
from harvester_hpc.messenger.patience import Patience
from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.worker_box import WorkerBox
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import JobState
from harvester_hpc.model.turn import AGENTS
from harvester_hpc.model.worker import MapType, WorkerState
from harvester_hpc.ports.context import Context
from harvester_local.communicator import LocalCommunicator
from harvester_local.stager import LocalStager
from tests.unit.agents.world import World, make_world

RANGES = 200


class Program:
    """What a worker of the existing protocol does, one step at a time, in its access point."""

    def __init__(self, world: World, number: int) -> None:
        worker = world.worker(number)
        self.number = number
        self.folder = Path(worker.access_point)
        self.root = self.folder.parent
        (self.job_id,) = worker.job_ids
        self.held: list[str] = []
        self.done: set[str] = set()
        self.dry = False

    def take(self) -> None:
        """Take the letter with ranges; ranges that it has are passed over."""
        letter = self.folder / NAMES.event_ranges
        if not letter.exists():
            return
        ranges = [one["eventRangeID"] for one in json.loads(letter.read_text())[str(self.job_id)]]
        letter.unlink()
        self.dry = not ranges
        self.held += [name for name in ranges if name not in self.done and name not in self.held]

    def work(self, number: int) -> None:
        """Do some ranges, declare their outputs, and ask for more."""
        doing, self.held = self.held[:number], self.held[number:]
        self.done.update(doing)
        items = []
        for name in doing:
            output = self.folder / f"HITS.{name}"
            output.write_text(name)
            items.append({"path": str(output), "type": "es_output", "eventRangeID": name, "eventStatus": "finished", "fsize": len(name)})
        if items:
            deliver(self.folder / NAMES.status_dump, {str(self.job_id): items})
        if len(self.held) < number and not self.dry and not (self.folder / NAMES.event_request).exists():
            write(self.folder / NAMES.event_request, {str(self.job_id): {"nRanges": 2 * number}})
        ring(self.root, self.number)


class NumberedProgram(Program):
    """The same with numbered letters, which begins anew in the middle of its work now and then."""

    def take(self) -> None:
        """Take ranges from either form."""
        super().take()
        box = self.box()
        for letter in box.arrived().letters:
            box.keep(letter.path)
            ranges = [one["eventRangeID"] for one in letter.content[str(self.job_id)]]
            self.dry = not ranges
            self.held += [name for name in ranges if name not in self.done and name not in self.held]

    def work(self, number: int) -> None:
        """Do some ranges, declare their outputs, and ask for more."""
        doing, self.held = self.held[:number], self.held[number:]
        self.done.update(doing)
        box, items = self.box(), []
        for name in doing:
            output = self.folder / f"HITS.{name}"
            output.write_text(name)
            items.append({"path": str(output), "type": "es_output", "eventRangeID": name, "eventStatus": "finished", "fsize": len(name)})
        if items:
            box.send(Kind.OUTPUTS, {str(self.job_id): items})
        if len(self.held) < number and not self.dry:
            box.send(Kind.REQUEST, {str(self.job_id): {"nRanges": 2 * number}})
        ring(self.root, self.number)

    def box(self) -> WorkerBox:
        """Return the box as a process that has just begun finds it."""
        return WorkerBox(self.folder, "yoda", Patience(10.0, lambda: 0.0), reads=True)


class Crash(Exception):
    """The daemon dies here."""


class Deaths:
    """Kills the daemon at a named point, every third time that it is reached."""

    def __init__(self) -> None:
        self.point = ""
        self.reached = 0

    def __call__(self, name: str) -> None:
        if name == self.point:
            self.reached += 1
            if self.reached % 3 == 1:
                raise Crash(name)


@pytest.fixture
def deaths() -> Deaths:
    return Deaths()


@pytest.fixture
def world(tmp_path: Path, deaths: Deaths) -> Iterator[World]:
    made = make_world(
        tmp_path, instant=False, finishes=False, workers_per_job=2, cores=8, queue={"map_type": MapType.ONE_TO_MANY, "zip_mb": 1},
        reached=deaths, parallel=1,
    )
    context = Context(instance="test", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))
    served = replace(
        made.house.queues["Q"], messenger=SharedFileMessenger(SharedFileMessenger.Settings(), context),
        stager=LocalStager(LocalStager.Settings(), context),
    )
    communicator = LocalCommunicator(LocalCommunicator.Settings(), context, made.clock)
    made.house = replace(made.house, queues={"Q": served}, communicator=communicator)
    made.agents = {agent.name: agent for agent in all_agents(made.house, dict.fromkeys(AGENTS, 30.0), made.stop.set)}
    yield made
    for agent in made.agents.values():
        agent.close()
    made.database.close()


def ranges_of(world: World, job_id: int) -> Any:
    found = world.house.communicator.job(job_id)  # type: ignore[attr-defined]
    return found["ranges"]


def settle(world: World) -> None:
    """Give every agent its round; after a crash a new daemon goes on, which remembers nothing."""
    try:
        world.later(3.0)
        once(list(world.agents.values()), world.stop)
    except Crash:
        served = replace(world.house.queues["Q"], messenger=SharedFileMessenger())
        world.house = replace(world.house, queues={"Q": served})
        world.restart()


@pytest.mark.parametrize(("kind", "point"), [
    (Program, ""), *((NumberedProgram, point) for point in ("", "letters stored", "ranges given, not fed", "ranges fed, not stored")),
])
def test_every_range_is_counted_once_although_a_worker_dies(
    world: World, deaths: Deaths, tmp_path: Path, kind: type[Program], point: str
) -> None:
    communicator = world.house.communicator
    job_id = communicator.submit_job({"executable": "x", "log": False, "events": RANGES})  # type: ignore[attr-defined]
    world.settle()
    deaths.point = point
    programs: dict[int, Program] = {}
    for turn in range(80):
        for key in list(world.batch.keys()):
            number = int(key.partition("-")[2], 36)
            if number not in programs and world.worker(number).state is WorkerState.SUBMITTED:
                world.batch.start(key)
                programs[number] = kind(world, number)
        for number, program in programs.items():
            if world.worker(number).state is not WorkerState.RUNNING:
                continue
            program.take()
            program.work(7)
            if number == 1 and turn == 4:
                assert program.held, "it dies with ranges in its hands"
                world.batch.end("habcde-1", state=WorkerState.FAILED)
            elif program.dry and not program.held:
                world.batch.end(f"habcde-{number.to_bytes(1).hex().lstrip('0')}")
        settle(world)
        if world.job(job_id).state is JobState.FINISHED:
            break
    assert ranges_of(world, job_id) == {"finished": RANGES}
    assert bool(deaths.reached) is bool(point)
    inside: Counter[str] = Counter()
    for path in (tmp_path / "outputs" / str(job_id)).glob("*.zip"):
        with zipfile.ZipFile(path) as archive:
            inside.update(archive.read(name).decode() for name in archive.namelist())
    assert (len(inside), set(inside.values())) == (RANGES, {1})
    assert len(programs) >= 2
    assert not list((tmp_path / "work" / ".event_zips").rglob("*.zip")), "zips at their destination are not kept"
