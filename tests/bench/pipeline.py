"""The whole pipeline over the durable store, with instant fakes for all that is outside."""
from __future__ import annotations

import resource
import threading
import time
from pathlib import Path
from typing import Any

from harvester_hpc.agents.base import Surroundings
from harvester_hpc.app import agents as all_agents
from harvester_hpc.clock import SystemClock
from harvester_hpc.config.values import AgentSettings
from harvester_hpc.daemon.bell import Bells
from harvester_hpc.daemon.rounds import Rounds
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store.database import Database
from harvester_hpc.store.lease import acquire
from harvester_hpc.store.migrate import migrate
from harvester_hpc.testing.fake_batch import BatchSettings
from harvester_hpc.testing.fakes import (
    FakeBatch,
    FakeCommunicator,
    FakeMessenger,
    FixedWorkerMaker,
    InstantMonitor,
    InstantPreparator,
    InstantStager,
    InstantSubmitter,
    InstantSweeper,
)
from tests.bench.measure import Figure, usage

LIMIT_S = 120.0


def run(folder: Path, jobs: int = 5000) -> list[Figure]:
    """Measure one job alone, then ``jobs`` of them."""
    alone, _, _ = _through(folder / "one", 1)
    seconds, cpu_s, memory_mb = _through(folder / "many", jobs)
    return [
        Figure(name="one job, default settings, instant plugins", value=alone, unit="s", yardstick=3.0, source="aim"),
        Figure(name="  the same against the existing Harvester", value=alone, unit="s", yardstick=13 * 60.0,
               source="existing Harvester, measured"),
        Figure(name=f"full cycle of {jobs} jobs", value=jobs / seconds, unit="jobs/s", yardstick=1000.0, source="aim", smaller=False),
        Figure(name="  the same against the existing Harvester", value=jobs / seconds, unit="jobs/s", yardstick=36.0,
               source="existing Harvester, tuned, measured", smaller=False),
        Figure(name="CPU of a full cycle", value=1000 * cpu_s / jobs, unit="ms/job", yardstick=1.0, source="aim"),
        Figure(name="  the same against the existing Harvester", value=1000 * cpu_s / jobs, unit="ms/job", yardstick=25.0,
               source="existing Harvester, measured"),
        Figure(name=f"memory (PSS) after {jobs} jobs, benchmark included", value=memory_mb, unit="MB", yardstick=200.0,
               source="existing Harvester, 1,000 jobs"),
    ]


def _through(folder: Path, number: int) -> tuple[float, float, float]:
    """Send ``number`` jobs through; return wall seconds, CPU seconds of this process, and its PSS in MB."""
    folder.mkdir(parents=True)
    clock = SystemClock()
    migrate(folder / "store.db", clock)
    stop = threading.Event()
    settings = AgentSettings()
    bells = Bells(settings.period_s)
    lease = acquire(folder / "store.db", clock=clock, wait=stop.wait)
    with Database(folder / "store.db", clock, lease=lease, ring=bells.ring) as database:
        talker, house = _house(folder, database, clock, number, settings)
        rounds = [Rounds(agent, bells, stop, threading.Event(), clock) for agent in all_agents(house, settings.period_s, stop.set)]
        before, begin = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
        for thread in rounds:
            thread.start()
        while talker.counts().get("finished", 0) < number:
            if time.perf_counter() - begin > LIMIT_S:
                raise AssertionError(f"not through after {LIMIT_S:.0f} s: {dict(talker.counts())}")
            stop.wait(0.02)
        seconds = time.perf_counter() - begin
        after = resource.getrusage(resource.RUSAGE_SELF)
        memory = usage(_own_pid()).pss_mb
        stop.set()
        bells.ring_all()
        for thread in rounds:
            thread.join()
        for thread in rounds:
            thread.agent.close()
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, memory


def _own_pid() -> int:
    return int(Path("/proc/self").resolve().name)


def _house(
    folder: Path, database: Database, clock: SystemClock, number: int, settings: AgentSettings
) -> tuple[FakeCommunicator, Surroundings]:
    queue = Queue(
        name="Q", access_point=f"{folder}/work/${{workerID}}", access_root=f"{folder}/work", limit_jobs=number, limit_queued_workers=number,
    )
    context = Context(instance="bench", tag="bench", state_dir=folder, facility=Facility(name="f", scheduler="local"), queue=queue)
    talker = FakeCommunicator(FakeCommunicator.Settings(jobs=number, outputs=("out.{PandaID}",)), context)
    batch = BatchSettings(batch=FakeBatch())
    served = QueuePlugins(
        queue=queue, preparator=InstantPreparator(InstantPreparator.Settings(), context),
        worker_maker=FixedWorkerMaker(FixedWorkerMaker.Settings(), context), submitter=InstantSubmitter(batch, context),
        messenger=FakeMessenger(FakeMessenger.Settings(), context), monitor=InstantMonitor(batch, context),
        stager=InstantStager(InstantStager.Settings(), context), sweeper=InstantSweeper(batch, context),
    )
    inbox = folder / "commands"
    inbox.mkdir()
    chosen: dict[str, Any] = {"rows": settings.batch, "parallel": settings.pool, "heartbeat_s": settings.heartbeat_s}
    return talker, Surroundings(
        database=database, queues={"Q": served}, communicator=talker, clock=clock, instance="bench", tag="bench", node_name="login01",
        inbox=inbox, **chosen,
    )
