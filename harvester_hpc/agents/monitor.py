"""The monitor: looks at workers in the batch system, and judges jobs when their worker has ended."""
from __future__ import annotations

import logging
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harvester_hpc.agents.access_point import letters_in, point_of
from harvester_hpc.agents.base import Agent, by_queue, next_look
from harvester_hpc.agents.event_news import store_event_news, take_back_ranges
from harvester_hpc.agents.shared_jobs import goes_on, judged_together
from harvester_hpc.messenger.values import News
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import WITH_ITS_WORKER_S, Job, JobState, JobStep, Outcome, look_again, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import MONITOR, SUBMITTER
from harvester_hpc.model.worker import ENDS, MapType, Worker, WorkerState, WorkerStep
from harvester_hpc.policy.patience import FILES_S, is_given_up, letters_patience_s, reason_to_kill
from harvester_hpc.policy.shared_job import state_of
from harvester_hpc.policy.verdict import verdict, verdict_of_one
from harvester_hpc.ports.batch import Seen, Sight, Unseen
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import event as events
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write

log = logging.getLogger(__name__)

#: Seconds after which an ended worker is swept if its queue does not say (by end state).
KEEP_S = 24 * 3600.0
#: States of a job that has a worker; its row is due only when the job is to end.
BOUND = (JobState.SUBMITTED, JobState.RUNNING)
#: Seconds until the letters of an ended worker are looked for again: at first, and when they should be there long since.
SOON_S = 2.0
LETTERS_S = 30.0
#: Seconds until a worker whose end could not be stored is looked at again.
UNSTORABLE_S = 60.0
#: How early a worker may be looked at, so that many share one call to the batch system.
EARLY_S = 1.0


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


class MonitorAgent(Agent):
    """submitted, running -> finished, failed, cancelled; and with the worker its jobs."""

    name = MONITOR

    def run_once(self) -> int:
        """Look at the workers that are due, with one call a monitor plugin; return how many changed."""
        cancelled = self._end_cancelled()
        now = self.clock.now() + EARLY_S
        with self.database.read() as connection:
            found = [
                worker
                for state in (WorkerState.SUBMITTED, WorkerState.RUNNING)
                for worker in workers.due(connection, state, now, self.house.rows)
            ]
        if not any((worker.due or 0.0) <= now - EARLY_S for worker in found):
            return cancelled
        return cancelled + sum(self._one_queue(name, group) for name, group in by_queue(found, lambda worker: worker.queue).items())

    def next_due(self) -> float | None:
        """Return when the next worker wants looking at."""
        with self.database.read() as connection:
            times = [workers.next_due(connection, (WorkerState.SUBMITTED, WorkerState.RUNNING)), jobs.next_due(connection, BOUND)]
        return min((time for time in times if time is not None), default=None)

    def _one_queue(self, name: str, group: Sequence[Worker]) -> int:
        plugins = self.house.queues.get(name)
        if plugins is None or self.waits(name):
            self._look_again(group, self.waits_until(name) if plugins else self.clock.now() + self.period_s)
            return 0
        pairs = self.attempt_each(name, group, lambda: plugins.monitor.check_workers(group), Sight)
        if pairs is None:
            self._look_again(group, self.waits_until(name))
            return 0
        self.house.reached("workers checked")
        ended = [(worker, seen) for worker, seen in pairs if isinstance(seen, Seen) and seen.state in ENDS]
        going_on = [(worker, sight) for worker, sight in pairs if not (isinstance(sight, Seen) and sight.state in ENDS)]
        changed = self._take_changes(plugins.queue, going_on)
        return changed + self._take_ends(plugins, ended)

    def _look_again(self, group: Sequence[Worker], due: float) -> None:
        with self.database.write() as write:
            workers.look_again(write, [worker.id for worker in group], due)

    # -- jobs that are to end, and their workers are not ------------------------------------------

    def _end_cancelled(self) -> int:
        """End cancelled jobs whose worker has others: by a fence if they were not begun, else by a letter."""
        now = self.clock.now()
        with self.database.read() as connection:
            found = [job for state in BOUND for job in jobs.due(connection, state, now, self.house.rows)]
            last = workers.latest_of_jobs(connection, [job.id for job in found])
            by_number = workers.by_ids(connection, {number for number, _, _ in last.values()})
        steps = [self._end_one(job, by_number.get(last[job.id][0]) if job.id in last else None) for job in found]
        if steps:
            with self.database.write() as write:
                jobs.make(write, steps)
        return sum(one.after is not one.before for one in steps)

    def _end_one(self, job: Job, worker: Worker | None) -> JobStep:
        now = self.clock.now()
        with_its_worker = look_again(job, now + WITH_ITS_WORKER_S)
        plugins = self.house.queues.get(job.queue)
        if not job.cancel or worker is None or worker.map_type is not MapType.MANY_TO_ONE or worker.kill or plugins is None:
            return with_its_worker
        if worker.state not in (WorkerState.SUBMITTED, WorkerState.RUNNING):
            return look_again(job, now + self.period_s)
        point = point_of(worker, plugins.queue, self.house.instance)
        try:
            if plugins.messenger.fence_job(point, job.id):
                return step(job, JobState.CANCELLED, now, why=job.cancel, outcome=Outcome.CANCELLED)
            plugins.messenger.end_job(point, job.id)
        except OSError as error:
            log.warning("a job cannot be ended yet job=%s worker=%s why=%s", job.id, worker.id, error)
            return look_again(job, now + SOON_S)
        return with_its_worker

    # -- workers that go on -----------------------------------------------------------------------

    def _take_changes(self, queue: Queue, pairs: Sequence[tuple[Worker, Sight]]) -> int:
        if not pairs:
            return 0
        now = self.clock.now()
        same: dict[float, list[int]] = {}
        steps: list[WorkerStep] = []
        given_up: list[Worker] = []
        for worker, sight in pairs:
            due = next_look(self.house.queues[queue.name], worker, now)
            match sight:
                case Unseen() if sight.gone and is_given_up(worker, now):
                    given_up.append(worker)
                case Unseen():
                    pass
                case Seen() if _is_news(worker, sight):
                    steps.append(_changed(worker, sight, due, now))
                case Seen():
                    same.setdefault(due, []).append(worker.id)
        with self.database.write() as write:
            for due, ids in same.items():
                workers.look_again(write, ids, due)
            for worker, sight in pairs:
                if isinstance(sight, Unseen):
                    self._note_unseen(write, worker, sight, next_look(self.house.queues[queue.name], worker, now))
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
        """A worker that starts, or is requeued, takes its job along; of many jobs each begins by itself, and only once."""
        moved = {one.worker_id: one.after for one in steps if one.before is not one.after}
        for one in workers.by_ids(write.connection, moved).values():
            if one.map_type is MapType.MANY_TO_ONE:
                del moved[one.id]
        if not moved:
            return
        load = {job.id: job for group in jobs.of_workers(write.connection, moved).values() for job in group}
        states = workers.states_of_jobs(write.connection, load)
        jobs.make(write, [
            step(job, wanted, write.now, due=write.now + WITH_ITS_WORKER_S)
            for job in load.values()
            if job.state in BOUND and (wanted := state_of(states[job.id])) is not None and job.state is not wanted
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
        for part in self.in_parallel(ended, lambda some: self._collect(plugins, some)):
            stored = self._store_ends(plugins.queue, part)
            for one in stored:
                plugins.messenger.acknowledge(one.news)
            changed += len(stored)
        return changed

    def _collect(self, plugins: QueuePlugins, some: Sequence[tuple[Worker, Seen]]) -> list[Ended]:
        """Return the ends that can be judged now, with one look into the store for the jobs of all of them."""
        heard = [(worker, seen, news) for worker, seen in some if (news := self._last_news(plugins, worker, seen)) is not None]
        with self.database.read() as connection:
            load = jobs.of_workers(connection, [worker.id for worker, _, _ in heard])
            every = jobs.with_files(connection, [job for group in load.values() for job in group])
            whole = {job.id: job for job in jobs.with_attributes(connection, every)}
        ended = []
        for worker, seen, news in heard:
            mine = [whole[job.id] for job in load[worker.id]]
            free = self._fenced(plugins, worker, mine, news)
            if free is None:
                self._look_again([worker], self.clock.now() + SOON_S)
                continue
            ended.append(Ended(worker=worker, seen=seen, news=news, jobs=tuple(_as_declared(job, news) for job in mine), free=free))
        return ended

    def _last_news(self, plugins: QueuePlugins, worker: Worker, seen: Seen) -> News | None:
        """Return the last letters; None if they are not all visible yet and there is time to wait for them."""
        now = self.clock.now()
        ended = seen.ended or worker.gone or worker.changed
        late = now - ended > FILES_S
        news = self._letters(plugins, worker, last=late)
        if isinstance(news, News) and not news.waiting and not late:
            news = self._letters(plugins, worker, last=True)
        if isinstance(news, OSError) and now - ended > letters_patience_s(news):
            news = News()
        if not isinstance(news, News) or (news.waiting and not late):
            pause = LETTERS_S if late else min(LETTERS_S, max(SOON_S, (now - ended) / 4.0))
            self._look_again([worker], max(now + pause, self.waits_until(worker.queue)))
            return None
        return news

    def _fenced(self, plugins: QueuePlugins, worker: Worker, load: Sequence[Job], news: News) -> frozenset[int] | None:
        """Return the jobs of many that nobody has begun, after making sure that nobody will; None if it cannot be told now."""
        if worker.map_type is not MapType.MANY_TO_ONE:
            return frozenset()
        point = point_of(worker, plugins.queue, self.house.instance)
        told = news.begun | set(news.job_status) | {file.job_id for file in news.files}
        try:
            return frozenset(
                job.id for job in load
                if job.state is JobState.SUBMITTED and job.id not in told and plugins.messenger.fence_job(point, job.id)
            )
        except OSError as error:
            log.warning("jobs cannot be fenced worker=%s access_point=%s why=%s", worker.id, worker.access_point, error)
            return None

    def _letters(self, plugins: QueuePlugins, worker: Worker, *, last: bool) -> News | OSError | None:
        """Return the worker's letters; the error if its access point cannot be read; None after a defect of the messenger."""
        point = point_of(worker, plugins.queue, self.house.instance)
        return self.attempt(worker.queue, lambda: letters_in(plugins.messenger, point, last=last))

    def _store_ends(self, queue: Queue, ended: Sequence[Ended]) -> Sequence[Ended]:
        """Store all of them in one transaction, or, if one cannot be stored, each by itself; return those that are stored."""
        if not ended:
            return ()
        now = self.clock.now()
        try:
            with self.database.write() as write:
                for one in ended:
                    self._store_end(write, queue, one, now)
        except (ValueError, OverflowError, RecursionError, sqlite3.Error) as error:
            if len(ended) > 1:
                return [stored for one in ended for stored in self._store_ends(queue, [one])]
            log.error("the end of a worker cannot be stored worker=%s why=%s: %s", ended[0].worker.id, type(error).__name__, error)
            self._look_again([ended[0].worker], now + UNSTORABLE_S)
            return ()
        self.house.reached("ends stored")
        for one in ended:
            log.info(
                "ended worker=%s batch=%s state=%s exit=%s native=%s why=%s", one.worker.id, one.worker.batch_id, one.seen.state,
                one.seen.exit_code, one.seen.native_status, one.seen.why or "-",
            )
        return ended

    def _store_end(self, write: Write, queue: Queue, one: Ended, now: float) -> None:
        worker, seen, news = one.worker, one.seen, one.news
        keep = (queue.keep_s or {}).get(seen.state, KEEP_S)
        stale = workers.make(write, [replace(_changed(worker, seen, now + keep, now), ended=seen.ended or now)])
        if stale:
            return
        one = replace(one, jobs=_as_of_now(write, one.jobs))
        own = frozenset(worker.job_ids)
        jobs.declare(write, [file for file in news.files if file.job_id in own and file.kind in (FileKind.OUTPUT, FileKind.LOG)])
        jobs.set_attributes(write, {job_id: told for job_id, told in news.attributes.items() if job_id in own})
        for bad in news.bad:
            log.warning("bad letter worker=%s file=%s why=%s", worker.id, bad.path, bad.why)
        store_event_news(write, worker, news, runs_on=False)
        take_back_ranges(write, worker)
        begun = [job for job in one.jobs if job.id not in one.free]
        is_shared = worker.map_type is MapType.ONE_TO_MANY
        states = workers.states_of_jobs(write.connection, [job.id for job in begun]) if is_shared else {}
        for job in begun:
            if job.state in BOUND:
                self._end_job(write, queue, one, job, states.get(job.id, ()))
            else:
                jobs.give_up_files(write, job.id, FileState.EXPECTED, "the worker ended without it")
        self._give_back(write, queue, one, worked=bool(news.begun or news.job_status))

    def _give_back(self, write: Write, queue: Queue, one: Ended, *, worked: bool) -> None:
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

    def _end_job(self, write: Write, queue: Queue, one: Ended, job: Job, states: Sequence[WorkerState]) -> None:
        """Judge a job, unless another worker of it lives, or is to come."""
        standing = state_of(states)
        if standing is not None:
            if standing is not job.state:
                jobs.make(write, [step(job, standing, write.now, due=write.now + WITH_ITS_WORKER_S)])
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


def _changed(worker: Worker, seen: Seen, due: float, now: float) -> WorkerStep:
    starts = seen.state is not WorkerState.SUBMITTED and (worker.started is None or worker.state is WorkerState.SUBMITTED)
    is_requeued = seen.state is WorkerState.SUBMITTED and worker.state is WorkerState.RUNNING
    return WorkerStep(
        worker_id=worker.id, before=worker.state, after=seen.state, due=due, batch_id=seen.batch_id or None,
        native_status=seen.native_status or None, node=seen.node or None, exit_code=seen.exit_code, why=seen.why or None,
        submitted=now if is_requeued else None,  # it waits anew: the time limit of the queue begins again
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


def _as_of_now(write: Write, load: Sequence[Job]) -> tuple[Job, ...]:
    """Return the jobs in the states that they have by now: the messenger may have moved one of many since the letters were read."""
    present = jobs.by_ids(write.connection, [job.id for job in load])
    return tuple(replace(job, state=now.state, cancel=now.cancel) for job in load if (now := present.get(job.id)) is not None)


def _defined(file: File) -> File:
    return replace(file, state=FileState.DEFINED)


def _given_back(job: Job, queue: Queue, seen: Seen, now: float, *, worked: bool) -> JobStep:
    if job.cancel:
        return step(job, JobState.CANCELLED, now, why=job.cancel, outcome=Outcome.CANCELLED)
    reason = seen.why or seen.native_status or seen.state
    if not worked and job.submissions >= queue.max_submissions:
        why = f"{job.submissions} workers ended without having begun it; the last one: {reason}"
        return step(job, JobState.FAILED, now, why=why, outcome=Outcome.FAILED)
    return step(job, JobState.PREPARED, now, why=f"not begun in its last worker: {reason}")


def _judged(job: Job, ended: Ended, now: float) -> JobStep:
    judge = verdict_of_one if ended.worker.map_type is MapType.MANY_TO_ONE else verdict
    outcome, why = judge(job, ended.seen, ended.news.job_status.get(job.id), job.attributes, job.files)
    if outcome is not Outcome.FINISHED:
        log.info("job did not finish job=%s worker=%s outcome=%s why=%s", job.id, ended.worker.id, outcome, why)
    return step(job, JobState.TO_TRANSFER, now, why=why, outcome=outcome)
