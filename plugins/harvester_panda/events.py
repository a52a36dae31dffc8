"""Event ranges: leased, told, asked about."""
from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import EventReply, EventReport
from harvester_panda import methods
from harvester_panda.cleaning import parts, whole, without_nothing
from harvester_panda.event_reports import (
    ObjectStores,
    Statuses,
    Told,
    Wanted,
    groups_of,
    problem_of,
    ranges_in,
    replies_of,
    statuses_in,
    task_of,
)
from harvester_panda.piecemeal import Piecemeal
from harvester_panda.server import Refused, Server
from harvester_panda.settings import PandaSettings

log = logging.getLogger(__name__)

#: Ranges told in one call (the server takes ten times as many).
AT_ONCE = 10_000
#: Jobs in one question: the request line has a limit.
ASKED = 50
#: So often a range is refused alone, while the server takes others, before it is given up; so many are remembered.
PERSISTENT, MOST_REFUSED = 10, 10_000
NOTHING = Statuses({}, has_any=False)


class Events:
    """The event ranges of one server."""

    def __init__(self, server: Server, settings: PandaSettings) -> None:
        self._server = server
        self._settings = settings
        self._refusals: Counter[str] = Counter()
        self._stores = ObjectStores(
            number=settings.object_store, numbers=settings.object_stores, path_convention=settings.path_convention,
        )

    def leased(self, job_id: JobId, wanted: Mapping[str, Any], *, scattered: bool) -> list[Mapping[str, Any]]:
        """Return at most ``wanted["nRanges"]`` ranges of a job.

        Raises:
            Unavailable: nobody knows how many were leased.
        """
        found: list[Mapping[str, Any]] = []
        number = whole(wanted.get("nRanges")) or 1
        while len(found) < number:
            asked = min(number - len(found), self._settings.ranges_per_call)
            arguments = {**_ids(job_id, wanted), "n_ranges": asked, "scattered": scattered}
            envelope = self._server.ask(methods.ACQUIRE_RANGES, arguments)
            if not envelope.success:
                raise Refused(f"the PanDA server leases no event ranges of job {job_id}", why=envelope.message)
            try:
                new = ranges_in(envelope.data)
            except ValueError as error:
                raise Unavailable(f"the PanDA server has leased something of job {job_id}", why=str(error)) from error
            found += new
            if len(new) < asked:
                break
        return found

    def left(self, job_id: JobId, wanted: Mapping[str, Any]) -> int:
        """Return how many ranges of a job (of its task, if it is a jumbo job) wait."""
        return whole(self._server.tell(methods.RANGES_LEFT, _ids(job_id, wanted))) or 0

    def told(self, reports: Mapping[JobId, Sequence[EventReport]]) -> dict[JobId, list[EventReply]]:
        """Report ranges; each gets a reply.

        Raises:
            Unavailable: nobody knows which of them were taken; those that the server does not refuse are told all the same.
        """
        everything = [Told(job_id=job_id, report=report) for job_id, ones in reports.items() for report in ones]
        problems = {id(one): problem_of(one) for one in everything}
        fit = [one for one in everything if not problems[id(one)]]
        replies = {key: EventReply(taken=False, why=why) for key, why in problems.items() if why}
        for some in parts(fit, AT_ONCE):
            piecemeal = Piecemeal[Told, EventReply | None](self._tell, lambda one, why: None)
            for one, answer in zip(some, piecemeal.tell(some), strict=True):
                reply = self._refused(one, others_work=piecemeal.works) if answer is None else answer
                replies |= {} if reply is None else {id(one): reply}
        if any(id(one) not in replies for one in everything):
            raise Unavailable("the PanDA server refuses event ranges", why=f"{len(everything) - len(replies)} of {len(everything)}")
        found: dict[JobId, list[EventReply]] = {job_id: [] for job_id in reports}
        for one in everything:
            found[one.job_id].append(replies[id(one)])
        return found

    def _refused(self, told: Told, *, others_work: bool) -> EventReply | None:
        """Return the answer to a range that is refused alone; None: it may be the server's fault, and it is told again later.

        A range that is done has cost hours of a machine: it is given up only if it was refused again and again while others were taken.
        """
        if not others_work:
            return None
        name = told.report.range_id
        if len(self._refusals) >= MOST_REFUSED:
            self._refusals.clear()
        self._refusals[name] += 1
        return EventReply(taken=False, why="the server does not take it") if self._refusals[name] >= PERSISTENT else None

    def _tell(self, told: Sequence[Told]) -> Sequence[EventReply]:
        text, ordered = groups_of(told, self._stores)
        replies: list[EventReply | None] | None = None
        error: Refused | None = None
        try:
            replies = replies_of(self._server.tell(methods.UPDATE_RANGES, {"event_ranges": text, "version": 1}), ordered)
        except Refused as refusal:
            # Servers of 1.0 break when they have taken everything and are about to say so.
            error = refusal
        said = {id(one): reply for one, reply in zip(ordered, replies or [], strict=False)}
        if any(said.get(id(one)) is None for one in told):
            said |= self._asked([one for one in told if said.get(id(one)) is None])
        answers = [said[id(one)] for one in told]
        known = [answer for answer in answers if answer is not None]
        if len(known) < len(told):
            raise error or Refused("the PanDA server does not say what it has taken of event ranges")
        return known

    def _asked(self, told: Sequence[Told]) -> dict[int, EventReply | None]:
        """Return what follows from the statuses that the server has."""
        tasks = {(one.job_id, task_of(one.report.range_id)) for one in told}
        names: dict[JobId, list[str]] = {}
        for one in told:
            names.setdefault(one.job_id, []).append(one.report.range_id)
        statuses = self._statuses([(job_id, task) for job_id, task in sorted(tasks, key=str) if task is not None], Wanted(names))
        return {id(one): statuses.get(one.job_id, NOTHING).reply_to(one.report) for one in told}

    def statuses(
        self, ranges: Mapping[JobId, Sequence[str] | None], tasks: Mapping[JobId, int | None]
    ) -> dict[JobId, dict[str, str]]:
        """Return {job: {eventRangeID: status}} of named ranges; of a job that names none of all that are open.

        Raises:
            Unavailable: no answer, or the task of a job is not known.
        """
        asked: set[tuple[JobId, int]] = set()
        for job_id, names in ranges.items():
            task = tasks.get(job_id)
            if names is None and task is None:
                raise Unavailable(f"the event ranges of job {job_id} cannot be asked about", why="its task is not known")
            asked |= {(job_id, task)} if names is None and task is not None else set()
            asked |= {(job_id, number) for name in names or () if (number := task_of(name)) is not None}
        known = self._statuses(sorted(asked), Wanted(ranges))
        return {job_id: _chosen(known.get(job_id, NOTHING), names) for job_id, names in ranges.items()}

    def _statuses(self, asked: Sequence[tuple[JobId, int]], wanted: Wanted) -> dict[JobId, Statuses]:
        found: dict[JobId, dict[str, str]] = {}
        for some in _questions(asked):
            question = json.dumps([{"task_id": task, "panda_id": int(job_id)} for job_id, task in some])
            read = partial(statuses_in, wanted=wanted)
            answer = self._server.tell(methods.RANGE_STATUSES, {"job_task_ids": question}, read)
            for job_id, ranges in answer.items():
                found.setdefault(job_id, {}).update(ranges)
        return {job_id: Statuses(names, has_any=True) for job_id, names in found.items()}


def _questions(asked: Sequence[tuple[JobId, int]]) -> Iterator[Sequence[tuple[JobId, int]]]:
    """Yield (job, task) in parts of which each names a job once: the answer is by job."""
    rounds: dict[int, list[tuple[JobId, int]]] = {}
    times: Counter[JobId] = Counter()
    for job_id, task in asked:
        rounds.setdefault(times[job_id], []).append((job_id, task))
        times[job_id] += 1
    for once in rounds.values():
        yield from parts(once, ASKED)


def _ids(job_id: JobId, wanted: Mapping[str, Any]) -> dict[str, Any]:
    return without_nothing({"job_id": int(job_id), "jobset_id": whole(wanted.get("jobsetID")), "task_id": whole(wanted.get("taskID"))})


def _chosen(known: Statuses, names: Sequence[str] | None) -> dict[str, str]:
    if names is None:
        return known.open()
    found = ((name, known.of(name)) for name in names)
    return {name: status for name, status in found if status is not None}
