"""Workers that have ended: their end and what becomes of their jobs, stored in one transaction, or each by itself."""
from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harvester_hpc.agents import attributes
from harvester_hpc.agents.base import Agent
from harvester_hpc.agents.event_news import store_event_news, take_back_ranges
from harvester_hpc.agents.last_letters import Ended, LastLetters
from harvester_hpc.agents.pulled_jobs import PulledJobs
from harvester_hpc.agents.shared_jobs import goes_on, is_fruitless, judged_together, let_go
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.file import FileKind, FileState
from harvester_hpc.model.job import BOUND, WITH_ITS_WORKER_S, Job, JobId, JobState, JobStep, Outcome, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import MONITOR, SUBMITTER
from harvester_hpc.model.worker import MapType, Worker, WorkerState
from harvester_hpc.policy.causes import cause_of, cause_of_one
from harvester_hpc.policy.shared_job import state_of
from harvester_hpc.policy.sighting import changed
from harvester_hpc.policy.verdict import verdict, verdict_of_one
from harvester_hpc.ports.batch import Seen
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import event as events
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write

log = logging.getLogger(__name__)

#: Seconds after which an ended worker is swept if its queue does not say (by end state).
KEEP_S = 24 * 3600.0
#: Seconds until a worker whose end could not be stored is looked at again.
UNSTORABLE_S = 60.0


class WorkerEnds:
    """Takes the ends of workers into the store, and judges their jobs."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._letters = LastLetters(agent)
        self._pulled = PulledJobs(agent)

    def take(self, plugins: QueuePlugins, ended: Sequence[tuple[Worker, Seen]]) -> int:
        """Store the ends that can be judged now; return how many."""
        if not ended:
            return 0
        taken = 0
        for part in self.agent.in_parallel(ended, lambda some: self._letters.collect(plugins, some)):
            self._pulled.note(plugins, [one.worker for one in part])
            stored = self._store(plugins.queue, part)
            for one in stored:
                plugins.messenger.acknowledge(one.news)
            taken += len(stored)
        return taken

    def is_busy(self) -> bool:
        """Tell whether something is done for an ended worker beside the rounds."""
        return self._letters.after.is_busy()

    def close(self) -> None:
        """End what is done beside the rounds."""
        self._letters.after.close()

    def _store(self, queue: Queue, ended: Sequence[Ended]) -> Sequence[Ended]:
        """Store all of them in one transaction, or, if one cannot be stored, each by itself; return those that are stored."""
        if not ended:
            return ()
        now = self.agent.clock.now()
        try:
            with self.agent.database.write() as write:
                known = [one for one in ended if _knows_its_jobs(write, one.worker)]
                standing = _standing(write, [job.id for one in known for job in one.jobs])
                for one in known:
                    _store_end(write, queue, one, standing, now)
        except (ValueError, OverflowError, RecursionError, sqlite3.Error) as error:
            if len(ended) > 1:
                return [stored for one in ended for stored in self._store(queue, [one])]
            log.error("the end of a worker cannot be stored worker=%s why=%s: %s", ended[0].worker.id, type(error).__name__, error)
            with self.agent.database.write() as write:
                workers.look_again(write, [ended[0].worker.id], now + UNSTORABLE_S)
            return ()
        self.agent.house.reached("ends stored")
        for one in known:
            log.info(
                "ended worker=%s batch=%s state=%s exit=%s native=%s why=%s", one.worker.id, one.worker.batch_id, one.seen.state,
                one.seen.exit_code, one.seen.native_status, one.seen.why or "-",
            )
        return known


def _knows_its_jobs(write: Write, worker: Worker) -> bool:
    """Tell whether a worker has no other jobs than when it was looked at; one that was bound since has letters that nobody has read."""
    if not worker.late:
        return True
    present = workers.by_ids(write.connection, [worker.id]).get(worker.id)
    if present is None or set(present.job_ids) == set(worker.job_ids):
        return True
    workers.look_again(write, [worker.id], write.now)
    write.ring(MONITOR)
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What the store says of the jobs of ended workers, asked once for all of them in the transaction that stores their ends.

    Attributes:
        jobs: in the states that they have by now: the messenger may have moved one of many since the letters were read.
        on_ranges: those that work on event ranges.
    """

    jobs: Mapping[JobId, Job]
    on_ranges: frozenset[int]


def _standing(write: Write, ids: Sequence[JobId]) -> Standing:
    return Standing(jobs=jobs.by_ids(write.connection, ids), on_ranges=frozenset(events.jobs(write.connection, ids)))


def _store_end(write: Write, queue: Queue, one: Ended, standing: Standing, now: float) -> None:
    worker, seen, news = one.worker, one.seen, one.news
    keep = (queue.keep_s or {}).get(seen.state, KEEP_S)
    stale = workers.make(write, [changed(worker, seen, now + keep, now, ended=seen.ended or now)])
    if stale:
        return
    if worker.map_type is MapType.ONE_TO_MANY:
        standing = _standing(write, [job.id for job in one.jobs])  # the worker before this one may have ended the same job
    one = replace(one, jobs=_as_of_now(standing, one.jobs))
    own = frozenset(worker.job_ids)
    jobs.declare(write, [file for file in news.files if file.job_id in own and file.kind in (FileKind.OUTPUT, FileKind.LOG)])
    attributes.take(write, worker, news.attributes)
    for bad in news.bad:
        log.warning("bad letter worker=%s file=%s why=%s", worker.id, bad.path, bad.why)
    store_event_news(write, worker, news, runs_on=False)
    take_back_ranges(write, worker, standing.on_ranges)
    begun = [job for job in one.jobs if job.id not in one.free]
    states: Mapping[int, Sequence[WorkerState]] = {}
    if worker.map_type is MapType.ONE_TO_MANY:
        attributes.add_up(write, [job.id for job in begun])
        begun = jobs.with_attributes(write.connection, begun)
        states = workers.states_of_jobs(write.connection, [job.id for job in begun])
    for job in begun:
        if job.state in BOUND:
            _end_job(write, queue, one, job, states.get(job.id, ()), on_ranges=job.id in standing.on_ranges)
        else:
            jobs.give_up_files(write, job.id, FileState.EXPECTED, "the worker ended without it")
    _give_back(write, queue, one, worked=bool(news.begun or news.job_status))


def _as_of_now(standing: Standing, load: Sequence[Job]) -> tuple[Job, ...]:
    """Return those jobs that are still there, in the states that they have by now."""
    return tuple(
        job if (now.state, now.cancel) == (job.state, job.cancel) else replace(job, state=now.state, cancel=now.cancel)
        for job in load if (now := standing.jobs.get(job.id)) is not None
    )


def _give_back(write: Write, queue: Queue, one: Ended, *, worked: bool) -> None:
    """Let jobs that were not begun have another worker.

    Args:
        worked: the worker has begun others: that these were not is no failure, and not counted as a submission.
    """
    free = [job for job in one.jobs if job.id in one.free]
    steps = [_given_back(job, queue, one.seen, write.now, worked=worked) for job in free]
    stale = set(jobs.make(write, steps))
    back = [step.job_id for step in steps if step.after is JobState.PREPARED and step.job_id not in stale]
    if worked:
        jobs.uncount(write, back)
    if back:
        log.info("not begun, go to another worker worker=%s jobs=%d why=%s", one.worker.id, len(back), one.seen.why or "-")


def _given_back(job: Job, queue: Queue, seen: Seen, now: float, *, worked: bool) -> JobStep:
    if job.cancel:
        return step(job, JobState.CANCELLED, now, why=job.cancel, cause=Cause.KILLED, outcome=Outcome.CANCELLED)
    reason = seen.why or seen.native_status or seen.state
    if not worked and job.submissions >= queue.max_submissions:
        why = f"{job.submissions} workers ended without having begun it; the last one: {reason}"
        return step(job, JobState.FAILED, now, why=why, cause=seen.cause or Cause.NOT_BEGUN, outcome=Outcome.FAILED)
    return step(job, JobState.PREPARED, now, why=f"not begun in its last worker: {reason}")


def _end_job(write: Write, queue: Queue, one: Ended, job: Job, states: Sequence[WorkerState], *, on_ranges: bool) -> None:
    """Judge a job, unless another worker of it lives, or is to come."""
    standing = state_of(states)
    if standing is not None:
        if standing is not job.state:
            jobs.make(write, [step(job, standing, write.now, due=write.now + WITH_ITS_WORKER_S)])
        let_go(write, job)
        return
    if goes_on(write.connection, queue, job, states):
        write.ring(SUBMITTER)
        return
    if one.worker.map_type is MapType.ONE_TO_MANY:
        fruitless = on_ranges and is_fruitless(write.connection, job.id)
        judged = judged_together(job, one.seen, states, write.now, fruitless=fruitless)
    else:
        judged = _judged(job, one, write.now)
    jobs.make(write, [judged])
    if on_ranges:
        events.end_of_job(write, job.id, wanted=not job.cancel)
    jobs.give_up_files(write, job.id, FileState.EXPECTED, "the worker ended without it")


def _judged(job: Job, ended: Ended, now: float) -> JobStep:
    said = ended.news.job_status.get(job.id)
    if ended.worker.map_type is MapType.MANY_TO_ONE:
        outcome, why = verdict_of_one(job, ended.seen, said, job.attributes, job.files)
        cause = cause_of_one(outcome, job, ended.seen, said, job.attributes)
    else:
        outcome, why = verdict(job, ended.seen, said, job.attributes, job.files)
        cause = cause_of(outcome, job, ended.seen, said)
    if outcome is not Outcome.FINISHED:
        log.info("job did not finish job=%s worker=%s outcome=%s why=%s", job.id, ended.worker.id, outcome, why)
    return step(job, JobState.TO_TRANSFER, now, why=why, cause=cause, outcome=outcome)
