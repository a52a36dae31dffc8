"""The submitter: plans workers, stores the intent, and hands them to the batch system exactly once."""
from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from harvester_hpc.agents.access_point import highest_number, is_any_there, place, point_of
from harvester_hpc.agents.base import Agent, Surroundings, by_queue, checked, next_look
from harvester_hpc.agents.fitting import fitted
from harvester_hpc.agents.shared_jobs import end_abandoned, more_workers, open_jobs
from harvester_hpc.model.file import FileKind
from harvester_hpc.model.job import Job, JobId, JobState, JobStep, Outcome, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import SUBMITTER
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState, WorkerStep, submit_key
from harvester_hpc.policy.chunks import chunks_of
from harvester_hpc.policy.event_feeding import prefetched
from harvester_hpc.policy.packing import workers_to_make
from harvester_hpc.policy.shared_job import ALIVE
from harvester_hpc.ports.batch import Busy, Lookup, NotThere, Refused, Submission, Submitted, Uncertain
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import event as events
from harvester_hpc.store import event_request as requests
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write
from harvester_hpc.store.worker import Intent

log = logging.getLogger(__name__)

#: Seconds after which an uncertain submission is looked up again for the first time.
LOOKUP_S = 2.0
#: Seconds after which a worker that is to be killed before its submission, and has claimed its access point, is looked up again.
UNFENCED_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """A worker, its step, and the steps of its jobs."""

    worker: WorkerStep
    jobs: tuple[JobStep, ...] = ()


class SubmitterAgent(Agent):
    """prepared jobs -> planned workers -> submitted workers.

    A planned worker that is not of this very round may or may not be in the batch system (a crash, a time-out):
    it is looked up before anything is submitted.
    """

    name = SUBMITTER

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._noes: dict[str, int] = {}
        self._full_at: dict[str, float | None] = {}

    def run_once(self) -> int:
        """Settle uncertain workers, then make new ones; return how many things changed."""
        now = self.clock.now()
        with self.database.read() as connection:
            planned = workers.due(connection, WorkerState.PLANNED, now, self.house.rows)
        changed = self._cancel()
        for name, group in by_queue(planned, lambda worker: worker.queue).items():
            plugins = self.house.queues.get(name)
            if plugins is None or self.waits(name):
                self._postpone(group, self.waits_until(name) if plugins else now + self.period_s)
                continue
            changed += self._settle(plugins, group)
        return changed + sum(self._make(plugins) for plugins in self.house.queues.values())

    def next_due(self) -> float | None:
        """Return when the next planned worker is looked up, or a waiting queue may be served again."""
        with self.database.read() as connection:
            times = [workers.next_due(connection, (WorkerState.PLANNED,))]
        times += self._full_at.values()
        times += [self.waits_until(name) for name in self.house.queues if self.waits(name)]
        return min((time for time in times if time is not None), default=None)

    # -- new workers ------------------------------------------------------------------------------

    def _make(self, plugins: QueuePlugins) -> int:
        queue = plugins.queue
        self._full_at.pop(queue.name, None)
        ended = self._end_abandoned(queue)
        with self.database.read() as connection:
            prepared = jobs.pick(connection, queue.name, self.house.rows) + self._shared(connection, plugins)
            room = workers_to_make(queue, workers.queue_counts(connection, queue.name), self.house.rows) if prepared else 0
        if not prepared:
            self._forget_noes(queue)
        wanted = [job for job in prepared if not job.cancel]
        if not wanted or not room or self.waits(queue.name):
            return ended
        planned = self.attempt(queue.name, lambda: self._intend(plugins, wanted, room))
        if not planned:
            return ended
        self.house.reached("intent stored")
        return ended + len(planned) + self._hand_over(plugins, planned)

    def _shared(self, connection: sqlite3.Connection, plugins: QueuePlugins) -> list[Job]:
        """Return jobs of a OneToMany queue that have workers and may get more."""
        queue = plugins.queue
        if queue.map_type is not MapType.ONE_TO_MANY or self.waits(queue.name):
            return []
        at_once = max(1, plugins.worker_maker.get_num_workers_per_job(self.house.rows))
        found = open_jobs(connection, queue, self.house.rows)
        states = workers.states_of_jobs(connection, [job.id for job in found])
        return [job for job in found if more_workers(connection, queue, job, states[job.id], at_once)]

    def _end_abandoned(self, queue: Queue) -> int:
        if queue.map_type is not MapType.ONE_TO_MANY:
            return 0
        with self.database.read() as connection:
            found = open_jobs(connection, queue, self.house.rows)
            states = workers.states_of_jobs(connection, [job.id for job in found])
        without = [job for job in found if ALIVE.isdisjoint(states[job.id])]
        if not without:
            return 0
        with self.database.write() as write:
            return end_abandoned(write, queue, without)

    def _cancel(self) -> int:
        """End prepared jobs that are not wanted any more, also those of a queue that is no longer configured."""
        with self.database.read() as connection:
            cancelled = jobs.cancelled_before_their_worker(connection, self.house.rows)
        if not cancelled:
            return 0
        now = self.clock.now()
        with self.database.write() as write:
            jobs.make(write, [
                step(job, JobState.CANCELLED, now, why=job.cancel, outcome=Outcome.CANCELLED) for job in cancelled
            ])
        return len(cancelled)

    def _intend(self, plugins: QueuePlugins, wanted: Sequence[Job], room: int) -> list[Worker]:
        queue, maker = plugins.queue, plugins.worker_maker
        if not maker.is_resource_ready():
            return []
        now = self.clock.now()
        found = [(fitted(maker, queue, chunk), number) for chunk, number in self._chunks(plugins, wanted, room)]
        misfits = [step(job, JobState.FAILED, now, why=why, outcome=Outcome.FAILED) for one, _ in found for job, why in one.misfits]
        intents = [
            intent for one, number in found if one.plan is not None for intent in [_intent(queue, one.plan, one.jobs)] * number
        ]
        self._go_past_old_folders(queue, len(intents))
        with self.database.write() as write:
            jobs.make(write, misfits)
            return workers.plan(
                write, intents,
                lambda number: submit_key(self.house.tag, number),
                lambda _, number: place(queue, number, self.house.instance),
            )

    def _go_past_old_folders(self, queue: Queue, count: int) -> None:
        """Give no new worker a folder that lies there from another store (an older one put back, a new one made).

        The letters in it, its claim and its batch job's name would be taken for those of the new worker, whose payload never ran.
        """
        with self.database.read() as connection:
            last = workers.last_number(connection)
        if not is_any_there(queue, range(last + 1, last + 1 + count), self.house.instance):
            return
        highest = highest_number(queue, self.house.instance)
        log.warning("folders of workers that this store does not know queue=%s root=%s highest=%d", queue.name, queue.access_root, highest)
        with self.database.write() as write:
            workers.go_past(write, highest)

    def _chunks(self, plugins: QueuePlugins, wanted: Sequence[Job], room: int) -> list[tuple[Sequence[Job], int]]:
        """Return (jobs that share a worker, how many such workers), at most ``room`` workers in all."""
        queue, maker = plugins.queue, plugins.worker_maker
        if queue.map_type is not MapType.ONE_TO_MANY:
            size = min(max(1, maker.get_num_jobs_per_worker(room)), self.house.rows)
            full = chunks_of(wanted, size, mixture=queue.mixture, now=self.clock.now(), wait_s=maker.get_full_chunk_wait())
            self._full_at[queue.name] = full.next
            return [(chunk, 1) for chunk in full.ready[:room]]
        at_once = max(1, maker.get_num_workers_per_job(room))
        chunks: list[tuple[Sequence[Job], int]] = []
        with self.database.read() as connection:
            states = workers.states_of_jobs(connection, [job.id for job in wanted])
            for job in wanted:
                number = min(room, more_workers(connection, queue, job, states[job.id], at_once))
                chunks += [([job], number)] if number else []
                room -= number
        return chunks

    # -- submission -------------------------------------------------------------------------------

    def _hand_over(self, plugins: QueuePlugins, planned: Sequence[Worker]) -> int:
        """Make access points, feed them, submit, and store what came of it."""
        alive = self._without_killed(plugins, planned)
        if not alive:
            return 0
        results = self.attempt(plugins.queue.name, lambda: self._submit(plugins, alive))
        self.house.reached("submitted, not stored")
        if results is None:
            self._postpone(alive, self.waits_until(plugins.queue.name))
            return 0
        return self._store(plugins.queue, alive, results)

    def _submit(self, plugins: QueuePlugins, planned: Sequence[Worker]) -> Sequence[Submission]:
        with self.database.read() as connection:
            load = jobs.of_workers(connection, [worker.id for worker in planned])
            every = jobs.with_params(connection, jobs.with_files(connection, [job for group in load.values() for job in group]))
        by_id = {job.id: job for job in every}
        results = self._fed(plugins, planned, by_id)
        self.house.reached("access points fed")
        fed = [worker for worker in planned if results[worker.id] is None]
        if fed:
            answers = [checked(answer, Submission) for answer in plugins.submitter.submit_workers(fed)]
            results.update(zip((worker.id for worker in fed), answers, strict=True))
        return [result for result in results.values() if result is not None]

    def _fed(self, plugins: QueuePlugins, planned: Sequence[Worker], load: Mapping[JobId, Job]) -> dict[int, Submission | None]:
        """Feed all of them side by side, for each waits several times for a disk; the results in the order of the workers."""
        results: dict[int, Submission | None] = {worker.id: None for worker in planned}

        def feed(some: Sequence[Worker]) -> list[tuple[int, Submission | None]]:
            return [(worker.id, self._feed(plugins, worker, [load[JobId(job_id)] for job_id in worker.job_ids])) for worker in some]

        for part in self.in_parallel(planned, feed):
            results.update(part)
        return results

    def _feed(self, plugins: QueuePlugins, worker: Worker, load: Sequence[Job]) -> Submission | None:
        """Make the access point and write the jobs into it; a result if that does not work, None if it does."""
        point = point_of(worker, plugins.queue, self.house.instance)
        try:
            plugins.messenger.setup_access_points([point])
            plugins.messenger.feed_jobs(point, {job.id: job.params for job in load}, {job.id: _paths(job) for job in load})
        except (FileExistsError, NotADirectoryError) as error:
            return Refused(why=f"its access point {point.path} cannot be used: {error}")
        except OSError as error:
            return Busy(why=f"the access point {point.path} cannot be written: {error}")
        return None

    def _settle(self, plugins: QueuePlugins, planned: Sequence[Worker]) -> int:
        """Ask the batch system what became of workers whose submission has no known end."""
        found = self.attempt_each(plugins.queue.name, planned, lambda: plugins.submitter.find_workers(planned), Lookup)
        if found is None:
            self._postpone(planned, self.waits_until(plugins.queue.name))
            return 0
        again = [worker for worker, lookup in found if isinstance(lookup, NotThere)]
        known = [(worker, lookup) for worker, lookup in found if not isinstance(lookup, NotThere)]
        changed = self._store(plugins.queue, [worker for worker, _ in known], [lookup for _, lookup in known])
        self._note_submissions(again)
        return changed + (self._hand_over(plugins, again) if again else 0)

    def _without_killed(self, plugins: QueuePlugins, planned: Sequence[Worker]) -> list[Worker]:
        """Drop workers that are to be killed before they were ever submitted, with their jobs.

        Their access points are fenced first: a batch job that comes late all the same ends at once.
        """
        unwanted = [worker for worker in planned if worker.kill]
        killed = [worker for worker in unwanted if self._fenced(plugins, worker)]
        if len(killed) < len(unwanted):
            # Claimed although the batch system has never heard of it: the claim is read again before anything else.
            fenced = {worker.id for worker in killed}
            until = max(self.clock.now() + UNFENCED_S, self.waits_until(plugins.queue.name))
            self._postpone([worker for worker in unwanted if worker.id not in fenced], until)
        if killed:
            now = self.clock.now()
            with self.database.read() as connection:
                load = self._without_others(connection, [worker.id for worker in killed])
            self._commit([
                Decided(
                    worker=WorkerStep(
                        worker_id=worker.id, before=worker.state, after=WorkerState.CANCELLED, due=now, why=worker.kill, ended=now
                    ),
                    jobs=tuple(_after_kill(worker, job, now) for job in load[worker.id] if job.state is JobState.SUBMITTED),
                )
                for worker in killed
            ])
        return [worker for worker in planned if not worker.kill]

    def _without_others(self, connection: sqlite3.Connection, ids: Sequence[int]) -> dict[int, list[Job]]:
        """Return {worker: its jobs}, without jobs that another living worker has too."""
        load = jobs.of_workers(connection, ids)
        own = set(ids)
        return {
            worker_id: [job for job in group if not workers.alive_of_job(connection, job.id) - own]
            for worker_id, group in load.items()
        }

    def _fenced(self, plugins: QueuePlugins, worker: Worker) -> bool:
        point = point_of(worker, plugins.queue, self.house.instance)
        return bool(self.attempt(plugins.queue.name, lambda: plugins.messenger.fence(point)))

    def _note_submissions(self, again: Sequence[Worker]) -> None:
        if again:
            self._commit([
                Decided(worker=_stay(worker, self.clock.now(), submissions=worker.submissions + 1)) for worker in again
            ])

    def _postpone(self, planned: Sequence[Worker], until: float) -> None:
        self._commit([Decided(worker=_stay(worker, until)) for worker in planned])

    # -- results ----------------------------------------------------------------------------------

    def _store(self, queue: Queue, planned: Sequence[Worker], results: Sequence[Submission | Lookup]) -> int:
        with self.database.read() as connection:
            refused = [worker.id for worker, result in zip(planned, results, strict=True) if isinstance(result, Refused)]
            load = self._without_others(connection, refused) if refused else {}
        decided = [self._decide(queue, worker, result, load.get(worker.id, ())) for worker, result in zip(planned, results, strict=True)]
        self._commit(decided)
        self._learn(queue, results)
        self.house.reached("submission stored")
        return sum(one.worker.after is not one.worker.before for one in decided)

    def _learn(self, queue: Queue, results: Sequence[Submission | Lookup]) -> None:
        """After a refusal, a full queue or no clear answer, leave the queue alone for a while, so that few jobs pay for it."""
        if not results:
            return
        said_no = next((result for result in results if isinstance(result, Refused | Busy | Uncertain)), None)
        if said_no is None:
            if self._noes.pop(queue.name, None) is not None:
                self.works(queue.name)
            return
        self._noes[queue.name] = self._noes.get(queue.name, 0) + 1
        self.begin_to_wait(queue.name, said_no.why, self._noes[queue.name])

    def works(self, queue: str) -> None:
        """End the trouble with a queue, unless it answers and says no."""
        if queue not in self._noes:
            super().works(queue)

    def _forget_noes(self, queue: Queue) -> None:
        """When nobody wants a worker of the queue any more, its last no is no trouble now."""
        if queue.name not in self._noes or self.waits(queue.name):
            return
        with self.database.read() as connection:
            counts = workers.queue_counts(connection, queue.name)
        if not counts.get(WorkerState.PLANNED):
            del self._noes[queue.name]
            self.forget_trouble(queue.name)

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
                return Decided(worker=_stay(worker, now + self.pause_s(worker.tries + 1), tries=worker.tries + 1, why=result.why))
            case Uncertain():
                log.warning("submission without a known end worker=%s queue=%s why=%s", worker.id, queue.name, result.why)
                pause = min(30.0, LOOKUP_S * 2.0 ** min(worker.tries, 10))
                return Decided(worker=_stay(worker, now + pause, tries=worker.tries + 1, why=result.why))
            case NotThere():
                return Decided(worker=_stay(worker, now))

    def _refused(self, queue: Queue, worker: Worker, result: Refused, load: Sequence[Job]) -> Decided:
        now = self.clock.now()
        why = f"the batch system refused the worker: {result.why}"
        steps = []
        for job in load:
            if job.state is not JobState.SUBMITTED:
                continue
            if job.cancel:
                steps.append(step(job, JobState.CANCELLED, now, why=job.cancel, outcome=Outcome.CANCELLED))
            elif job.submissions >= queue.max_submissions:
                steps.append(step(job, JobState.FAILED, now, why=why, outcome=Outcome.FAILED))
            else:
                steps.append(step(job, JobState.PREPARED, now, why=why))
        ended = WorkerStep(worker_id=worker.id, before=worker.state, after=WorkerState.MISSED, due=now, why=result.why, ended=now)
        return Decided(worker=ended, jobs=tuple(steps))

    def _prefetch(self, write: Write, ids: Sequence[WorkerId]) -> None:
        """Workers that have just been submitted get event ranges before they ask."""
        found = workers.by_ids(write.connection, ids).values()
        load = jobs.by_ids(write.connection, {job_id for worker in found for job_id in worker.job_ids})
        own = events.jobs(write.connection, load)
        for worker in found:
            plugins = self.house.queues.get(worker.queue)
            cores = [load[JobId(job_id)].cores for job_id in worker.job_ids if job_id in own]
            if plugins is None or not plugins.queue.prefetch_events or not cores:
                continue
            number = prefetched(worker.plan.cores, len(worker.job_ids), max(cores), plugins.queue.events_multiplier)
            requests.want(write, worker.id, number)

    def _commit(self, decided: Sequence[Decided]) -> None:
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
            self._prefetch(write, [worker_id for worker_id in submitted if worker_id not in stale])


def _intent(queue: Queue, plan: WorkerPlan, chunk: Sequence[Job]) -> Intent:
    ids = tuple(job.id for job in chunk)
    return Intent(queue=queue.name, map_type=queue.map_type, plan=plan, batch_queue=queue.resources.batch_queue, job_ids=ids)


def _stay(worker: Worker, due: float, *, tries: int | None = None, submissions: int | None = None, why: str | None = None) -> WorkerStep:
    return WorkerStep(
        worker_id=worker.id, before=worker.state, after=worker.state, due=due, tries=worker.tries if tries is None else tries,
        submissions=submissions, why=why,
    )


def _after_kill(worker: Worker, job: Job, now: float) -> JobStep:
    """Return the step of a job whose worker is killed before it was submitted; one of many may have another worker."""
    if worker.map_type is MapType.MANY_TO_ONE and not job.cancel:
        return step(job, JobState.PREPARED, now, why=worker.kill)
    return step(job, JobState.CANCELLED, now, why=job.cancel or worker.kill, outcome=Outcome.CANCELLED)


def _paths(job: Job) -> dict[str, str]:
    return {file.lfn: file.path for file in job.files if file.kind is FileKind.INPUT and file.path}
