"""The job fetcher: gets jobs from the workload management system and stores them before anything else is done."""
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.agents.counts import Part, Question, job_counts, parts_to_fetch
from harvester_hpc.clock import as_text
from harvester_hpc.errors import AnswerLost, Unavailable
from harvester_hpc.model.dialog import Level
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import JOB_FETCHER
from harvester_hpc.policy.dictionary import job_from
from harvester_hpc.policy.fetching import jobs_to_fetch, labels_to_ask
from harvester_hpc.store import dialog as dialogs
from harvester_hpc.store import job as jobs
from harvester_hpc.store import job_call as calls
from harvester_hpc.store.job_call import LostAnswer

log = logging.getLogger(__name__)


class JobFetcher(Agent):
    """Keeps as many jobs of each queue waiting as its limits allow."""

    name = JOB_FETCHER

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        # The embedded system answers from a file: it may be asked more often than a server.
        self._dry_s = min(period_s, float(getattr(house.communicator, "dry_pause_s", period_s)))
        self._dry_until: dict[str, float] = {}
        # A server gives each job once: at most so many in one answer.
        self._gives_once = int(getattr(house.communicator, "gives_once", 0))
        self._is_new = True

    def run_once(self) -> int:
        """Ask for jobs of every queue that has room; return how many new ones were stored."""
        if self._is_new:
            self._is_new = False
            for name in self.house.queues:
                self._tell_left_over(name)
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
            counts = job_counts(connection, queue)
        wanted = jobs_to_fetch(queue, counts, self.house.bunch).number
        parts = parts_to_fetch(queue, counts, wanted) if wanted else ()
        if not parts:
            self._dry_until.pop(queue.name, None)
            return 0
        fetched = [self._fetch_part(queue, labels_to_ask(queue, self.house.draw()), part) for part in parts]
        if self.waits(queue.name) or not any(fetched):
            self._dry_until[queue.name] = now + self._dry_s
        return sum(fetched)

    def _fetch_part(self, queue: Queue, labels: Sequence[str], part: Part) -> int:
        """Ask for jobs of one label after the other until there are enough; return how many new ones were stored."""
        new = received_number = 0
        for label in labels:
            question = Question(label=label, criteria=part.criteria, number=part.number - received_number)
            if question.number < 1 or self.waits(queue.name):
                break
            received = self.attempt(queue.name, lambda question=question: self._asked(queue, question))  # type: ignore[misc]
            if received:
                self.house.reached("jobs received")
                received_number += len(received)
                new += self._store(queue, received)
                if len(received) >= min(question.number, self._gives_once or question.number):
                    break  # there may be more of this label
        return new

    def _asked(self, queue: Queue, question: Question) -> Sequence[Mapping[str, Any]]:
        """Ask for jobs; where they are given once, keep before that we ask, and afterwards if the answer was lost."""
        if not self._gives_once:
            return self._ask(queue, question)
        question, begun = replace(question, number=min(question.number, self._gives_once)), self.clock.now()
        self._tell_left_over(queue.name)
        with self.database.write() as write:
            calls.begin(write, queue.name, question.number)
        try:
            received = self._ask(queue, question)
        except AnswerLost as error:
            self._tell_lost(LostAnswer(queue=queue.name, asked=begun, wanted=question.number, why=str(error)))
            raise
        except Unavailable:
            self._answered(queue)
            raise
        if not received:
            self._answered(queue)
        return received

    def _answered(self, queue: Queue) -> None:
        with self.database.write() as write:
            calls.answered(write, queue.name)

    def _tell_left_over(self, queue: str) -> None:
        """Tell of a call of which nobody knows the end: a crash in the middle of it, or a defect."""
        with self.database.read() as connection:
            found = calls.under_way(connection)
        for one in found:
            if one.queue == queue:
                self._tell_lost(replace(one, why="who asked has ended before the answer was stored"))

    def _tell_lost(self, one: LostAnswer) -> None:
        """Say once that jobs may have been given that never arrived; which ones, nobody can ask."""
        words = (
            f"up to {one.wanted} jobs may have been given to queue {one.queue} at {as_text(one.asked)} and never arrived; "
            f"the server gives them up after {calls.GIVEN_UP_S / 60:.0f} minutes"
        )
        log.warning("%s why=%s", words, one.why)
        with self.database.write() as write:
            calls.lost(write, one.queue, one.why)
            dialogs.add(write, self.name, f"lost answer, queue {one.queue}", Level.WARNING, f"{words}: {one.why}")

    def _ask(self, queue: Queue, question: Question) -> Sequence[Mapping[str, Any]]:
        site, node = queue.site or queue.name, self.house.node_name
        return self.house.communicator.get_jobs(site, node, question.label, node, question.number, question.criteria)

    def _store(self, queue: Queue, received: Sequence[Mapping[str, Any]]) -> int:
        read = [job for job in (self._read(dictionary, queue) for dictionary in received) if job is not None]
        with self.database.write() as write:
            new = jobs.insert(write, read)
            calls.answered(write, queue.name)
        self.house.reached("jobs stored")
        if new:
            log.info("fetched jobs=%d queue=%s known=%d", len(new), queue.name, len(read) - len(new))
        return len(new)

    def _read(self, dictionary: Mapping[str, Any], queue: Queue) -> Job | None:
        try:
            return job_from(dictionary, queue.name)
        except ValueError as error:
            log.error("dropped an answer of the workload management system queue=%s why=%s", queue.name, error)
            return None
