"""The messenger agent: hears the doorbell, and reads the letters of running workers."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from harvester_hpc.agents.access_point import point_of
from harvester_hpc.agents.base import Agent, Surroundings, by_queue
from harvester_hpc.messenger.values import News
from harvester_hpc.model.file import FileKind
from harvester_hpc.model.turn import MESSENGER
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers

log = logging.getLogger(__name__)

#: Seconds between two looks into the letters of a running worker that does not ring.
LOOK_S = 60.0
#: Seconds of sleep while no worker is in the batch system; a submission rings.
DEAF_S = 30.0


class MessengerAgent(Agent):
    """Brings news of running workers into the store, and wakes the monitor for those that rang."""

    name = MESSENGER

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, max(period_s, DEAF_S))
        self._listen_s = period_s
        self._listens = True

    def run_once(self) -> int:
        """Listen at each queue's doorbell, read the letters that are due; return how many workers had news."""
        now = self.clock.now()
        with self.database.read() as connection:
            counts = workers.counts(connection)
        active = {queue for (queue, state), number in counts.items() if number and state in (WorkerState.SUBMITTED, WorkerState.RUNNING)}
        self._listens = bool(active)
        rung = {worker for name in active for worker in self._rung(name)}
        if rung:
            with self.database.write() as write:
                workers.hurry(write, rung)
        with self.database.read() as connection:
            found = workers.to_look(connection, now, self.house.rows)
            by_clock = {one.id for one in found}
            by_bell = workers.by_ids(connection, rung - by_clock).values()
            found += [worker for worker in by_bell if worker.state is WorkerState.RUNNING]
        return len(rung) + sum(self._read(name, group) for name, group in by_queue(found, lambda worker: worker.queue).items())

    def next_due(self) -> float | None:
        """Return when to listen again; never while no worker is in the batch system."""
        return self.clock.now() + self._listen_s if self._listens else None

    def _rung(self, name: str) -> Sequence[int]:
        plugins = self.house.queues.get(name)
        if plugins is None or self.waits(name):
            return ()
        root = Path(plugins.queue.access_root)
        return self.attempt(name, lambda: plugins.messenger.rung(root)) or ()

    def _read(self, name: str, group: Sequence[Worker]) -> int:
        plugins = self.house.queues.get(name)
        if plugins is None or self.waits(name):
            return 0
        changed = 0
        for part in self.in_parallel(group, lambda some: [(worker, self._look(plugins, worker)) for worker in some]):
            self._store(part)
            for _, news in part:
                plugins.messenger.acknowledge(news)
            changed += sum(bool(news.taken) for _, news in part)
        return changed

    def _look(self, plugins: QueuePlugins, worker: Worker) -> News:
        try:
            return plugins.messenger.collect(point_of(worker, plugins.queue, self.house.instance))
        except OSError as error:
            log.warning("letters cannot be read worker=%s access_point=%s why=%s", worker.id, worker.access_point, error)
            return News()

    def _store(self, taken: Sequence[tuple[Worker, News]]) -> None:
        with self.database.write() as write:
            for worker, news in taken:
                own = frozenset(worker.job_ids)
                kinds = (FileKind.OUTPUT, FileKind.LOG)
                jobs.declare(write, [file for file in news.files if file.job_id in own and file.kind in kinds])
                jobs.set_attributes(write, {job_id: told for job_id, told in news.attributes.items() if job_id in own})
                workers.looked(write, worker.id, write.now + LOOK_S, news.heartbeat)
                if news.kill_requested:
                    workers.kill(write, worker.id, "the worker asked to be killed")
                for bad in news.bad:
                    log.warning("bad letter worker=%s file=%s why=%s", worker.id, bad.path, bad.why)
        self.house.reached("letters stored")
