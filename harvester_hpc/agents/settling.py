"""What came of a submission: the steps of workers and jobs, and how a queue that says no is spared. A part of the submitter."""
from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harvester_hpc.agents.base import Agent
from harvester_hpc.agents.looks import next_look
from harvester_hpc.agents.prefetch import prefetch
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.job import Job, JobState, JobStep, Outcome, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import Worker, WorkerState, WorkerStep
from harvester_hpc.ports.batch import Busy, Lookup, NotThere, Refused, Submission, Submitted, Uncertain
from harvester_hpc.store import event as events
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers

log = logging.getLogger(__name__)

#: Seconds after which an uncertain submission is looked up again for the first time.
LOOKUP_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A worker, its step, and the steps of its jobs."""

    worker: WorkerStep
    jobs: tuple[JobStep, ...] = ()


class Settling:
    """Answers of the batch system -> the store."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock
        self._noes: dict[str, int] = {}

    def store(self, queue: Queue, planned: Sequence[Worker], results: Sequence[Submission | Lookup]) -> int:
        """Store what the batch system has answered, answer by answer; return how many workers have changed their state."""
        with self.database.read() as connection:
            refused = [worker.id for worker, result in zip(planned, results, strict=True) if isinstance(result, Refused)]
            load = self.without_others(connection, refused) if refused else {}
        decided = [self._decide(queue, worker, result, load.get(worker.id, ())) for worker, result in zip(planned, results, strict=True)]
        self.commit(decided)
        self._learn(queue, results)
        self.house.reached("submission stored")
        return sum(one.worker.after is not one.worker.before for one in decided)

    def commit(self, decided: Sequence[Decided]) -> None:
        """Make the steps of workers and of their jobs in one transaction."""
        if not decided:
            return
        with self.database.write() as write:
            stale = set(workers.make(write, [one.worker for one in decided]))
            steps = [job_step for one in decided for job_step in one.jobs]
            jobs.make(write, steps)
            for ended in steps:
                if ended.after in (JobState.FAILED, JobState.CANCELLED):
                    events.end_of_job(write, ended.job_id, wanted=ended.after is JobState.FAILED)
            submitted = [one.worker.worker_id for one in decided if one.worker.after is WorkerState.SUBMITTED]
            prefetch(write, self.house.queues, [worker_id for worker_id in submitted if worker_id not in stale])

    def without_others(self, connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, list[Job]]:
        """Return {worker: its jobs}, without jobs that another living worker has too."""
        load = jobs.of_workers(connection, ids)
        own = set(ids)
        return {
            worker_id: [job for job in group if not workers.alive_of_job(connection, job.id) - own]
            for worker_id, group in load.items()
        }

    def _learn(self, queue: Queue, results: Sequence[Submission | Lookup]) -> None:
        """After a refusal, a full queue or no clear answer, leave the queue alone for a while, so that few jobs pay for it."""
        if not results:
            return
        said_no = next((result for result in results if isinstance(result, Refused | Busy | Uncertain)), None)
        if said_no is None:
            if self._noes.pop(queue.name, None) is not None:
                self.agent.works(queue.name)
            return
        self._noes[queue.name] = self._noes.get(queue.name, 0) + 1
        self.agent.begin_to_wait(queue.name, said_no.why, self._noes[queue.name])

    def has_said_no(self, queue: str) -> bool:
        """Tell whether the last answer about the queue was a refusal, a full queue, or no clear answer."""
        return queue in self._noes

    def forget_noes(self, queue: Queue) -> None:
        """When nobody wants a worker of the queue any more, its last no is no trouble now."""
        if queue.name not in self._noes or self.agent.waits(queue.name):
            return
        with self.database.read() as connection:
            counts = workers.queue_counts(connection, queue.name)
        if not counts.get(WorkerState.PLANNED):
            del self._noes[queue.name]
            self.agent.forget_trouble(queue.name)

    def _decide(self, queue: Queue, worker: Worker, result: Submission | Lookup, load: Sequence[Job]) -> Decided:
        now = self.clock.now()
        match result:
            case Submitted():
                log.info("submitted worker=%s batch=%s queue=%s nodes=%d", worker.id, result.batch_id, queue.name, worker.plan.nodes)
                fresh = replace(worker, submitted=now)
                return Decided(worker=WorkerStep(
                    worker_id=worker.id, before=worker.state, after=WorkerState.SUBMITTED, batch_id=result.batch_id, submitted=now,
                    due=next_look(self.house.queues[queue.name], fresh, now), why="",
                ))
            case Refused():
                log.error("refused worker=%s queue=%s why=%s", worker.id, queue.name, result.why)
                return self._refused(queue, worker, result, load)
            case Busy():
                log.warning("batch system is busy worker=%s queue=%s why=%s", worker.id, queue.name, result.why)
                return Decided(worker=stay(worker, now + self.agent.pause_s(worker.tries + 1), tries=worker.tries + 1, why=result.why))
            case Uncertain():
                log.warning("submission without a known end worker=%s queue=%s why=%s", worker.id, queue.name, result.why)
                pause = min(30.0, LOOKUP_S * 2.0 ** min(worker.tries, 10))
                return Decided(worker=stay(worker, now + pause, tries=worker.tries + 1, why=result.why))
            case NotThere():
                return Decided(worker=stay(worker, now))

    def _refused(self, queue: Queue, worker: Worker, result: Refused, load: Sequence[Job]) -> Decided:
        now = self.clock.now()
        why = f"the batch system refused the worker: {result.why}"
        steps = []
        for job in load:
            if job.state is not JobState.SUBMITTED:
                continue
            if job.cancel:
                steps.append(step(job, JobState.CANCELLED, now, why=job.cancel, cause=Cause.KILLED, outcome=Outcome.CANCELLED))
            elif result.may_run or job.submissions >= queue.max_submissions:
                steps.append(step(job, JobState.FAILED, now, why=why, cause=Cause.SUBMISSION, outcome=Outcome.FAILED))
            else:
                steps.append(step(job, JobState.PREPARED, now, why=why))
        ended = WorkerStep(
            worker_id=worker.id, before=worker.state, after=WorkerState.MISSED, due=now, why=result.why,
            cause=Cause.SUBMISSION, ended=now,
        )
        return Decided(worker=ended, jobs=tuple(steps))


def stay(worker: Worker, due: float, *, tries: int | None = None, submissions: int | None = None, why: str | None = None) -> WorkerStep:
    """Return the step of a worker that stays where it is until ``due``; what is not said stays."""
    return WorkerStep(
        worker_id=worker.id, before=worker.state, after=worker.state, due=due, tries=worker.tries if tries is None else tries,
        submissions=submissions, why=why,
    )
