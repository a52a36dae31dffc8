"""Late binding: workers that ask for jobs get them, first in the store, then in their letters. A part of the messenger agent."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.agents.access_point import inputs_of, point_of
from harvester_hpc.agents.base import Agent
from harvester_hpc.messenger.values import AccessPoint, News
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import MapType, Worker, WorkerState
from harvester_hpc.policy.late_binding import jobs_to_bind, wait_s
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import job as jobs
from harvester_hpc.store import job_request as requests
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write
from harvester_hpc.store.job_request import JobRequest

log = logging.getLogger(__name__)

SERVED = frozenset({WorkerState.SUBMITTED, WorkerState.RUNNING})
#: Seconds until an access point that cannot be read or written is tried again.
UNREADABLE_S = 15.0


class LateBinding:
    """prepared -> submitted, when a worker asks.

    A job is the worker's in the store before it is in its letters. Until the letters are known to be written they are
    written again, with the same jobs: a worker passes over jobs that it has.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock

    def note(self, write: Write, worker: Worker, news: News) -> None:
        """Note what a look into the letters has found."""
        if worker.late and news.wants_jobs:
            requests.note(write, worker.id)

    def hear(self, rung: Sequence[Worker]) -> None:
        """Note requests of workers that have rung and that the batch system has not said to run yet: their nodes are theirs."""
        asking = [worker.id for worker in rung if worker.late and worker.state is WorkerState.SUBMITTED]
        if asking:
            with self.database.write() as write:
                for worker_id in asking:
                    requests.note(write, worker_id)

    def run_once(self) -> int:
        """Look at the requests that are due; return how many were answered."""
        now = self.clock.now()
        with self.database.read() as connection:
            found = requests.due(connection, now, self.house.rows)
            known = workers.by_ids(connection, [request.worker_id for request in found])
        return sum(self._look_at(request, known.get(request.worker_id)) for request in found)

    def next_due(self) -> float | None:
        """Return when the next request is to be looked at."""
        with self.database.read() as connection:
            return requests.next_due(connection)

    def _look_at(self, request: JobRequest, worker: Worker | None) -> int:
        if worker is None or worker.state not in SERVED or worker.kill:
            return self._drop(request.worker_id)  # jobs that are bound to it go back when it has ended
        plugins = self.house.queues.get(worker.queue)
        if plugins is None or self.agent.waits(worker.queue):
            self._later(request, self.agent.waits_until(worker.queue) + (0.0 if plugins else self.agent.period_s))
            return 0
        try:
            return self._serve(plugins, worker, request)
        except OSError as error:
            log.warning("a worker cannot be given jobs yet worker=%s access_point=%s why=%s", worker.id, worker.access_point, error)
            self._later(request, self.clock.now() + UNREADABLE_S)
            return 0

    def _serve(self, plugins: QueuePlugins, worker: Worker, request: JobRequest) -> int:
        point = point_of(worker, plugins.queue, self.house.instance)
        if request.pending:
            return self._hand(plugins, point, worker, request.pending)
        wanted = plugins.messenger.job_requested(point)
        if wanted < 1:
            return self._drop(worker.id)
        bound = self._bind(plugins, worker, wanted)
        if bound:
            return self._hand(plugins, replace(point, job_ids=(*point.job_ids, *bound)), worker, bound)
        return self._wait(plugins, point, worker, request)

    def _bind(self, plugins: QueuePlugins, worker: Worker, wanted: int) -> list[JobId]:
        queue, now = plugins.queue, self.clock.now()
        most = max(1, plugins.worker_maker.get_num_jobs_per_worker(1)) if worker.map_type is MapType.MANY_TO_ONE else 1
        with self.database.read() as connection:
            waiting = jobs.pick(connection, queue.name, self.house.rows)
            own = jobs.of_workers(connection, [worker.id])[worker.id] if waiting else []
        chosen = jobs_to_bind(worker, queue, waiting, own, wanted, most, now)
        if not chosen:
            return []
        with self.database.write() as write:
            bound = requests.bind(write, worker.id, [job.id for job in chosen])
        self.house.reached("jobs bound late")
        if bound:
            log.info("bound worker=%s batch=%s jobs=%d asked=%d", worker.id, worker.batch_id, len(bound), wanted)
        return bound

    def _hand(self, plugins: QueuePlugins, point: AccessPoint, worker: Worker, pending: Sequence[JobId]) -> int:
        """Write the letters of jobs that are bound, and forget the request."""
        with self.database.read() as connection:
            load = list(jobs.by_ids(connection, pending).values())
            load = jobs.with_params(connection, jobs.with_files(connection, load))
        fed = set(plugins.messenger.get_panda_ids(point))
        # What is in the list has all its letters. The request that lies there now may be a newer one.
        if not fed.issuperset(pending):
            plugins.messenger.feed_jobs(point, {job.id: job.params for job in load}, {job.id: inputs_of(job) for job in load})
        self.house.reached("jobs fed late")
        return self._drop(worker.id)

    def _wait(self, plugins: QueuePlugins, point: AccessPoint, worker: Worker, request: JobRequest) -> int:
        """Let the worker wait for jobs; when it has waited long enough, it hears that there are none."""
        now = self.clock.now()
        patience_s = wait_s(worker, plugins.queue, now)
        if 0.0 <= now - request.since < patience_s:
            self._later(request, request.since + patience_s)
            return 0
        plugins.messenger.feed_jobs(point, {}, {})
        log.info("no jobs for worker=%s batch=%s waited=%.0f", worker.id, worker.batch_id, now - request.since)
        return self._drop(worker.id)

    def _drop(self, worker_id: int) -> int:
        with self.database.write() as write:
            requests.answered(write, worker_id)
        return 1

    def _later(self, request: JobRequest, due: float) -> None:
        with self.database.write() as write:
            requests.later(write, request, due)
