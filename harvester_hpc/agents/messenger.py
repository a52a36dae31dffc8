"""The messenger agent: hears the doorbell, and reads the letters of running workers."""
from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from harvester_hpc.agents import attributes
from harvester_hpc.agents.access_point import letters_in, point_of
from harvester_hpc.agents.base import Agent, Surroundings, by_queue
from harvester_hpc.agents.event_news import store_event_news
from harvester_hpc.agents.late_binding import LateBinding
from harvester_hpc.agents.pulled_jobs import PulledJobs
from harvester_hpc.messenger.values import News
from harvester_hpc.model.file import FileKind
from harvester_hpc.model.job import JOB_LIFECYCLE, WITH_ITS_WORKER_S, Job, JobState, JobStep, Outcome, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import MESSENGER
from harvester_hpc.model.worker import MapType, Worker, WorkerState
from harvester_hpc.policy.causes import cause_of_one
from harvester_hpc.policy.patience import reason_to_kill
from harvester_hpc.policy.verdict import is_settled, verdict_of_one
from harvester_hpc.ports.batch import Seen
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write

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
        self._late = LateBinding(self)
        self._pulled = PulledJobs(self)

    def run_once(self) -> int:
        """Listen at each queue's doorbell, read the letters that are due; return how many workers had news."""
        now = self.clock.now()
        with self.database.read() as connection:
            active = [name for name in self.house.queues if workers.is_active(connection, name)]
        self._listens = bool(active)
        rung = {worker for name in active for worker in self._rung(name)}
        if rung:
            with self.database.write() as write:
                workers.hurry(write, rung)
        with self.database.read() as connection:
            found = workers.to_look(connection, now, self.house.rows)
            by_clock = {one.id for one in found}
            by_bell = list(workers.by_ids(connection, rung - by_clock).values())
            found += [worker for worker in by_bell if worker.state is WorkerState.RUNNING]
        self._late.hear(by_bell)
        only_rung = rung - by_clock
        read = sum(self._read(name, group, only_rung) for name, group in by_queue(found, lambda worker: worker.queue).items())
        return len(rung) + read + self._late.run_once()

    def next_due(self) -> float | None:
        """Return when to listen again, never while no worker is in the batch system; or when a worker that asks is looked at."""
        times = (self.clock.now() + self._listen_s if self._listens else None, self._late.next_due())
        return min((time for time in times if time is not None), default=None)

    def _rung(self, name: str) -> Sequence[int]:
        plugins = self.house.queues.get(name)
        if plugins is None or self.waits(name):
            return ()
        root = Path(plugins.queue.access_root)
        return self.attempt(name, lambda: plugins.messenger.rung(root)) or ()

    def _read(self, name: str, group: Sequence[Worker], rung: Collection[int]) -> int:
        plugins = self.house.queues.get(name)
        if plugins is None or self.waits(name):
            return 0
        changed = 0
        over = self._jobs_that_are_over(group)
        for part in self.in_parallel(group, lambda some: self._looks(plugins, some, over, rung)):
            self._pulled.note(plugins, [worker for worker, _ in part])
            self._store(plugins.queue, part)
            for _, news in part:
                if news is not None:
                    plugins.messenger.acknowledge(news)
            changed += sum(news is not None and bool(news.taken) for _, news in part)
        return changed

    def _jobs_that_are_over(self, group: Sequence[Worker]) -> frozenset[int]:
        """Return jobs of many that have ended: their folders are not looked into again at each ring of their neighbours."""
        crowds = [worker.id for worker in group if worker.map_type is MapType.MANY_TO_ONE]
        if not crowds:
            return frozenset()
        with self.database.read() as connection:
            load = jobs.of_workers(connection, crowds)
        return frozenset(job.id for some in load.values() for job in some if JOB_LIFECYCLE.is_final(job.state))

    def _looks(
        self, plugins: QueuePlugins, some: Sequence[Worker], over: frozenset[int], rung: Collection[int]
    ) -> list[tuple[Worker, News | None]]:
        return [(worker, self._look(plugins, worker, over, rung=worker.id in rung)) for worker in some]

    def _look(self, plugins: QueuePlugins, worker: Worker, over: frozenset[int], *, rung: bool) -> News | None:
        """Return the worker's letters; None if they cannot be read: nothing is known."""
        point = point_of(worker, plugins.queue, self.house.instance)
        point = replace(point, job_ids=tuple(one for one in point.job_ids if one not in over))
        news = self.attempt(worker.queue, lambda: letters_in(plugins.messenger, point, rung=rung))
        return news if isinstance(news, News) else None

    def _store(self, queue: Queue, taken: Sequence[tuple[Worker, News | None]]) -> None:
        with self.database.write() as write:
            present = workers.by_ids(write.connection, [worker.id for worker, _ in taken])
            for worker, news in taken:
                workers.looked(write, worker.id, write.now + LOOK_S, None if news is None else news.heartbeat)
                if news is not None:
                    runs_on = worker.id in present and present[worker.id].state is WorkerState.RUNNING
                    self._store_news(write, worker, news, runs_on=runs_on)
                    self._enforce_limits(write, queue, worker, news)
        self.house.reached("letters stored")

    def _store_news(self, write: Write, worker: Worker, news: News, *, runs_on: bool) -> None:
        own = frozenset(worker.job_ids)
        kinds = (FileKind.OUTPUT, FileKind.LOG)
        jobs.declare(write, [file for file in news.files if file.job_id in own and file.kind in kinds])
        if runs_on:  # else the monitor has stored its last word, and this is an older one
            attributes.take(write, worker, news.attributes)
            if worker.begins_one_by_one:
                self._move_jobs(write, worker, news)
        store_event_news(write, worker, news, runs_on=runs_on)
        self._late.note(write, worker, news)
        for bad in news.bad:
            log.warning("bad letter worker=%s file=%s why=%s", worker.id, bad.path, bad.why)

    def _move_jobs(self, write: Write, worker: Worker, news: News) -> None:
        """Of many jobs each begins and ends by itself: one that is through need not wait for its worker."""
        load = jobs.of_workers(write.connection, [worker.id])[worker.id]
        load = [job for job in load if job.state in (JobState.SUBMITTED, JobState.RUNNING) and job.id in news.begun | set(news.job_status)]
        load = jobs.with_files_and_attributes(write.connection, load)
        many = worker.map_type is MapType.MANY_TO_ONE
        steps = [_moved(job, news.job_status.get(job.id) if many else None, write.now) for job in load]
        jobs.make(write, [one for one in steps if one is not None])

    def _enforce_limits(self, write: Write, queue: Queue, worker: Worker, news: News) -> None:
        """Mark a worker to be killed that asks for it, or whose letters, just read, show no sign of life."""
        asked = "the worker asked to be killed" if news.kill_requested else ""
        why = asked or reason_to_kill(replace(worker, heartbeat=news.heartbeat or worker.heartbeat), queue, write.now)
        if why and workers.kill(write, worker.id, why):
            log.warning("is to be killed worker=%s batch=%s why=%s", worker.id, worker.batch_id, why)


def _moved(job: Job, said: str | None, now: float) -> JobStep | None:
    """Return the step of one job of many in a worker that runs on; None if it stays where it is."""
    if is_settled(job, said):
        running = Seen(state=WorkerState.RUNNING)
        outcome, why = verdict_of_one(job, running, said, job.attributes, job.files)
        cause = cause_of_one(outcome, job, running, said, job.attributes)
        if outcome is not Outcome.FINISHED:
            log.info("job did not finish job=%s outcome=%s why=%s", job.id, outcome, why)
        return step(job, JobState.TO_TRANSFER, now, why=why, cause=cause, outcome=outcome)
    return step(job, JobState.RUNNING, now, due=now + WITH_ITS_WORKER_S) if job.state is JobState.SUBMITTED and not job.cancel else None
