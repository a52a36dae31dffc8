"""The submitter: plans workers, stores the intent, and hands them to the batch system exactly once."""
from __future__ import annotations

import sqlite3

from harvester_hpc.agents.answers import checked
from harvester_hpc.agents.base import Agent, Surroundings, by_queue
from harvester_hpc.agents.counts import candidates
from harvester_hpc.agents.handing_over import HandingOver
from harvester_hpc.agents.planning import Planning
from harvester_hpc.agents.settling import Settling
from harvester_hpc.agents.shared_jobs import end_abandoned, open_jobs
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.dialog import Level
from harvester_hpc.model.job import JobState, Outcome, step
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.turn import SUBMITTER
from harvester_hpc.model.worker import MapType, WorkerState
from harvester_hpc.policy.packing import workers_to_make
from harvester_hpc.policy.reckoning import Reckoning
from harvester_hpc.policy.shared_job import ALIVE
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.ports.throttler import Throttling
from harvester_hpc.store import dialog as dialogs
from harvester_hpc.store import job as jobs
from harvester_hpc.store import job_request as requests
from harvester_hpc.store import wish
from harvester_hpc.store import worker as workers

#: Seconds within which a worker that fetches its jobs itself was of no use if it failed, and if it ended well: it found no job.
SOON_S = (300.0, 60.0)
#: Seconds within which a worker of a shared job that cannot work (no MPI, the wrong launcher) has failed.
AT_ONCE_S = 20.0
#: Workers in a row that are looked at; so many of them that have failed are a matter for a person.
FRUITLESS = 10
MANY_FRUITLESS = 3


class SubmitterAgent(Agent):
    """prepared jobs -> planned workers -> submitted workers.

    A planned worker that is not of this very round may or may not be in the batch system (a crash, a time-out):
    it is looked up before anything is submitted.
    """

    name = SUBMITTER

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._planning = Planning(self)
        self._settling = Settling(self)
        self._handing_over = HandingOver(self, self._settling)
        self._rested: dict[str, int] = {}
        self._served: dict[str, int] = {}

    def run_once(self) -> int:
        """Settle uncertain workers, then make new ones; return how many things changed."""
        now = self.clock.now()
        with self.database.read() as connection:
            planned = workers.due(connection, WorkerState.PLANNED, now, self.house.rows)
        changed = self._cancel()
        for name, group in by_queue(planned, lambda worker: worker.queue).items():
            plugins = self.house.queues.get(name)
            if plugins is None or self.waits(name):
                self._handing_over.postpone(group, self.waits_until(name) if plugins else now + self.period_s)
                continue
            changed += self._handing_over.settle(plugins, group)
        in_turn = sorted(self.house.queues, key=lambda name: self._served.get(name, 0))
        return changed + sum(self._make_in_turn(name) for name in in_turn)

    def _make_in_turn(self, name: str) -> int:
        """Make workers of a queue; one that got some comes last next time, for the limits of the site are of all queues together."""
        changed = self._make(self.house.queues[name])
        if changed:
            self._served[name] = max(self._served.values(), default=0) + 1
        return changed

    def next_due(self) -> float | None:
        """Return when the next planned worker is looked up, or a waiting queue may be served again."""
        with self.database.read() as connection:
            times = [workers.next_due(connection, (WorkerState.PLANNED,))]
        times += self._planning.full_at.values()
        times += [self.waits_until(name) for name in self.house.queues if self.waits(name)]
        return min((time for time in times if time is not None), default=None)

    def _make(self, plugins: QueuePlugins) -> int:
        queue = plugins.queue
        if queue.map_type is MapType.NO_JOB:
            return self._make_pull(plugins)
        self._planning.full_at.pop(queue.name, None)
        ended = self._end_abandoned(queue)
        with self.database.read() as connection:
            prepared = candidates(connection, queue, self.house.rows) + self._planning.shared(connection, plugins)
            room = self._room(connection, queue).number if prepared else 0
        if not prepared:
            self._settling.forget_noes(queue)
        wanted = [job for job in prepared if not job.cancel]
        if not wanted or not room:
            self._planning.rooms.say(queue, "" if queue.status.makes_workers else f"queueStatus {queue.status}")
        if not wanted or not room or self.waits(queue.name) or self._has_cause_to_rest(queue):
            return ended
        if self._is_throttled(plugins):
            return ended
        planned = self.attempt(queue.name, lambda: self._planning.intend(plugins, wanted, room))
        if not planned:
            return ended
        self.house.reached("intent stored")
        return ended + len(planned) + self._handing_over.hand_over(plugins, planned)

    def _make_pull(self, plugins: QueuePlugins) -> int:
        """Make workers that fetch their jobs themselves: as many as the limits of the queue allow."""
        queue = plugins.queue
        with self.database.read() as connection:
            room = self._room(connection, queue).number
        if not room:
            self._settling.forget_noes(queue)
            self._planning.rooms.say(queue, "" if queue.status.makes_workers else f"queueStatus {queue.status}")
        if not room or self.waits(queue.name) or self._rests(queue, SOON_S) or self._is_throttled(plugins):
            return 0
        planned = self.attempt(queue.name, lambda: self._planning.intend_pull(plugins, room))
        if not planned:
            return 0
        self.house.reached("intent stored")
        return len(planned) + self._handing_over.hand_over(plugins, planned)

    def _is_throttled(self, plugins: QueuePlugins) -> bool:
        """Tell whether the queue gets no new workers now; also if its throttler does not answer."""
        queue, throttler = plugins.queue, plugins.throttler
        if throttler is None:
            return False
        answer = self.attempt(queue.name, lambda: checked(throttler.to_be_throttled(queue), Throttling))
        if answer is not None and answer.is_on:
            self._planning.rooms.say(queue, f"throttled: {answer.why or 'its throttler gives no reason'}")
        return answer is None or answer.is_on

    def _room(self, connection: sqlite3.Connection, queue: Queue) -> Reckoning:
        """Return how many new workers the limits of the queue leave room for, and in slave mode are wished."""
        wished = sum(wish.of_queue(connection, queue.name, self.clock.now()).values()) if queue.slave else None
        return workers_to_make(queue, workers.queue_counts(connection, queue.name), self.house.rows, wished)

    def _has_cause_to_rest(self, queue: Queue) -> bool:
        """Tell whether more workers would likely be of no use either: a job gets many of them, and each would burn allocation."""
        if queue.late:
            return self._rests(queue)
        return queue.map_type is MapType.ONE_TO_MANY and self._rests(queue, (AT_ONCE_S, 0.0), least=2)

    def _rests(self, queue: Queue, shorter_s: tuple[float, float] | None = None, least: int = 1) -> bool:
        """Leave a queue alone for a while whose newest workers were of no use; more would burn its allocation."""
        with self.database.read() as connection:
            found = requests.fruitless(connection, queue.name, FRUITLESS, shorter_s)
        if found is None or found.number < least or self._rested.get(queue.name) == found.newest:
            return False
        self._rested[queue.name] = found.newest
        what = "without a job" if shorter_s is None else f"within {shorter_s[0]:.0f} s"
        why = f"{found.number} worker(s) in a row ended {what}; the last one: {found.why or 'no reason known'}"
        self.begin_to_wait(queue.name, why, found.number)
        if found.failed and found.number >= MANY_FRUITLESS:
            with self.database.write() as write:
                dialogs.add(write, self.name, f"queue {queue.name} rests", Level.ERROR, f"queue {queue.name}: {why}")
        return True

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
                step(job, JobState.CANCELLED, now, why=job.cancel, cause=Cause.KILLED, outcome=Outcome.CANCELLED) for job in cancelled
            ])
        return len(cancelled)

    def works(self, queue: str) -> None:
        """End the trouble with a queue, unless it answers and says no."""
        if not self._settling.has_said_no(queue):
            super().works(queue)
