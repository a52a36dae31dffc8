"""The monitor: looks at workers in the batch system, and judges jobs when their worker has ended."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harvester_hpc.agents.access_point import point_of
from harvester_hpc.agents.base import Agent, by_queue
from harvester_hpc.agents.event_news import store_event_news, take_back_ranges
from harvester_hpc.agents.shared_jobs import goes_on, judged_together
from harvester_hpc.messenger.values import News
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobState, JobStep, Outcome, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import MONITOR, SUBMITTER
from harvester_hpc.model.worker import ENDS, MapType, Worker, WorkerState, WorkerStep
from harvester_hpc.policy.patience import FILES_S, is_given_up, next_look_s, reason_to_kill
from harvester_hpc.policy.shared_job import state_of
from harvester_hpc.policy.verdict import verdict
from harvester_hpc.ports.batch import Seen, Sight, Unseen
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import event as events
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write

log = logging.getLogger(__name__)

#: Seconds after which an ended worker is swept if its queue does not say (by end state).
KEEP_S = 24 * 3600.0
#: Seconds; a job whose worker lives is looked at when its worker's row says so.
FAR_S = 10 * 365 * 86400.0
#: How early a worker may be looked at, so that many share one call to the batch system.
EARLY_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A worker that has ended, its last letters, and its jobs with their files after these letters."""

    worker: Worker
    seen: Seen
    news: News
    jobs: tuple[Job, ...]


class MonitorAgent(Agent):
    """submitted, running -> finished, failed, cancelled; and with the worker its jobs."""

    name = MONITOR

    def run_once(self) -> int:
        """Look at the workers that are due, with one call a monitor plugin; return how many changed."""
        now = self.clock.now() + EARLY_S
        with self.database.read() as connection:
            found = [
                worker
                for state in (WorkerState.SUBMITTED, WorkerState.RUNNING)
                for worker in workers.due(connection, state, now, self.house.rows)
            ]
        if not any((worker.due or 0.0) <= now - EARLY_S for worker in found):
            return 0
        return sum(self._one_queue(name, group) for name, group in by_queue(found, lambda worker: worker.queue).items())

    def next_due(self) -> float | None:
        """Return when the next worker wants looking at."""
        with self.database.read() as connection:
            return workers.next_due(connection, (WorkerState.SUBMITTED, WorkerState.RUNNING))

    def _one_queue(self, name: str, group: Sequence[Worker]) -> int:
        plugins = self.house.queues.get(name)
        if plugins is None or self.waits(name):
            self._look_again(group, self.waits_until(name) if plugins else self.clock.now() + self.period_s)
            return 0
        sights = self.attempt(name, lambda: plugins.monitor.check_workers(group))
        if sights is None:
            self._look_again(group, self.waits_until(name))
            return 0
        self.house.reached("workers checked")
        pairs = list(zip(group, sights, strict=True))
        ended = [(worker, seen) for worker, seen in pairs if isinstance(seen, Seen) and seen.state in ENDS]
        going_on = [(worker, sight) for worker, sight in pairs if not (isinstance(sight, Seen) and sight.state in ENDS)]
        changed = self._take_changes(plugins.queue, going_on)
        return changed + self._take_ends(plugins, ended)

    def _look_again(self, group: Sequence[Worker], due: float) -> None:
        with self.database.write() as write:
            workers.look_again(write, [worker.id for worker in group], due)

    # -- workers that go on -----------------------------------------------------------------------

    def _take_changes(self, queue: Queue, pairs: Sequence[tuple[Worker, Sight]]) -> int:
        if not pairs:
            return 0
        now = self.clock.now()
        same: dict[float, list[int]] = {}
        steps: list[WorkerStep] = []
        given_up: list[Worker] = []
        for worker, sight in pairs:
            due = now + next_look_s(worker, queue.poll_s, now)
            match sight:
                case Unseen() if sight.gone and is_given_up(worker, now):
                    given_up.append(worker)
                case Unseen():
                    pass
                case Seen() if _is_news(worker, sight):
                    steps.append(_changed(worker, sight, due))
                case Seen():
                    same.setdefault(round(due, 1), []).append(worker.id)
        with self.database.write() as write:
            for due, ids in same.items():
                workers.look_again(write, ids, due)
            for worker, sight in pairs:
                if isinstance(sight, Unseen):
                    self._note_unseen(write, worker, sight, now + next_look_s(worker, queue.poll_s, now))
            stale = set(workers.make(write, steps))
            self._move_jobs(write, [one for one in steps if one.worker_id not in stale])
            self._enforce_limits(write, queue, [worker for worker, _ in pairs])
        plugins = self.house.queues[queue.name]
        return len(steps) + self._take_ends(plugins, [(worker, _lost(worker)) for worker in given_up])

    def _note_unseen(self, write: Write, worker: Worker, sight: Unseen, due: float) -> None:
        if sight.gone:
            workers.gone(write, worker.id, sight.why, due)
            return
        workers.look_again(write, [worker.id], due)

    def _move_jobs(self, write: Write, steps: Sequence[WorkerStep]) -> None:
        """A worker that starts, or is requeued, takes its jobs along."""
        moved = {one.worker_id: one.after for one in steps if one.before is not one.after}
        if not moved:
            return
        load = {job.id: job for group in jobs.of_workers(write.connection, moved).values() for job in group}
        states = workers.states_of_jobs(write.connection, load)
        far = write.now + FAR_S
        jobs.make(write, [
            step(job, wanted, write.now, due=far)
            for job in load.values()
            if job.state in (JobState.SUBMITTED, JobState.RUNNING)
            and (wanted := state_of(states[job.id])) is not None and job.state is not wanted
        ])
        requeued = [worker_id for worker_id, after in moved.items() if after is WorkerState.SUBMITTED]
        for worker in workers.by_ids(write.connection, requeued).values():
            take_back_ranges(write, worker)

    def _enforce_limits(self, write: Write, queue: Queue, group: Sequence[Worker]) -> None:
        """Mark those that wait too long; who is silent while it runs is for the messenger to judge, who reads the letters."""
        for worker in group:
            why = reason_to_kill(worker, queue, write.now) if worker.state is WorkerState.SUBMITTED else ""
            if why and workers.kill(write, worker.id, why):
                log.warning("is to be killed worker=%s batch=%s why=%s", worker.id, worker.batch_id, why)

    # -- workers that have ended ------------------------------------------------------------------

    def _take_ends(self, plugins: QueuePlugins, ended: Sequence[tuple[Worker, Seen]]) -> int:
        if not ended:
            return 0
        changed = 0
        for part in self.in_parallel(ended, lambda some: [self._collect(plugins, *one) for one in some]):
            complete = [one for one in part if one is not None]
            self._store_ends(plugins.queue, complete)
            for one in complete:
                plugins.messenger.acknowledge(one.news)
            changed += len(complete)
        return changed

    def _collect(self, plugins: QueuePlugins, worker: Worker, seen: Seen) -> Ended | None:
        """Read the last letters; None if they are not all visible yet and there is time to wait for them."""
        now = self.clock.now()
        ended = seen.ended or worker.gone or worker.changed
        late = now - ended > FILES_S
        news = self._letters(plugins, worker, last=late)
        if news is not None and not news.waiting and not late:
            news = self._letters(plugins, worker, last=True)
        if news is None and late:
            news = News()
        if news is None or (news.waiting and not late):
            self._look_again([worker], now + 2.0)
            return None
        with self.database.read() as connection:
            load = jobs.with_files(connection, jobs.of_workers(connection, [worker.id])[worker.id])
            load = jobs.with_attributes(connection, load)
        return Ended(worker=worker, seen=seen, news=news, jobs=tuple(_as_declared(job, news) for job in load))

    def _letters(self, plugins: QueuePlugins, worker: Worker, *, last: bool) -> News | None:
        """Return the worker's letters; None if its access point cannot be read: the trouble of one worker, not of its queue."""
        point = point_of(worker, plugins.queue, self.house.instance)
        try:
            return plugins.messenger.collect(point, last=last)
        except OSError as error:
            log.warning("letters cannot be read worker=%s access_point=%s why=%s", worker.id, worker.access_point, error)
            return None

    def _store_ends(self, queue: Queue, ended: Sequence[Ended]) -> None:
        if not ended:
            return
        now = self.clock.now()
        with self.database.write() as write:
            for one in ended:
                self._store_end(write, queue, one, now)
        self.house.reached("ends stored")
        for one in ended:
            log.info(
                "ended worker=%s batch=%s state=%s exit=%s native=%s why=%s", one.worker.id, one.worker.batch_id, one.seen.state,
                one.seen.exit_code, one.seen.native_status, one.seen.why or "-",
            )

    def _store_end(self, write: Write, queue: Queue, one: Ended, now: float) -> None:
        worker, seen, news = one.worker, one.seen, one.news
        keep = (queue.keep_s or {}).get(seen.state, KEEP_S)
        stale = workers.make(write, [replace(_changed(worker, seen, now + keep), ended=seen.ended or now)])
        if stale:
            return
        own = frozenset(worker.job_ids)
        jobs.declare(write, [file for file in news.files if file.job_id in own and file.kind in (FileKind.OUTPUT, FileKind.LOG)])
        jobs.set_attributes(write, {job_id: told for job_id, told in news.attributes.items() if job_id in own})
        for bad in news.bad:
            log.warning("bad letter worker=%s file=%s why=%s", worker.id, bad.path, bad.why)
        store_event_news(write, worker, news, runs_on=False)
        take_back_ranges(write, worker)
        states = workers.states_of_jobs(write.connection, [job.id for job in one.jobs])
        for job in one.jobs:
            if job.state in (JobState.SUBMITTED, JobState.RUNNING):
                self._end_job(write, queue, one, job, states[job.id])

    def _end_job(self, write: Write, queue: Queue, one: Ended, job: Job, states: Sequence[WorkerState]) -> None:
        """Judge a job, unless another worker of it lives, or is to come."""
        standing = state_of(states)
        if standing is not None:
            if standing is not job.state:
                jobs.make(write, [step(job, standing, write.now, due=write.now + FAR_S)])
            return
        if goes_on(write.connection, queue, job, states):
            write.ring(SUBMITTER)
            return
        judged = judged_together(job, one.seen, states, write.now) if one.worker.map_type is MapType.ONE_TO_MANY else None
        jobs.make(write, [judged or _judged(job, one, write.now)])
        events.end_of_job(write, job.id, wanted=not job.cancel)
        jobs.give_up_files(write, job.id, FileState.EXPECTED, "the worker ended without it")


def _is_news(worker: Worker, seen: Seen) -> bool:
    return (
        seen.state is not worker.state
        or (seen.native_status != "" and seen.native_status != worker.native_status)
        or (seen.batch_id not in ("", worker.batch_id))
        or worker.gone is not None
    )


def _changed(worker: Worker, seen: Seen, due: float) -> WorkerStep:
    starts = seen.state is not WorkerState.SUBMITTED and worker.started is None
    return WorkerStep(
        worker_id=worker.id, before=worker.state, after=seen.state, due=due, batch_id=seen.batch_id or None,
        native_status=seen.native_status or None, node=seen.node or None, exit_code=seen.exit_code, why=seen.why or None,
        started=(seen.started or (seen.ended if seen.state in ENDS else None)) if starts else None,
    )


def _lost(worker: Worker) -> Seen:
    return Seen(
        state=WorkerState.FAILED, native_status=worker.native_status,
        why=f"left the batch system without a trace ({worker.why or 'no record of its end'})",
    )


def _as_declared(job: Job, news: News) -> Job:
    """Return the job with its files as the worker's last letters declare them."""
    declared = {file.lfn: file for file in news.files if file.job_id == job.id}
    files = tuple(_defined(file) if file.lfn in declared and file.state is FileState.EXPECTED else file for file in job.files)
    return replace(job, files=files, attributes=news.attributes.get(job.id, job.attributes))


def _defined(file: File) -> File:
    return replace(file, state=FileState.DEFINED)


def _judged(job: Job, ended: Ended, now: float) -> JobStep:
    outcome, why = verdict(job, ended.seen, ended.news.job_status.get(job.id), job.attributes, job.files)
    if outcome is not Outcome.FINISHED:
        log.info("job did not finish job=%s worker=%s outcome=%s why=%s", job.id, ended.worker.id, outcome, why)
    return step(job, JobState.TO_TRANSFER, now, why=why, outcome=outcome)
