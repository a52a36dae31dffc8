"""A small world for agents: a real store, a clock that is moved by hand, and fakes for all that is outside."""
from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.app import agents as all_agents
from harvester_hpc.daemon.rounds import once
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import AGENTS
from harvester_hpc.model.worker import Worker
from harvester_hpc.ports.carrier import Carrier, Copier
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import health
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Database
from harvester_hpc.store.migrate import migrate
from harvester_hpc.testing.fake_batch import BatchSettings
from harvester_hpc.testing.fakes import (
    FakeBatch,
    FakeClock,
    FakeCommunicator,
    FakeLogExposer,
    FakeMessenger,
    FixedWorkerMaker,
    InstantMonitor,
    InstantPreparator,
    InstantStager,
    InstantSubmitter,
    InstantSweeper,
)


@dataclass(kw_only=True)
class World:
    """Everything, by name."""

    database: Database
    clock: FakeClock
    batch: FakeBatch
    communicator: FakeCommunicator
    preparator: InstantPreparator
    stager: InstantStager
    messenger: FakeMessenger
    maker: FixedWorkerMaker
    agents: dict[str, Agent]
    stop: threading.Event
    inbox: Path
    house: Surroundings
    exposer: FakeLogExposer

    def settle(self) -> int:
        """Let all agents run until nothing changes any more."""
        return once(list(self.agents.values()), threading.Event())

    def later(self, seconds: float) -> int:
        """Let time pass, then settle."""
        self.clock.advance(seconds)
        return self.settle()

    def restart(self) -> None:
        """Let new agents go on with the store, as after a crash."""
        for agent in self.agents.values():
            agent.close()
        self.agents = {agent.name: agent for agent in all_agents(self.house, dict.fromkeys(AGENTS, 30.0), self.stop.set)}

    def run(self, *names: str) -> int:
        """Give these agents one round each."""
        return sum(self.agents[name].run_once() for name in names)

    def job(self, job_id: int) -> Job:
        """Return a job as it stands, with files and attributes."""
        with self.database.read() as connection:
            found = jobs.by_ids(connection, [job_id])
            (job,) = jobs.with_attributes(connection, jobs.with_files(connection, list(found.values())))
            return job

    def worker(self, worker_id: int) -> Worker:
        """Return a worker as it stands."""
        with self.database.read() as connection:
            return workers.by_ids(connection, [worker_id])[worker_id]

    def troubles(self) -> list[tuple[str, str, str]]:
        """Return (agent, queue, why) of all that does not work."""
        with self.database.read() as connection:
            return [(one.agent, one.queue, one.why) for one in health.troubles(connection)]


def make_world(
    folder: Path, *, instant: bool = True, finishes: bool = True, queue: dict[str, Any] | None = None, jobs_waiting: int = 0,
    outputs: tuple[str, ...] = ("out.{PandaID}",), rows: int = 500, parallel: int = 4,
    workers_per_job: int = 1, cores: int = 1, reached: Callable[[str], None] = lambda name: None,
    live: str = "",
    hops: Callable[[Context], tuple[tuple[Carrier | Copier, ...], tuple[Carrier | Copier, ...]]] = lambda context: ((), ()),
) -> World:
    """Make a world in ``folder`` with one queue "Q".

    Args:
        live: folder whose logs people see as they grow.
        hops: makes what moves batches, (inward, outward).
    """
    clock = FakeClock()
    path = folder / "store.db"
    migrate(path, clock)
    database = Database(path, clock)
    described = Queue(
        name="Q", access_point=f"{folder}/work/${{workerID}}", access_root=f"{folder}/work",
        **{"limit_jobs": 1000, "limit_queued_workers": 1000, **(queue or {})},
    )
    context = Context(instance="test", tag="abcde", state_dir=folder, facility=Facility(name="f", scheduler="local"), queue=described)
    batch = FakeBatch(instant=instant)
    with_batch = BatchSettings(batch=batch)
    communicator = FakeCommunicator(FakeCommunicator.Settings(jobs=jobs_waiting, outputs=outputs), context)
    preparator = InstantPreparator(InstantPreparator.Settings(), context)
    stager = InstantStager(InstantStager.Settings(), context)
    messenger = FakeMessenger(FakeMessenger.Settings(finishes=finishes), context)
    maker = FixedWorkerMaker(FixedWorkerMaker.Settings(workers_per_job=workers_per_job, cores=cores), context)
    exposer = FakeLogExposer(FakeLogExposer.Settings(live=live), context)
    inward, outward = hops(context)
    served = QueuePlugins(
        inward=inward, outward=outward, log_exposer=exposer,
        queue=described, preparator=preparator, worker_maker=maker, submitter=InstantSubmitter(with_batch, context), messenger=messenger,
        monitor=InstantMonitor(with_batch, context), stager=stager, sweeper=InstantSweeper(with_batch, context),
    )
    inbox = folder / "commands"
    inbox.mkdir()
    house = Surroundings(
        database=database, queues={"Q": served}, communicator=communicator, clock=clock, instance="test", tag="abcde", node_name="login01",
        inbox=inbox, rows=rows, parallel=parallel, draw=lambda: 0.5, reached=reached,
    )
    stop = threading.Event()
    made = all_agents(house, dict.fromkeys(AGENTS, 30.0), stop.set)
    return World(
        database=database, clock=clock, batch=batch, communicator=communicator, preparator=preparator, stager=stager, messenger=messenger,
        maker=maker, agents={agent.name: agent for agent in made}, stop=stop, inbox=inbox,
        house=house, exposer=exposer,
    )
