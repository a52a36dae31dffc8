"""Jobs with several workers (OneToMany): who gets more of them, and what becomes of the job when the last has ended."""
from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.agents import attributes
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.event import EventState
from harvester_hpc.model.file import FileState
from harvester_hpc.model.job import Job, JobState, JobStep, Outcome, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, WorkerState
from harvester_hpc.policy.causes import cause_of
from harvester_hpc.policy.shared_job import outcome_of, state_of, workers_to_add
from harvester_hpc.policy.verdict import verdict
from harvester_hpc.ports.batch import Seen
from harvester_hpc.store import event as events
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write

log = logging.getLogger(__name__)

GONE_WELL = (EventState.FINISHED, EventState.ZIPPED, EventState.STAGED, EventState.DONE)
GONE_WRONG = (EventState.FAILED, EventState.FATAL, EventState.DROPPED)


def more_workers(connection: sqlite3.Connection, queue: Queue, job: Job, states: Sequence[WorkerState], at_once: int) -> int:
    """Return how many more workers a job of a OneToMany queue gets now. A job without event ranges cannot be shared: it gets one.

    Args:
        states: of all workers that it ever had.
        at_once: workers that it is to have at the same time.
    """
    if job.cancel:
        return 0
    work = events.jobs(connection, [job.id])
    if job.id not in work:
        return 1 if job.state is JobState.PREPARED else 0
    has_work = not work[job.id] or events.number_in(connection, job.id, EventState.LEASED) > 0
    return workers_to_add(queue, states, at_once, has_work=has_work)


def goes_on(connection: sqlite3.Connection, queue: Queue, job: Job, states: Sequence[WorkerState]) -> bool:
    """Tell whether a job all of whose workers have ended gets another one."""
    return queue.map_type is MapType.ONE_TO_MANY and more_workers(connection, queue, job, states, 1) > 0


def let_go(write: Write, job: Job) -> None:
    """End the workers of a job that still wait in the batch queue when nothing is left for them: the job would wait for their start."""
    wanted = (EventState.LEASED, EventState.FED, EventState.FAILED)  # of one that has failed the system may give another attempt
    if not events.jobs(write.connection, [job.id]).get(job.id) or events.any_in(write.connection, job.id, wanted):
        return
    for worker in workers.by_ids(write.connection, workers.alive_of_job(write.connection, job.id)).values():
        if worker.state is not WorkerState.RUNNING and workers.kill(write, worker.id, "nothing is left of its job"):
            log.info("is not needed any more worker=%s batch=%s job=%s", worker.id, worker.batch_id, job.id)


def is_fruitless(connection: sqlite3.Connection, job_id: int) -> bool:
    """Tell whether ranges of a job have failed, and none is done."""
    return events.any_in(connection, job_id, GONE_WRONG) and not events.any_in(connection, job_id, GONE_WELL)


def judged_together(job: Job, seen: Seen, states: Sequence[WorkerState], now: float, *, fruitless: bool) -> JobStep:
    """Return the end of a job by the ends of all its workers.

    Args:
        seen: the end of the last one; says why if none has finished, beside what the deciding worker has told (``job.attributes``).
        fruitless: its ranges have failed. A worker that found nothing to do any more has finished all the same.
    """
    if job.cancel:
        return step(job, JobState.TO_TRANSFER, now, why=job.cancel, cause=Cause.KILLED, outcome=Outcome.CANCELLED)
    outcome = outcome_of(states)
    if outcome is Outcome.FINISHED:
        whole = replace(seen, state=WorkerState.FINISHED, why="")
        outcome, why = verdict(job, whole, None, job.attributes, job.files)
        cause = cause_of(outcome, job, whole, None)
        if outcome is Outcome.FINISHED and fruitless:
            outcome, why, cause = Outcome.FAILED, "its event ranges have failed, and none is done", Cause.EVENTS
    else:
        said = "failed" if job.attributes.get("exeErrorDiag") or job.attributes.get("pilotErrorDiag") else None
        _, why = verdict(job, seen, said, job.attributes, job.files)
        cause = cause_of(outcome, job, seen, said)
    log.info("the last worker of a job has ended job=%s workers=%d outcome=%s why=%s", job.id, len(states), outcome, why or "-")
    return step(job, JobState.TO_TRANSFER, now, why=why, cause=cause, outcome=outcome)


def open_jobs(connection: sqlite3.Connection, queue: Queue, limit: int) -> list[Job]:
    """Return the jobs of a OneToMany queue that have had workers and have not ended."""
    return [job for state in (JobState.RUNNING, JobState.SUBMITTED) for job in jobs.of_queue(connection, queue.name, state, limit)]


def end_abandoned(write: Write, queue: Queue, found: Sequence[Job]) -> int:
    """End jobs that have no living worker and get none any more (their last one was refused or killed); return how many."""
    states = workers.states_of_jobs(write.connection, [job.id for job in found])
    ended = 0
    for job in jobs.with_files(write.connection, found):
        of_job = states[job.id]
        if state_of(of_job) is not None or goes_on(write.connection, queue, job, of_job):
            continue
        lost = Seen(state=WorkerState.FAILED, cause=job.cause or Cause.LOST, why=job.why or "no worker is left")
        attributes.add_up(write, [job.id])
        (whole,) = jobs.with_attributes(write.connection, [job])
        fruitless = is_fruitless(write.connection, job.id)
        jobs.make(write, [judged_together(whole, lost, of_job, write.now, fruitless=fruitless)])
        events.end_of_job(write, job.id, wanted=not job.cancel)
        jobs.give_up_files(write, job.id, FileState.EXPECTED, "no worker is left")
        ended += 1
    return ended
