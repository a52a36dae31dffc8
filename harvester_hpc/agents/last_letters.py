"""The last letters of workers that have ended, and which of their jobs nobody has begun."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from harvester_hpc.agents.access_point import letters_in, point_of
from harvester_hpc.agents.after_workers import AfterWorkers
from harvester_hpc.agents.base import Agent
from harvester_hpc.messenger.values import News
from harvester_hpc.model.file import FileState
from harvester_hpc.model.job import Job, JobState
from harvester_hpc.model.worker import MapType, Worker
from harvester_hpc.policy.patience import FILES_S, letters_patience_s
from harvester_hpc.ports.batch import Seen
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers

log = logging.getLogger(__name__)

#: Seconds until the letters of an ended worker are looked for again: at first, and when they should be there long since.
SOON_S = 2.0
LETTERS_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A worker that has ended, its last letters, and its jobs with their files after these letters.

    Attributes:
        free: jobs of many that no launcher has begun or ever will.
    """

    worker: Worker
    seen: Seen
    news: News
    jobs: tuple[Job, ...]
    free: frozenset[int] = frozenset()


class LastLetters:
    """Reads what ended workers have left; changes nothing in the store but when they are looked at again."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.after = AfterWorkers(agent)

    def collect(self, plugins: QueuePlugins, some: Sequence[tuple[Worker, Seen]]) -> list[Ended]:
        """Return the ends that can be judged now, with one look into the store for the jobs of all of them."""
        heard = [(worker, seen, news) for worker, seen in some if (news := self._last_news(plugins, worker, seen)) is not None]
        with self.agent.database.read() as connection:
            load = jobs.of_workers(connection, [worker.id for worker, _, _ in heard])
            every = jobs.with_files_and_attributes(connection, [job for group in load.values() for job in group])
        whole = {job.id: job for job in every}
        ended = []
        for worker, seen, news in heard:
            mine = [whole[job.id] for job in load[worker.id]]
            declared = tuple(_as_declared(job, news) for job in mine)
            if not self.after.is_through(plugins, worker, seen, declared, news):
                self._look_again(worker, self.agent.clock.now() + self._pause_s(worker, seen))
                continue
            free = self._fenced(plugins, worker, seen, mine, news)
            if free is None:
                self._look_again(worker, self.agent.clock.now() + SOON_S)
                continue
            ended.append(Ended(worker=worker, seen=seen, news=news, jobs=declared, free=free))
        return ended

    def _last_news(self, plugins: QueuePlugins, worker: Worker, seen: Seen) -> News | None:
        """Return the last letters; None if they are not all visible yet and there is time to wait for them."""
        now = self.agent.clock.now()
        ended = seen.ended or worker.gone or worker.changed
        late = now - ended > FILES_S
        news = self._letters(plugins, worker, last=late)
        if isinstance(news, News) and not news.waiting and not late:
            news = self._letters(plugins, worker, last=True)
        if isinstance(news, OSError) and now - ended > letters_patience_s(news):
            news = News()
        if not isinstance(news, News) or (news.waiting and not late):
            pause = LETTERS_S if late else min(LETTERS_S, max(SOON_S, (now - ended) / 4.0))
            self._look_again(worker, max(now + pause, self.agent.waits_until(worker.queue)))
            return None
        return news

    def _pause_s(self, worker: Worker, seen: Seen) -> float:
        ended = seen.ended or worker.gone or worker.changed
        return min(LETTERS_S, max(SOON_S, (self.agent.clock.now() - ended) / 4.0))

    def _fenced(
        self, plugins: QueuePlugins, worker: Worker, seen: Seen, load: Sequence[Job], news: News
    ) -> frozenset[int] | None:
        """Return the jobs that nobody has begun, after making sure that nobody will; None if it cannot be told now."""
        point = point_of(worker, plugins.queue, self.agent.house.instance)
        told = news.begun | set(news.job_status) | {file.job_id for file in news.files}
        try:
            # A batch job that the batch system has lost may come back, and would burn its allocation for nobody.
            never_begun = worker.gone is not None and seen.exit_code is None and plugins.messenger.fence(point)
            if not worker.begins_one_by_one:
                return _free_with_worker(worker, load, told) if never_begun else frozenset()
            return frozenset(
                job.id for job in load
                if job.state is JobState.SUBMITTED and job.id not in told and plugins.messenger.fence_job(point, job.id)
            )
        except OSError as error:
            log.warning("worker or jobs cannot be fenced worker=%s access_point=%s why=%s", worker.id, worker.access_point, error)
            return None

    def _letters(self, plugins: QueuePlugins, worker: Worker, *, last: bool) -> News | OSError | None:
        """Return the worker's letters; the error if its access point cannot be read; None after a defect of the messenger."""
        point = point_of(worker, plugins.queue, self.agent.house.instance)
        return self.agent.attempt(worker.queue, lambda: letters_in(plugins.messenger, point, last=last), ends_trouble=False)

    def _look_again(self, worker: Worker, due: float) -> None:
        with self.agent.database.write() as write:
            workers.look_again(write, [worker.id], due)


def _free_with_worker(worker: Worker, load: Sequence[Job], told: AbstractSet[int]) -> frozenset[int]:
    """Return the jobs of a worker that has never begun; one that is to be killed takes them along, a shared job has others."""
    if worker.kill or worker.map_type is not MapType.ONE_TO_ONE:
        return frozenset()
    return frozenset(job.id for job in load if job.state is JobState.SUBMITTED and job.id not in told)


def _as_declared(job: Job, news: News) -> Job:
    """Return the job with its files as the worker's last letters declare them."""
    declared = {file.lfn for file in news.files if file.job_id == job.id}
    if not declared and job.id not in news.attributes:
        return job
    files = tuple(
        replace(file, state=FileState.DEFINED) if file.lfn in declared and file.state is FileState.EXPECTED else file for file in job.files
    )
    return replace(job, files=files, attributes=news.attributes.get(job.id, job.attributes))
