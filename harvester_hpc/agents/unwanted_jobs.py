"""Jobs that are to end while their worker is not: one of many in a worker that has others."""
from __future__ import annotations

import logging

from harvester_hpc.agents.access_point import point_of
from harvester_hpc.agents.base import Agent
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.job import BOUND, WITH_ITS_WORKER_S, Job, JobState, JobStep, Outcome, look_again, step
from harvester_hpc.model.worker import MapType, Worker, WorkerState
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers

log = logging.getLogger(__name__)

#: Seconds until an access point that could not be written is tried again.
SOON_S = 2.0


class UnwantedJobs:
    """Ends cancelled jobs that are bound to a worker."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent

    def run_once(self) -> int:
        """End cancelled jobs whose worker has others: by a fence if they were not begun, else by a letter; return how many changed."""
        now = self.agent.clock.now()
        with self.agent.database.read() as connection:
            found = [job for state in BOUND for job in jobs.due(connection, state, now, self.agent.house.rows)]
            last = workers.latest_of_jobs(connection, [job.id for job in found])
            by_number = workers.by_ids(connection, {number for number, _, _ in last.values()})
        steps = [self._end_one(job, by_number.get(last[job.id][0]) if job.id in last else None) for job in found]
        if steps:
            with self.agent.database.write() as write:
                jobs.make(write, steps)
        return sum(one.after is not one.before for one in steps)

    def _end_one(self, job: Job, worker: Worker | None) -> JobStep:
        now = self.agent.clock.now()
        with_its_worker = look_again(job, now + WITH_ITS_WORKER_S)
        plugins = self.agent.house.queues.get(job.queue)
        if not job.cancel or worker is None or worker.map_type is not MapType.MANY_TO_ONE or worker.kill or plugins is None:
            return with_its_worker
        if worker.state not in (WorkerState.SUBMITTED, WorkerState.RUNNING):
            return look_again(job, now + self.agent.period_s)
        point = point_of(worker, plugins.queue, self.agent.house.instance)
        try:
            if plugins.messenger.fence_job(point, job.id):
                return step(job, JobState.CANCELLED, now, why=job.cancel, cause=Cause.KILLED, outcome=Outcome.CANCELLED)
            plugins.messenger.end_job(point, job.id)
        except OSError as error:
            log.warning("a job cannot be ended yet job=%s worker=%s why=%s", job.id, worker.id, error)
            return look_again(job, now + SOON_S)
        return with_its_worker
