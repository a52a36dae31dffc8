"""Which jobs share a worker, how big it is, and the intent in the store. A part of the submitter."""
from __future__ import annotations

import logging
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace

from harvester_hpc.agents.access_point import highest_number, is_any_there, place
from harvester_hpc.agents.base import Agent
from harvester_hpc.agents.batch_rooms import BatchRooms
from harvester_hpc.agents.budgets import Budgets
from harvester_hpc.agents.event_load import with_load
from harvester_hpc.agents.fitting import Fitted, fitted, obeying
from harvester_hpc.agents.shared_jobs import more_workers, open_jobs
from harvester_hpc.agents.worker_numbers import WorkerNumbers
from harvester_hpc.errors import Unavailable
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.job import Job, JobState, JobStep, Outcome, look_again, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import MapType, Worker, WorkerPlan, submit_key
from harvester_hpc.policy.batch_room import Rooms
from harvester_hpc.policy.chunks import chunks_of
from harvester_hpc.policy.late_binding import ASKS_WITHIN_S, not_spoken_for
from harvester_hpc.policy.wishes import ANY, Kind, granted, kind_for
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import job as jobs
from harvester_hpc.store import job_request as requests
from harvester_hpc.store import wish
from harvester_hpc.store import worker as workers
from harvester_hpc.store.worker import Intent

log = logging.getLogger(__name__)


class Planning:
    """prepared jobs -> planned workers.

    Attributes:
        full_at: queue -> when a chunk that is not full has waited long enough; None if there is none.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock
        self.full_at: dict[str, float | None] = {}
        self.rooms = BatchRooms(agent)
        self.budgets = Budgets(agent)
        self._held: dict[str, None] = {}  # why workers are held back, in order
        self._numbers = WorkerNumbers(agent)

    def shared(self, connection: sqlite3.Connection, plugins: QueuePlugins) -> list[Job]:
        """Return jobs of a OneToMany queue that have workers and may get more."""
        queue = plugins.queue
        if queue.map_type is not MapType.ONE_TO_MANY or self.agent.waits(queue.name):
            return []
        at_once = max(1, plugins.worker_maker.get_num_workers_per_job(self.house.rows))
        found = open_jobs(connection, queue, self.house.rows)
        states = workers.states_of_jobs(connection, [job.id for job in found])
        return [job for job in found if more_workers(connection, queue, job, states[job.id], at_once)]

    def intend(self, plugins: QueuePlugins, wanted: Sequence[Job], room: int) -> list[Worker]:
        """Store the intent of at most ``room`` workers for ``wanted``, and end the jobs that fit into none; return the workers.

        Where a limit has no room for jobs of one type of resources, those of others get theirs.
        """
        queue, maker = plugins.queue, plugins.worker_maker
        if not self._numbers.are_settled() or not maker.is_resource_ready():
            return []
        ready = maker.num_ready_resources()
        room = room if ready is None else min(room, ready)
        planned: list[Worker] = []
        closed: set[str] = set()
        self._held = {}
        while room > len(planned) and wanted:
            planned += self._intend_once(plugins, wanted, room - len(planned))
            if self.budgets.shut or self.budgets.closed.keys() <= closed:
                break
            closed |= self.budgets.closed.keys()
            taken = {job_id for worker in planned for job_id in worker.job_ids}
            wanted = [job for job in wanted if job.resource_type not in closed and job.id not in taken]
        self.rooms.say(queue, "; ".join(self._held))
        return planned

    def _intend_once(self, plugins: QueuePlugins, wanted: Sequence[Job], room: int) -> list[Worker]:
        queue = plugins.queue
        self.budgets.closed, self.budgets.shut = {}, ""
        site = self.rooms.of(queue)
        room = room if site.number is None else min(room, site.number)
        if site.why:
            self._hold_back(queue, site.why, wanted)
        if not room:
            return []
        now = self.clock.now()
        found = self._all_fitted(plugins, site, self._chunks(plugins, wanted, room), room)
        misfits = [
            step(job, JobState.FAILED, now, why=why, cause=Cause.TOO_LARGE, outcome=Outcome.FAILED)
            for one, _ in found for job, why in one.misfits
        ]
        intents = [
            intent for one, number in found if one.plan is not None for intent in [intent_of(queue, one.plan, one.jobs)] * number
        ]
        waiting = [
            look_again(job, job.due or now, why=one.wait)
            for one, _ in found if one.wait
            for job in one.jobs if job.state is JobState.PREPARED and job.why != one.wait
        ]
        return self._plan(queue, self._placed(queue, site, intents), [*misfits, *waiting])

    def _all_fitted(
        self, plugins: QueuePlugins, site: Rooms, chunks: Sequence[tuple[Sequence[Job], int]], room: int
    ) -> list[tuple[Fitted, int]]:
        """Return what becomes of chunks until ``room`` workers are found; those that wait for a batch queue keep nobody from another."""
        found: list[tuple[Fitted, int]] = []
        late: list[Job] = []
        for chunk, number in chunks:
            if room <= 0:
                break
            one, waiting = self._fitted(plugins, site, chunk)
            found.append((one, number))
            late += waiting
            room -= number if one.plan is not None else 0
        self._say(late, f"waits for room: {site.why_closed}")
        return found

    def _fitted(self, plugins: QueuePlugins, site: Rooms, chunk: Sequence[Job]) -> tuple[Fitted, list[Job]]:
        """Return what becomes of a chunk in the batch queues that have room, and who fits only into one that has none."""
        queue, maker = plugins.queue, plugins.worker_maker
        refusal = self.rooms.refusal
        if len(site.open) == len(queue.resources.all_batch_queues):
            return obeying(fitted(maker, queue, chunk), queue, refusal), []
        narrow = replace(queue, resources=replace(queue.resources, batch_queue=site.open[0], batch_queues=site.open))
        one = obeying(fitted(maker, narrow, chunk), queue, refusal)
        whole = [obeying(fitted(maker, queue, [job]), queue, refusal) for job, _ in one.misfits]
        misfits = tuple(misfit for each in whole for misfit in each.misfits)
        late = {job.id for job, _ in one.misfits} - {job.id for job, _ in misfits}
        return replace(one, misfits=misfits), [job for job in chunk if job.id in late]

    def _placed(self, queue: Queue, site: Rooms, intents: Sequence[Intent]) -> list[Intent]:
        """Return the intents for which the site and the queue's limits on cores, memory and types have room; say so if some have none."""
        wished = self._by_wish(queue, intents) if queue.slave and queue.map_type is not MapType.NO_JOB else intents
        allowed = self.budgets.within(queue, wished)
        placed = self.rooms.placed(site, allowed)
        why = [site.why_closed if len(placed) < len(allowed) else "", *self.budgets.closed.values(), self.budgets.shut]
        self._held |= dict.fromkeys(word for word in why if word)
        return placed

    def _hold_back(self, queue: Queue, why: str, wanted: Sequence[Job] = ()) -> None:
        self._held[why] = None
        self._say(wanted, f"waits for room: {why}")

    def intend_pull(self, plugins: QueuePlugins, room: int) -> list[Worker]:
        """Store the intent of at most ``room`` workers that fetch their jobs themselves, of the kinds that are wished; return them.

        Raises:
            Unavailable: the worker maker has no size for them.
        """
        queue, maker = plugins.queue, plugins.worker_maker
        if not self._numbers.are_settled() or not maker.is_resource_ready():
            return []
        ready = maker.num_ready_resources()
        site = self.rooms.of(queue)
        room = min(number for number in (room, ready, site.number) if number is not None)
        self._held = {}
        if site.why:
            self._hold_back(queue, site.why)
        intents: list[Intent] = []
        for kind, number in (self._pull_kinds(queue, room) if room else {}).items():
            plan = maker.make_worker((), queue, "" if kind[1] == ANY else kind[1])
            if isinstance(plan, Failed):
                raise Unavailable("no worker can be made", why=plan.why, remedy="check the queue's resources")
            why = "" if isinstance(plan, Retry) else self.rooms.refusal(plan, plan.batch_queue or queue.resources.batch_queue)
            if why:
                raise Unavailable("no worker can be made", why=why, remedy="check the queue's resources")
            if not isinstance(plan, Retry):
                intents += [replace(intent_of(queue, plan, ()), job_type=kind[0], resource_type=kind[1])] * number
        placed = self._placed(queue, site, intents)
        self.rooms.say(queue, "; ".join(self._held))
        return self._plan(queue, placed) if placed else []

    def _pull_kinds(self, queue: Queue, room: int) -> Mapping[Kind, int]:
        """Return {(job type, resource type): how many pull workers}."""
        return granted(self.wishes(queue), room) if queue.slave else {("", queue.resource_type): room}

    def wishes(self, queue: Queue) -> Mapping[Kind, int]:
        """Return how many more workers of each kind the workload management system wants of a queue."""
        with self.database.read() as connection:
            return wish.of_queue(connection, queue.name, self.clock.now())

    def _by_wish(self, queue: Queue, intents: Sequence[Intent]) -> list[Intent]:
        """Return the intents for which a worker is wished, each with the kind that it fulfils."""
        left = dict(self.wishes(queue))
        granted_ones: list[Intent] = []
        for intent in intents:
            kind = kind_for(intent.resource_type, left)
            if kind is not None:
                left[kind] -= 1
                granted_ones.append(replace(intent, job_type=kind[0], resource_type=kind[1]))
        return granted_ones

    def _plan(self, queue: Queue, intents: Sequence[Intent], steps: Sequence[JobStep] = ()) -> list[Worker]:
        self._go_past_old_folders(queue, len(intents))
        with self.database.write() as write:
            jobs.make(write, steps)
            planned = workers.plan(
                write, intents,
                lambda number: submit_key(self.house.tag, number),
                lambda _, number: place(queue, number, self.house.instance),
            )
            if queue.slave:
                wish.use_up(write, queue.name, [(worker.job_type, worker.resource_type) for worker in planned])
        return planned

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
        """Return (jobs that share a worker, how many such workers): of shared jobs ``room`` workers in all, else all that may go."""
        queue, maker = plugins.queue, plugins.worker_maker
        if queue.map_type is not MapType.ONE_TO_MANY:
            size = min(max(1, maker.get_num_jobs_per_worker(room)), self.house.rows)
            wanted = self._not_spoken_for(queue, wanted, size) if queue.late else wanted
            full = chunks_of(wanted, size, mixture=queue.mixture, now=self.clock.now(), wait_s=maker.get_full_chunk_wait())
            self.full_at[queue.name] = full.next
            self._say(full.waiting, f"waits for other jobs to fill a worker, for {maker.get_full_chunk_wait():.0f} s at most")
            return [(chunk, 1) for chunk in full.ready]
        at_once = max(1, maker.get_num_workers_per_job(room))
        chunks: list[tuple[Sequence[Job], int]] = []
        with self.database.read() as connection:
            states = workers.states_of_jobs(connection, [job.id for job in wanted])
            for job in wanted:
                number = min(room, more_workers(connection, queue, job, states[job.id], at_once))
                chunks += [([with_load(connection, job, self.clock.now())], number)] if number else []
                room -= number
        return chunks

    def _say(self, waiting: Sequence[Job], why: str) -> None:
        """Let jobs say what they wait for, once."""
        now = self.clock.now()
        steps = [look_again(job, job.due or now, why=why) for job in waiting if job.state is JobState.PREPARED and job.why != why]
        if steps:
            with self.database.write() as write:
                jobs.make(write, steps)

    def _not_spoken_for(self, queue: Queue, wanted: Sequence[Job], size: int) -> Sequence[Job]:
        """Return the jobs that no late worker will take that is on its way, or at work."""
        now = self.clock.now()
        with self.database.read() as connection:
            takers = requests.takers(connection, queue.name, now - queue.late_wait_s - ASKS_WITHIN_S, self.house.rows)
        return not_spoken_for(queue, wanted, takers, size if queue.map_type is MapType.MANY_TO_ONE else 1, now)


def intent_of(queue: Queue, plan: WorkerPlan, chunk: Sequence[Job]) -> Intent:
    """Return the worker that is made of a plan and the jobs that it is for."""
    ids = () if queue.late else tuple(job.id for job in chunk)  # a late worker is of the size that these jobs want, and gets them later
    types = {job.resource_type for job in chunk}
    return Intent(
        queue=queue.name, map_type=queue.map_type, plan=plan, batch_queue=plan.batch_queue or queue.resources.batch_queue, job_ids=ids,
        late=queue.late, logs=queue.logs is not None,
        resource_type=types.pop() if len(types) == 1 else queue.resource_type, sync=queue.syncs,
    )
