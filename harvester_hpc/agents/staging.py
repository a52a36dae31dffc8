"""What preparator and stager have in common: trigger, check, and judge the answer."""
from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

from harvester_hpc.agents.answers import checked
from harvester_hpc.agents.base import Agent, by_queue
from harvester_hpc.model.file import File, FileId
from harvester_hpc.model.input import Identity, Input
from harvester_hpc.model.job import Job, JobId, JobState, JobStep, look_again, step
from harvester_hpc.model.transfer import Direction
from harvester_hpc.ports.outcome import Done, Failed, FileNews, Pending, Result, Retry
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import input as inputs
from harvester_hpc.store import job as jobs
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store.database import Write

#: Failed tries of one transfer before its job fails; with growing pauses this is a matter of hours.
TRIES = 20


#: Seconds until a job is looked at whose files go in batches: the conveyor wakes it when they have arrived.
CARRIED_S = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A job, and what is to be stored of it.

    Attributes:
        sends: outputs that are to go in batches.
        wants: (file, input) of inputs that are to come in batches.
        lost: inputs that were ready and are not there any more.
    """

    job: Job
    step: JobStep
    news: tuple[FileNews, ...] = ()
    sends: tuple[File, ...] = ()
    wants: tuple[tuple[FileId, Identity], ...] = ()
    lost: tuple[Input, ...] = ()


class StagingAgent(Agent):
    """Moves jobs from ``waiting`` over ``under_way`` to the end of one kind of staging."""

    waiting: ClassVar[JobState]
    under_way: ClassVar[JobState]
    direction: ClassVar[Direction]

    def run_once(self) -> int:
        """Look at the jobs that are due; return how many changed."""
        now, rows = self.clock.now(), self.house.rows
        with self.database.read() as connection:
            found = jobs.due(connection, self.waiting, now, rows) + jobs.due(connection, self.under_way, now, rows)
            found = jobs.with_files_and_params(connection, found)
        changed = 0
        for queue, group in by_queue(found, lambda job: job.queue).items():
            changed += self._one_queue(queue, group)
        return changed

    def next_due(self) -> float | None:
        """Return when the next job wants looking at."""
        with self.database.read() as connection:
            return jobs.next_due(connection, (self.waiting, self.under_way))

    def _one_queue(self, queue: str, group: Sequence[Job]) -> int:
        plugins = self.house.queues.get(queue)
        if plugins is None or self.waits(queue):
            until = self.waits_until(queue) if plugins is not None else self.clock.now() + self.period_s
            why = None if plugins is not None else f"queue {queue} is no longer configured"
            return self._commit([Answered(job=job, step=self._cancelled(job) or look_again(job, until, why=why)) for job in group])
        if plugins.hops(self.direction):
            return self._commit(self.carried(plugins, group))
        changed = 0
        group = sorted(group, key=lambda job: job.tries)  # one that never works must not stand before all others
        for part in self.in_parallel(group, lambda some: [self.one_job(plugins, job) for job in some]):
            changed += self._commit(part)
        return changed

    def one_job(self, plugins: QueuePlugins, job: Job) -> Answered:
        """Act on one job, and judge the answer."""
        if (cancelled := self._cancelled(job)) is not None:
            return Answered(job=job, step=cancelled)
        if not self.has_work(job):
            return Answered(job=job, step=self.done(job))
        if self.waits(job.queue):
            return Answered(job=job, step=look_again(job, self.waits_until(job.queue)))
        call: Callable[[], Result] = lambda: checked(self.ask(plugins, job), Result)  # noqa: E731
        answer = self.attempt(job.queue, call, _defect)
        if answer is None:
            return Answered(job=job, step=look_again(job, self.waits_until(job.queue)))
        return self._judged(job, answer)

    def _cancelled(self, job: Job) -> JobStep | None:
        return self.cancelled(job) if job.cancel else None

    def _judged(self, job: Job, answer: Result) -> Answered:
        now = self.clock.now()
        match answer:
            case Done():
                return Answered(job=job, step=self.done(job), news=answer.files)
            case Failed():
                return Answered(job=job, step=self.failed(job, answer.why), news=answer.files)
            case Pending():
                if job.state is self.waiting:
                    # The tries go along: a transfer that begins and is lost again and again must end some time.
                    begun = replace(step(job, self.under_way, now, due=now + 1.0), tries=job.tries)
                    return Answered(job=job, step=begun, news=answer.files)
                pause = min(self.period_s, max(1.0, (now - job.changed) / 4.0))
                return Answered(job=job, step=look_again(job, now + pause, why=answer.why), news=answer.files)
            case Retry():
                return self._again(job, answer)

    def _again(self, job: Job, answer: Retry) -> Answered:
        now, tries = self.clock.now(), job.tries + 1
        if tries >= TRIES:
            return Answered(job=job, step=self.failed(job, f"gave up after {tries} tries: {answer.why}"), news=answer.files)
        due = now + self.pause_s(tries)
        back = JobStep(
            job_id=job.id, before=job.state, after=self.waiting, due=due, tries=tries, why=answer.why, outcome=job.outcome
        )
        return Answered(job=job, step=back, news=answer.files)

    def _commit(self, answered: Sequence[Answered]) -> int:
        if not answered:
            return 0
        with self.database.write() as write:
            jobs.take_file_news(write, [news for one in answered for news in one.news])
            for one in answered:
                if one.sends:
                    parcels.send(write, one.job.queue, one.sends)
                for file_id, identity in one.wants:
                    inputs.want(write, one.job.queue, one.job.id, file_id, identity)
                for lost in one.lost:
                    inputs.lost(write, one.job.queue, one.job.id, lost)
            jobs.make(write, [one.step for one in answered])
            self.mend(write, [one.job.id for one in answered])
        self.house.reached(f"{self.name} committed")
        return sum(one.step.after is not one.step.before for one in answered)

    def mend(self, write: Write, ids: Sequence[JobId]) -> None:
        """Set right what happened between a look at jobs that wait for the conveyor, and the commit of that look."""
        parcels.wake_settled(write, ids)

    @abstractmethod
    def carried(self, plugins: QueuePlugins, group: Sequence[Job]) -> list[Answered]:
        """Act on jobs whose files go in batches: the conveyor moves them, and wakes the jobs."""

    @abstractmethod
    def ask(self, plugins: QueuePlugins, job: Job) -> Result:
        """Trigger the staging, or ask how it goes on."""

    @abstractmethod
    def has_work(self, job: Job) -> bool:
        """Tell whether the job has files to move."""

    @abstractmethod
    def done(self, job: Job) -> JobStep:
        """Return the step after complete staging."""

    @abstractmethod
    def failed(self, job: Job, why: str) -> JobStep:
        """Return the step after staging that will never work."""

    @abstractmethod
    def cancelled(self, job: Job) -> JobStep | None:
        """Return the step of a job that is to be cancelled; None to go on as if it were not."""


def _defect(error: Exception) -> Result:
    """A plugin that cannot bear a job: one try without success of this job, and its queue waits."""
    return Retry(why=f"defect in the plugin: {type(error).__name__}: {error}")
