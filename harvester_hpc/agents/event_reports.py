"""Event ranges are told to the workload management system, each once. A part of the propagator."""
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harvester_hpc.agents.base import Agent
from harvester_hpc.model.event import EVENT_TOLD_AS, EventState
from harvester_hpc.model.file import File
from harvester_hpc.model.job import JobId
from harvester_hpc.policy.masking import masked
from harvester_hpc.ports.communicator import EVENT_OPEN, EventReply, EventReport, ZipReport
from harvester_hpc.store import event as events
from harvester_hpc.store import event_request as requests
from harvester_hpc.store import event_zip as zips
from harvester_hpc.store.event import Untold
from harvester_hpc.store.event_request import Call

log = logging.getLogger(__name__)

#: Ranges in one call, at most (the published number for one job).
BUNCH = 10_000
#: Ranges that are asked about in one call: its answer may tell of all ranges that a job has, however few are named.
ASKED = 50_000
#: A call of more seconds than this is dear: its system reads a million ranges to take a thousand. The next one waits for so many times
#: as long, for more to tell at once, but never longer than the last number (seconds).
DEAR_S, REST, LONGEST_REST_S = 3.0, 20.0, 600.0
#: Jobs looked at in one round.
JOBS = 100
#: What becomes of a range that the system takes our word on.
END_OF = {EventState.STAGED: EventState.DONE, EventState.FAILED: EventState.DROPPED, EventState.FATAL: EventState.DROPPED}
#: Words of the system that agree with "finished".
FINISHED = frozenset({"finished", "done", "merged"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Bunch:
    """The ranges that are told in one call, by job, and the zips that they are in."""

    ranges: Mapping[JobId, Sequence[Untold]]
    files: Mapping[int, File]


class EventReports:
    """staged, failed, fatal -> done, dropped.

    That a call begins is stored before it is made. If its answer is not stored, for a crash or for silence, the system is asked
    what it knows before anything is told again.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self._rests_until = 0.0

    def run_once(self) -> int:
        """Tell one bunch; return how many ranges were told."""
        if self.agent.waits("events") or self.agent.waits("") or self._rests():
            return 0
        with self.database.read() as connection:
            due = events.to_tell(connection, self.agent.clock.now(), JOBS)
            unsure = requests.unanswered(connection, due, Call.TELL)
        if not all(self._settle(job_id) for job_id in sorted(unsure)):
            return 0
        bunch = self._bunch(due)
        self._rest([job_id for job_id in due if JobId(job_id) not in bunch.ranges])
        return self._tell(bunch) if bunch.ranges else 0

    def next_due(self) -> float | None:
        """Return when there is something to tell."""
        with self.database.read() as connection:
            due = events.next_tell(connection)
        rest = self._rests_until if self._rests() else 0.0
        return None if due is None else max(due, self.agent.waits_until("events"), rest)

    def _rests(self) -> bool:
        """Tell whether the last call was dear; a clock that was set back ends no rest late."""
        return 0.0 < self._rests_until - self.agent.clock.now() <= LONGEST_REST_S

    def _bunch(self, due: Sequence[int]) -> Bunch:
        ranges: dict[JobId, list[Untold]] = {}
        left = BUNCH
        with self.database.read() as connection:
            for job_id in due:
                for state in EVENT_TOLD_AS:
                    found = events.untold(connection, job_id, state, 0, left) if left else []
                    if found:
                        ranges.setdefault(JobId(job_id), []).extend(found)
                        left -= len(found)
                if not left:
                    break
            files = zips.files(connection, {one.file_id for ones in ranges.values() for one in ones if one.file_id is not None})
        return Bunch(ranges=ranges, files=files)

    def _rest(self, job_ids: Sequence[int]) -> None:
        """Nothing is left to tell of these jobs (unless something was done meanwhile)."""
        if not job_ids:
            return
        with self.database.write() as write:
            for job_id in job_ids:
                if not events.any_in(write.connection, job_id, EVENT_TOLD_AS):
                    events.tell_again(write, job_id, None)

    def _tell(self, bunch: Bunch) -> int:
        with self.database.write() as write:
            requests.begin_call(write, bunch.ranges, Call.TELL)
        letters = {job_id: [_report(one, bunch.files) for one in ones] for job_id, ones in bunch.ranges.items()}
        begun = self.agent.clock.now()
        answer = self.agent.attempt("events", lambda: self.house.communicator.update_event_ranges(letters))
        self.house.reached("ranges told, not stored")
        if answer is None:
            return 0
        self._rest_after(self.agent.clock.now() - begun, full=sum(map(len, letters.values())) >= BUNCH)
        return self._store(bunch, answer)

    def _rest_after(self, seconds: float, *, full: bool) -> None:
        """Let more come together after a dear call, unless more waits already."""
        dear = seconds > DEAR_S and not full
        self._rests_until = self.agent.clock.now() + min(LONGEST_REST_S, REST * seconds) if dear else 0.0

    def _store(self, bunch: Bunch, answer: Mapping[JobId, Sequence[EventReply]]) -> int:
        told = 0
        with self.database.write() as write:
            for job_id, ranges in bunch.ranges.items():
                ends = [
                    (one, END_OF[one.state] if reply.taken else EventState.DROPPED)
                    for one, reply in zip(ranges, answer.get(job_id, ()), strict=False)
                ]
                unwanted = [one.range_id for (one, end) in ends if one.state is EventState.STAGED and end is EventState.DROPPED]
                if unwanted:
                    log.warning("finished ranges that nobody wants any more job=%s number=%d such=%s", job_id, len(unwanted), unwanted[:3])
                told += events.told(write, ends)
                if len(ends) == len(ranges):
                    requests.end_call(write, [job_id], Call.TELL)
                if any(one.state is EventState.FAILED for one in ranges):
                    events.set_dry(write, job_id, dry=False)  # the system may try a failed one again
        self.house.reached("ranges told and stored")
        return told

    def _settle(self, job_id: int) -> bool:
        """Ask what the system knows of the ranges of a job, and take as told what it knows the end of; False if it does not answer."""
        for state in EVENT_TOLD_AS:
            after = 0
            while True:
                with self.database.read() as connection:
                    ranges = events.untold(connection, job_id, state, after, ASKED)
                if not ranges:
                    break
                if not self._settle_some(JobId(job_id), ranges):
                    return False
                after = ranges[-1].id
        with self.database.write() as write:
            requests.end_call(write, [job_id], Call.TELL)
        return True

    def _settle_some(self, job_id: JobId, ranges: Sequence[Untold]) -> bool:
        names = [one.range_id for one in ranges]
        statuses = self.agent.attempt("events", lambda: self.house.communicator.event_statuses({job_id: names}))
        if statuses is None:
            return False
        of_job = statuses.get(job_id, {})
        ends = [
            (one, EventState.DONE if one.state is EventState.STAGED and status in FINISHED else EventState.DROPPED)
            for one in ranges if (status := of_job.get(one.range_id)) is not None and status not in EVENT_OPEN
        ]
        with self.database.write() as write:
            known = events.told(write, ends)
        log.info("asked about ranges whose telling had no answer job=%s asked=%d known=%d", job_id, len(ranges), known)
        return True


def _report(one: Untold, files: Mapping[int, File]) -> EventReport:
    file = files.get(one.file_id) if one.file_id is not None and one.state is EventState.STAGED else None
    packed = None if file is None else ZipReport(
        lfn=file.lfn, size=file.size or 0, checksum=file.checksum, url=file.url, endpoint=file.endpoint,
    )
    return EventReport(
        range_id=one.range_id, status=EVENT_TOLD_AS[one.state], core_count=one.cores, cpu_s=one.cpu_s, why=masked(one.why), zip=packed,
    )
