"""The monitor: looks at workers in the batch system, and judges jobs when their worker has ended."""
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from harvester_hpc.agents import attributes
from harvester_hpc.agents.base import Agent, Surroundings, by_queue
from harvester_hpc.agents.event_news import take_back_ranges
from harvester_hpc.agents.looks import next_look
from harvester_hpc.agents.unwanted_jobs import UnwantedJobs
from harvester_hpc.agents.worker_ends import WorkerEnds
from harvester_hpc.model.job import BOUND, WITH_ITS_WORKER_S, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import MONITOR
from harvester_hpc.model.worker import ENDS, MapType, Worker, WorkerState, WorkerStep
from harvester_hpc.policy.patience import is_given_up, reason_to_kill
from harvester_hpc.policy.shared_job import state_of
from harvester_hpc.policy.sighting import changed, is_news, lost
from harvester_hpc.ports.batch import Seen, Sight, Unseen
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import event as events
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Write

log = logging.getLogger(__name__)

#: How early a worker may be looked at, so that many share one call to the batch system.
EARLY_S = 1.0


class MonitorAgent(Agent):
    """submitted, running -> finished, failed, cancelled; and with the worker its jobs."""

    name = MONITOR

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._ends = WorkerEnds(self)
        self._unwanted = UnwantedJobs(self)

    def run_once(self) -> int:
        """Look at the workers that are due, with one call for all queues whose monitors ask the same; return how many changed."""
        cancelled = self._unwanted.run_once()
        now = self.clock.now() + EARLY_S
        with self.database.read() as connection:
            found = [
                worker
                for state in (WorkerState.SUBMITTED, WorkerState.RUNNING)
                for worker in workers.due(connection, state, now, self.house.rows)
            ]
        if not any((worker.due or 0.0) <= now - EARLY_S for worker in found):
            return cancelled
        queues = by_queue(found, lambda worker: worker.queue)
        return cancelled + sum(self._together(group) for group in self._by_asked(queues))

    def next_due(self) -> float | None:
        """Return when the next worker wants looking at."""
        with self.database.read() as connection:
            times = [workers.next_due(connection, (WorkerState.SUBMITTED, WorkerState.RUNNING)), jobs.next_due(connection, BOUND)]
        return min((time for time in times if time is not None), default=None)

    def is_busy(self) -> bool:
        """Tell whether something is done for an ended worker beside the rounds."""
        return self._ends.is_busy()

    def close(self) -> None:
        """End what is done beside the rounds, and the threads of the rounds."""
        self._ends.close()
        super().close()

    def _by_asked(self, queues: Mapping[str, Sequence[Worker]]) -> list[dict[str, Sequence[Worker]]]:
        """Return the queues that can be looked at now, with their workers, in groups whose monitors ask the same; put off the others."""
        groups: dict[int, dict[str, Sequence[Worker]]] = {}
        for name, workers_of_it in queues.items():
            plugins = self.house.queues.get(name)
            if plugins is None or self.waits(name):
                self._look_again(workers_of_it, self.waits_until(name) if plugins else self.clock.now() + self.period_s)
                continue
            asked = getattr(plugins.monitor, "asks", plugins.monitor)
            groups.setdefault(id(asked), {})[name] = workers_of_it
        return list(groups.values())

    def _together(self, queues: Mapping[str, Sequence[Worker]]) -> int:
        """Look at the workers of queues whose monitors ask the same, through the first of them."""
        name = next(iter(queues))
        everyone = [worker for group in queues.values() for worker in group]
        monitor = self.house.queues[name].monitor
        pairs = self.attempt_each(name, everyone, lambda: monitor.check_workers(everyone), Sight)
        if pairs is None:
            self.wait_together(name, queues)
            self._look_again(everyone, self.waits_until(name))
            return self._by_letters(name, everyone)
        for other in queues:
            self.works(other)
        self.house.reached("workers checked")
        seen = by_queue(pairs, lambda pair: pair[0].queue)
        return sum(self._take(self.house.queues[one], found) for one, found in seen.items())

    def _by_letters(self, name: str, everyone: Sequence[Worker]) -> int:
        """Take the ends that letters tell of while the batch system is silent, which goes on being a trouble."""
        tells = getattr(self.house.queues[name].monitor, "check_letters", None)
        if not callable(tells):
            return 0
        pairs = self.attempt_each(name, everyone, lambda: tells(everyone), Sight, ends_trouble=False) or []
        ends = [(worker, seen) for worker, seen in pairs if isinstance(seen, Seen) and seen.state in ENDS]
        found = by_queue(ends, lambda pair: pair[0].queue)
        return sum(self._ends.take(self.house.queues[one], ended) for one, ended in found.items())

    def _take(self, plugins: QueuePlugins, pairs: Sequence[tuple[Worker, Sight]]) -> int:
        ended = [(worker, seen) for worker, seen in pairs if isinstance(seen, Seen) and seen.state in ENDS]
        going_on = [(worker, sight) for worker, sight in pairs if not (isinstance(sight, Seen) and sight.state in ENDS)]
        self._tell_of_accounting(plugins.queue, [sight.why for _, sight in pairs if isinstance(sight, Unseen) and sight.away])
        moved = self._take_changes(plugins.queue, going_on)
        return moved + self._ends.take(plugins, ended)

    def _tell_of_accounting(self, queue: Queue, silences: Sequence[str]) -> None:
        """Let ``status`` say that some wait for the accounting, which nobody else waits for; or that it is over."""
        key = f"{queue.name} (accounting)"
        if silences:
            self.begin_to_wait(key, f"{silences[0]}; {len(silences)} worker(s) that left the queue wait for it")
        else:
            self.works(key)

    def _look_again(self, group: Sequence[Worker], due: float) -> None:
        with self.database.write() as write:
            workers.look_again(write, [worker.id for worker in group], due)

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
                case Seen() if is_news(worker, sight):
                    steps.append(changed(worker, sight, due, now))
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
        return len(steps) + self._ends.take(plugins, [(worker, lost(worker)) for worker in given_up])

    def _note_unseen(self, write: Write, worker: Worker, sight: Unseen, due: float) -> None:
        if sight.gone:
            workers.gone(write, worker.id, sight.why, due)
            return
        workers.look_again(write, [worker.id], due)

    def _move_jobs(self, write: Write, steps: Sequence[WorkerStep]) -> None:
        """A worker that starts, or is requeued, takes its job along; of many jobs each begins by itself, and only once."""
        moved = {one.worker_id: one.after for one in steps if one.before is not one.after}
        found = workers.by_ids(write.connection, moved)
        moved = {number: after for number, after in moved.items() if not found[number].begins_one_by_one}
        if not moved:
            return
        load = {job.id: job for group in jobs.of_workers(write.connection, moved).values() for job in group}
        shared = [found[number] for number in moved if found[number].map_type is MapType.ONE_TO_MANY]
        attributes.add_up(write, {job_id for worker in shared for job_id in worker.job_ids})
        states = workers.states_of_jobs(write.connection, load)
        jobs.make(write, [
            step(job, wanted, write.now, due=write.now + WITH_ITS_WORKER_S)
            for job in load.values()
            if job.state in BOUND and (wanted := state_of(states[job.id])) is not None and job.state is not wanted
        ])
        requeued = [worker_id for worker_id, after in moved.items() if after is WorkerState.SUBMITTED]
        for worker in workers.by_ids(write.connection, requeued).values():
            take_back_ranges(write, worker, events.jobs(write.connection, worker.job_ids))

    def _enforce_limits(self, write: Write, queue: Queue, group: Sequence[Worker]) -> None:
        """Mark those that wait too long; who is silent while it runs is for the messenger to judge, who reads the letters."""
        for worker in group:
            why = reason_to_kill(worker, queue, write.now) if worker.state is WorkerState.SUBMITTED else ""
            if why and workers.kill(write, worker.id, why):
                log.warning("is to be killed worker=%s batch=%s why=%s", worker.id, worker.batch_id, why)
