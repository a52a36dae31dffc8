"""The sweeper: ends workers that are to be ended, and cleans up after those that have."""
from __future__ import annotations

import logging
from collections.abc import Sequence

from harvester_hpc.agents.access_point import point_of
from harvester_hpc.agents.base import Agent, Surroundings, by_queue
from harvester_hpc.agents.event_outputs import remove_zips
from harvester_hpc.model.file import FileKind
from harvester_hpc.model.job import Job, JobState
from harvester_hpc.model.turn import SWEEPER
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.outcome import Done, Failed, Result
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import command as commands
from harvester_hpc.store import event as events
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store import worker_log as worker_logs

log = logging.getLogger(__name__)

ENDED = (WorkerState.FINISHED, WorkerState.FAILED, WorkerState.CANCELLED, WorkerState.MISSED)
OVER = (JobState.FINISHED, JobState.FAILED, JobState.CANCELLED)
#: Seconds until inputs that could not be given up are tried again.
RELEASE_AGAIN_S = 3600.0
#: Seconds until a killed worker that has not ended is killed again.
KILL_AGAIN_S = 60.0
#: Event ranges that are forgotten in one transaction.
RANGES_AT_ONCE = 20_000
#: Seconds after a look at the logs of a worker, which were not shown yet, until it is looked at again.
AFTER_LOGS_S = 5.0
#: Seconds until a worker whose jobs are not through is looked at again.
LATER_S = 60.0
#: Seconds between two looks through all that has ended for what may be forgotten, while there is nothing.
FORGET_S = 300.0


class SweeperAgent(Agent):
    """Kills by command and by limit; sweeps access points after the configured time; forgets what is over."""

    name = SWEEPER

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._forgot_at = 0.0

    def run_once(self) -> int:
        """Kill, sweep and forget; return how many things changed."""
        return self._kill() + self._sweep() + self._forget()

    def next_due(self) -> float | None:
        """Return when the next worker is to be killed or swept."""
        with self.database.read() as connection:
            times = [workers.next_time(connection, "next_kill"), workers.next_due(connection, ENDED)]
        return min((time for time in times if time is not None), default=None)

    # -- kill -------------------------------------------------------------------------------------

    def _kill(self) -> int:
        with self.database.read() as connection:
            found = workers.to_kill(connection, self.clock.now(), self.house.rows)
        return sum(self._kill_of(name, group) for name, group in by_queue(found, lambda worker: worker.queue).items())

    def _kill_of(self, name: str, group: Sequence[Worker]) -> int:
        plugins = self.house.queues.get(name)
        if plugins is None or self.waits(name):
            until = self.waits_until(name) if plugins else self.clock.now() + self.period_s
            self._kill_again([(worker, until, "") for worker in group])
            return 0
        together = getattr(plugins.sweeper, "kill_workers", None)
        if callable(together):
            found = self.attempt_each(name, group, lambda: together(group), Result)
            self._kill_again([self._after_kill(*pair) for pair in found or [(worker, None) for worker in group]])
            return len(group)
        for part in self.in_parallel(group, lambda some: [(worker, self._ask(plugins, worker)) for worker in some]):
            self._kill_again([self._after_kill(worker, result) for worker, result in part])
        return len(group)

    def _ask(self, plugins: QueuePlugins, worker: Worker) -> Result | None:
        return self.attempt(plugins.queue.name, lambda: plugins.sweeper.kill_worker(worker))

    def _after_kill(self, worker: Worker, result: Result | None) -> tuple[Worker, float, str]:
        now = self.clock.now()
        if result is None:
            return worker, self.waits_until(worker.queue), ""
        if isinstance(result, Done):
            log.info("killed worker=%s batch=%s why=%s", worker.id, worker.batch_id or "-", worker.kill)
            return worker, now + KILL_AGAIN_S, ""
        log.warning("could not kill worker=%s batch=%s why=%s", worker.id, worker.batch_id or "-", result.why)
        return worker, now + (KILL_AGAIN_S if isinstance(result, Failed) else self.pause_s(1)), result.why

    def _kill_again(self, asked: Sequence[tuple[Worker, float, str]]) -> None:
        with self.database.write() as write:
            for worker, due, why in asked:
                workers.kill_again(write, worker.id, due, why)

    # -- sweep ------------------------------------------------------------------------------------

    def _sweep(self) -> int:
        now = self.clock.now()
        with self.database.read() as connection:
            found = [worker for state in ENDED for worker in workers.due(connection, state, now, self.house.rows)]
            unshown = worker_logs.wanted(connection, [worker.id for worker in found])
            busy = {worker.id for worker in found if worker.id in unshown or workers.untold_jobs(connection, worker.id)}
        if busy:
            with self.database.write() as write:
                for number in busy:
                    workers.retire(write, number, max(now, unshown[number]) + AFTER_LOGS_S if number in unshown else now + LATER_S)
        free = [worker for worker in found if worker.id not in busy]
        return sum(self._sweep_of(name, group) for name, group in by_queue(free, lambda worker: worker.queue).items())

    def _sweep_of(self, name: str, group: Sequence[Worker]) -> int:
        plugins = self.house.queues.get(name)
        if plugins is None or self.waits(name):
            self._later(group, self.waits_until(name) if plugins else self.clock.now() + 3600.0)
            return 0
        swept = 0
        for part in self.in_parallel(group, lambda some: [(worker, self._clean(plugins, worker)) for worker in some]):
            with self.database.write() as write:
                for worker, (due, why) in part:
                    workers.retire(write, worker.id, due, why)
            swept += sum(due is None for _, (due, _) in part)
        return swept

    def _clean(self, plugins: QueuePlugins, worker: Worker) -> tuple[float | None, str]:
        """Return when to try again (None: it is done, or must never be done) and why."""
        swept = self.attempt(plugins.queue.name, lambda: plugins.sweeper.sweep_worker(worker))
        if swept is None:
            return self.waits_until(plugins.queue.name), ""
        if isinstance(swept, Failed):
            log.error("left alone worker=%s access_point=%s why=%s", worker.id, worker.access_point, swept.why)
            return None, swept.why
        if not isinstance(swept, Done):
            return self.clock.now() + self.pause_s(1), swept.why
        point = point_of(worker, plugins.queue, self.house.instance)
        stays = self.attempt(plugins.queue.name, lambda: plugins.messenger.clean_up(point), ends_trouble=False)
        if stays is None:
            return self.waits_until(plugins.queue.name), ""
        if stays:
            log.error("left alone worker=%s access_point=%s why=%s", worker.id, worker.access_point, stays)
        return None, stays

    def _later(self, group: Sequence[Worker], due: float) -> None:
        if group:
            with self.database.write() as write:
                for worker in group:
                    workers.retire(write, worker.id, due)

    # -- forget -----------------------------------------------------------------------------------

    def _forget(self) -> int:
        now = self.clock.now()
        old = now - self.house.keep_jobs_s
        forgotten = self._forget_jobs(now)
        if 0.0 <= now - self._forgot_at < FORGET_S:
            return forgotten
        with self.database.write() as write:
            gone = workers.forget(write, old, self.house.rows) + commands.forget(write, old)
        if not gone:
            self._forgot_at = now
        return forgotten + gone

    def _forget_jobs(self, now: float) -> int:
        """Give up what was staged in for jobs that are over, then their rows."""
        with self.database.read() as connection:
            over = [job for state in OVER for job in jobs.due(connection, state, now, self.house.rows)]
            over = jobs.with_files(connection, over)
        if not over:
            return 0
        free = {job.id for job in over if self._released(job) and self._without_ranges(job)}
        with self.database.write() as write:
            jobs.forget(write, free)
            for job in over:
                if job.id not in free:  # the others must not wait behind it
                    jobs.release(write, job.id, now + RELEASE_AGAIN_S)
        return len(free)

    def _without_ranges(self, job: Job) -> bool:
        """Forget event ranges bunch by bunch, so that nobody waits long for the store; True when there are none left."""
        plugins = self.house.queues.get(job.queue)
        if plugins is not None and any(file.kind is FileKind.EVENT_ZIP for file in job.files):
            remove_zips(plugins.queue, job)
        with self.database.write() as write:
            return events.forget(write, job.id, RANGES_AT_ONCE) < RANGES_AT_ONCE

    def _released(self, job: Job) -> bool:
        plugins = self.house.queues.get(job.queue)
        if plugins is None or not any(file.kind is FileKind.INPUT for file in job.files):
            return True
        if self.waits(job.queue):
            return False
        return isinstance(self.attempt(job.queue, lambda: plugins.preparator.release(job)), Done)
