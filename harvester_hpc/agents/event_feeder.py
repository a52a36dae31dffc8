"""The event feeder: leases event ranges from the workload management system, and hands them to workers that want some."""
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harvester_hpc.agents.access_point import point_of
from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.model.event import EventRange, EventState
from harvester_hpc.model.job import Job, JobId
from harvester_hpc.model.turn import EVENT_FEEDER
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.policy.event_feeding import asked_for
from harvester_hpc.ports.communicator import EVENT_OPEN
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import event as events
from harvester_hpc.store import event_request as requests
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write
from harvester_hpc.store.event_request import Call, Request

log = logging.getLogger(__name__)

SERVED = frozenset({WorkerState.SUBMITTED, WorkerState.RUNNING})
#: Ranges that are leased in one call for one job, at most (the chunk of the existing Harvester).
CHUNK = 5120
#: Characters of a range's name.
LONGEST_NAME = 200
#: Seconds until an access point that cannot be read or written is tried again.
UNREADABLE_S = 15.0
#: Seconds for which a worker waits for ranges that may come back.
HOPE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A worker, its request, and how many ranges it wants of each of its jobs that work on events."""

    worker: Worker
    request: Request
    numbers: Mapping[JobId, int]
    plugins: QueuePlugins


class EventFeeder(Agent):
    """leased -> fed. The lease is stored before a range is handed on; a range is the worker's in the store before it is in its letter."""

    name = EVENT_FEEDER

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._empty_since: dict[int, float] = {}

    def run_once(self) -> int:
        """Answer the requests that are due; return how many were answered."""
        now = self.clock.now()
        with self.database.read() as connection:
            found = requests.due(connection, now, self.house.rows)
            known = workers.by_ids(connection, [request.worker_id for request in found])
        answered = 0
        for request in found:
            worker = known.get(request.worker_id)
            plugins = self.house.queues.get(worker.queue) if worker else None
            if worker is None or worker.state not in SERVED:
                answered += self._drop(request)
            elif plugins is None or self.waits(worker.queue):
                self._later(request, self.waits_until(worker.queue) + (0.0 if plugins else self.period_s))
            else:
                answered += self._serve(plugins, worker, request)
        return answered

    def next_due(self) -> float | None:
        """Return when the next request is to be answered."""
        with self.database.read() as connection:
            return requests.next_due(connection)

    def _serve(self, plugins: QueuePlugins, worker: Worker, request: Request) -> int:
        if request.pending:
            return self._feed_pending(plugins, worker, request)
        wish = self._wish(plugins, worker, request)
        if wish is None:
            return 0
        if not wish.numbers:
            return self._drop(request)
        complete = self._lease(wish)
        return self._hand(wish, complete=complete)

    # -- what is wanted ---------------------------------------------------------------------------

    def _wish(self, plugins: QueuePlugins, worker: Worker, request: Request) -> Wish | None:
        """Read what the worker asks for; None if its letter cannot be read now."""
        with self.database.read() as connection:
            own = events.jobs(connection, worker.job_ids)
        try:
            asked = plugins.messenger.events_requested(point_of(worker, plugins.queue, self.house.instance))
        except OSError as error:
            log.warning("a request cannot be read worker=%s access_point=%s why=%s", worker.id, worker.access_point, error)
            self._later(request, self.clock.now() + UNREADABLE_S)
            return None
        numbers = {JobId(job_id): asked_for(wanted) for job_id, wanted in asked.items() if job_id in own}
        foreign = [job_id for job_id in asked if job_id not in own]
        if foreign:
            log.warning("asks for ranges of jobs that it does not have worker=%s jobs=%s", worker.id, foreign[:5])
        if request.wanted is not None:
            numbers = {JobId(job_id): max(request.wanted, numbers.get(JobId(job_id), 0)) for job_id in own}
        return Wish(worker=worker, request=request, numbers=numbers, plugins=plugins)

    # -- lease ------------------------------------------------------------------------------------

    def _lease(self, wish: Wish) -> bool:
        """Lease what is missing; False if the system does not answer."""
        fruitful = set(wish.numbers)
        # What one call has leased is stored before the next: its answer would be lost with that of the next one.
        at_once = min(CHUNK, int(getattr(self.house.communicator, "ranges_per_call", CHUNK)))
        while True:
            missing = {job_id: min(number, at_once) for job_id, number in self._missing(wish).items() if job_id in fruitful}
            if not missing:
                return True
            for job_id, number in missing.items():
                more = self._lease_once(wish, {job_id: number})
                if more is None:
                    return False
                fruitful -= set() if more else {job_id}

    def _missing(self, wish: Wish) -> dict[JobId, int]:
        with self.database.read() as connection:
            here = {job_id: events.number_in(connection, job_id, EventState.LEASED) for job_id in wish.numbers}
        return {job_id: number - here[job_id] for job_id, number in wish.numbers.items() if number > here[job_id]}

    def _lease_once(self, wish: Wish, numbers: Mapping[JobId, int]) -> set[JobId] | None:
        """Lease once for some jobs; return those of which the system may have more, None if there was no answer."""
        if self.waits("") or not self._settle_lost(numbers):
            return None
        with self.database.write() as write:
            requests.begin_call(write, numbers, Call.LEASE)
        with self.database.read() as connection:
            load = jobs.with_params(connection, list(jobs.by_ids(connection, numbers).values()))
        wanted = {job.id: _request_of(job, numbers[job.id]) for job in load}
        scattered = wish.plugins.queue.scattered_events
        answer = self.attempt("", lambda: self.house.communicator.get_event_ranges(wanted, scattered))
        self.house.reached("ranges leased, not stored")
        if answer is None:
            return None
        more: set[JobId] = set()
        with self.database.write() as write:
            for job_id, number in numbers.items():
                given = [one for one in map(_range_of, answer.get(job_id, ())) if one is not None]
                new = events.lease(write, job_id, given)
                events.set_dry(write, job_id, dry=len(given) < number)
                if new and len(given) >= number:
                    more.add(job_id)
            requests.end_call(write, numbers, Call.LEASE)
        self.house.reached("lease stored")
        return more

    def _settle_lost(self, numbers: Mapping[JobId, int]) -> bool:
        """Ask what the system has leased of which we never heard, if a call had no answer; False if it does not answer now."""
        with self.database.read() as connection:
            unsure = sorted(requests.unanswered(connection, numbers, Call.LEASE))
            tasks = {job.id: job.task_id for job in jobs.by_ids(connection, unsure).values()}
        if not unsure:
            return True
        every: dict[JobId, Sequence[str] | None] = {JobId(job_id): None for job_id in unsure}
        statuses = self.attempt("", lambda: self.house.communicator.event_statuses(every, tasks))
        if statuses is None:
            return False
        with self.database.write() as write:
            for job_id in unsure:
                held = [name for name, status in statuses.get(JobId(job_id), {}).items() if status in EVENT_OPEN]
                lost = events.lease_lost(write, job_id, held)
                if lost:
                    log.warning("a lease did not arrive, its ranges go back job=%s ranges=%d", job_id, lost)
            requests.end_call(write, unsure, Call.LEASE)
        return True

    # -- hand on ----------------------------------------------------------------------------------

    def _hand(self, wish: Wish, *, complete: bool) -> int:
        """Give the worker what is there. Nothing at all, and no answer either: later."""
        worker = wish.worker
        given: dict[int, list[EventRange]] = {}
        with self.database.write() as write:
            present = workers.by_ids(write.connection, [worker.id])
            if worker.id not in present or present[worker.id].state not in SERVED:
                requests.answered(write, worker.id)
                return 1
            given = {job_id: events.hand(write, worker.id, job_id, number) for job_id, number in wish.numbers.items()}
            if not any(given.values()) and (not complete or self._may_come_back(write, wish)):
                requests.later(write, worker.id, max(self.waits_until(""), write.now + 1.0))
                return 0
            requests.put_pending(write, worker.id, [one.id for ranges in given.values() for one in ranges])
        self._empty_since.pop(worker.id, None)
        self.house.reached("ranges given, not fed")
        return self._feed(wish.plugins, worker, wish.request, given)

    def _may_come_back(self, write: Write, wish: Wish) -> bool:
        """Tell whether ranges that have failed, or whose lease did not arrive, are still to be told: the system may give them again.

        Of a worker that is told that there are no more, nobody is left to take them. It waits for a while only: its nodes are paid for.
        """
        since = self._empty_since.setdefault(wish.worker.id, write.now)
        return write.now - since < HOPE_S and any(events.any_in(write.connection, job_id, (EventState.FAILED,)) for job_id in wish.numbers)

    def _feed_pending(self, plugins: QueuePlugins, worker: Worker, request: Request) -> int:
        """Write again what may not have been written: a worker passes over ranges that it has."""
        with self.database.read() as connection:
            given = events.by_ids(connection, request.pending)
        return self._feed(plugins, worker, request, given)

    def _feed(self, plugins: QueuePlugins, worker: Worker, request: Request, given: Mapping[int, Sequence[EventRange]]) -> int:
        point = point_of(worker, plugins.queue, self.house.instance)
        try:
            plugins.messenger.feed_events(point, {job_id: [one.as_dictionary() for one in ranges] for job_id, ranges in given.items()})
        except OSError as error:
            log.warning("ranges cannot be written worker=%s access_point=%s why=%s", worker.id, worker.access_point, error)
            self._later(request, self.clock.now() + UNREADABLE_S)
            return 0
        self.house.reached("ranges fed, not stored")
        log.info("fed worker=%s ranges=%d", worker.id, sum(map(len, given.values())))
        return self._drop(request)

    def _drop(self, request: Request) -> int:
        self._empty_since.pop(request.worker_id, None)
        with self.database.write() as write:
            requests.answered(write, request.worker_id)
        return 1

    def _later(self, request: Request, due: float) -> None:
        with self.database.write() as write:
            requests.later(write, request.worker_id, due)


def _request_of(job: Job, number: int) -> dict[str, Any]:
    params = job.params
    return {"pandaID": job.id, "taskID": params.get("taskID"), "jobsetID": params.get("jobsetID"), "nRanges": number}


def _range_of(given: Mapping[str, Any]) -> EventRange | None:
    """Return a leased range; None if it has no name that could be told."""
    name = given.get("eventRangeID")
    if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isascii():
        log.error("a leased range without a usable name range=%s", str(name)[:80])
        return None
    first, last = given.get("startEvent"), given.get("lastEvent")
    numbered = isinstance(first, int) and isinstance(last, int) and max(abs(first), abs(last)) < 2**63
    events_in_it = ("startEvent", "lastEvent") if numbered else ()
    origin = {key: value for key, value in given.items() if key not in ("eventRangeID", *events_in_it)}
    return EventRange(range_id=name, first=first if numbered else None, last=last if numbered else None, origin=origin)
