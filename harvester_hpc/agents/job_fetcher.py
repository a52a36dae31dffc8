"""The job fetcher: gets jobs from the workload management system and stores them before anything else is done."""
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import JOB_FETCHER
from harvester_hpc.policy.dictionary import job_from
from harvester_hpc.policy.fetching import jobs_to_fetch
from harvester_hpc.store import job as jobs

log = logging.getLogger(__name__)


class JobFetcher(Agent):
    """Keeps nQueueLimitJob jobs of each queue waiting."""

    name = JOB_FETCHER

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        # The embedded system answers from a file: it may be asked more often than a server.
        self._dry_s = min(period_s, float(getattr(house.communicator, "dry_pause_s", period_s)))
        self._dry_until: dict[str, float] = {}

    def run_once(self) -> int:
        """Ask for jobs of every queue that has room; return how many new ones were stored."""
        return sum(self._fetch(plugins.queue) for plugins in self.house.queues.values())

    def next_due(self) -> float | None:
        """Return when a queue that was dry is asked again; of a full one the bell tells when there is room."""
        times = [self._asks_again(name) for name in self.house.queues]
        return min(times, default=None)

    def _asks_again(self, queue: str) -> float:
        return max(self._dry_until.get(queue, self.clock.now() + self.period_s), self.waits_until(queue))

    def _fetch(self, queue: Queue) -> int:
        now = self.clock.now()
        if self.waits(queue.name) or 0.0 < self._dry_until.get(queue.name, 0.0) - now <= self._dry_s:
            return 0
        with self.database.read() as connection:
            wanted = jobs_to_fetch(queue, jobs.queue_counts(connection, queue.name), self.house.bunch)
        if not wanted:
            self._dry_until.pop(queue.name, None)
            return 0
        received = self.attempt(queue.name, lambda: self._ask(queue, wanted))
        if not received:
            self._dry_until[queue.name] = now + self._dry_s
            return 0
        self.house.reached("jobs received")
        return self._store(queue, received)

    def _ask(self, queue: Queue, wanted: int) -> Sequence[Mapping[str, Any]]:
        site = queue.site or queue.name
        criteria = queue.criteria or {}
        return self.house.communicator.get_jobs(site, self.house.node_name, queue.label, self.house.node_name, wanted, criteria)

    def _store(self, queue: Queue, received: Sequence[Mapping[str, Any]]) -> int:
        read = [job for job in (self._read(dictionary, queue) for dictionary in received) if job is not None]
        with self.database.write() as write:
            new = jobs.insert(write, read)
        self.house.reached("jobs stored")
        if new:
            log.info("fetched jobs=%d queue=%s known=%d", len(new), queue.name, len(read) - len(new))
        else:
            self._dry_until[queue.name] = self.clock.now() + self._dry_s
        return len(new)

    def _read(self, dictionary: Mapping[str, Any], queue: Queue) -> Job | None:
        try:
            return job_from(dictionary, queue.name)
        except ValueError as error:
            log.error("dropped an answer of the workload management system queue=%s why=%s", queue.name, error)
            return None
