"""The service: all agents on one store, from the first signal of life to the last."""
from __future__ import annotations

import logging
import os
import signal
import threading
from collections import Counter
from collections.abc import Sequence
from types import FrameType

from harvester_hpc.agents.base import Agent
from harvester_hpc.clock import Clock
from harvester_hpc.daemon.bell import Bells
from harvester_hpc.daemon.rounds import Rounds, once
from harvester_hpc.errors import LeaseLost, StoreError
from harvester_hpc.model.job import JobState
from harvester_hpc.model.turn import JOB_TURN, WORKER_TURN
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.store import dues, health, holdback
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store.database import Database, Write
from harvester_hpc.store.lease import Lease

log = logging.getLogger(__name__)

#: Exit codes of ``run``.
ENDED, LOST_LEASE, LEFT_NOW = 0, 1, 130


class Service:
    """Runs the agents. Stopping never touches batch jobs.

    Args:
        bells: rung by the database after each commit.
        stop: shared with whoever may ask for the end (signals, the command manager).
        beat_s: seconds between two signs of life in the store.
    """

    def __init__(
        self, agents: Sequence[Agent], database: Database, lease: Lease, bells: Bells, stop: threading.Event, clock: Clock, beat_s: float
    ) -> None:
        self.agents = agents
        self.database = database
        self._lease = lease
        self._bells = bells
        self._stop = stop
        self._lost = threading.Event()
        self._clock = clock
        self._beat_s = beat_s
        self._lost_queues: set[str] = set()

    def run(self) -> int:
        """Run until told to stop; return the exit code."""
        rounds = [Rounds(agent, self._bells, self._stop, self._lost, self._clock) for agent in self.agents]
        self._clear()
        log.info("started pid=%d agents=%d", os.getpid(), len(rounds))
        for thread in rounds:
            thread.start()
        while not self._stop.wait(self._beat_s):
            self._beat(rounds)
        self._bells.ring_all()
        for thread in rounds:
            thread.join()
        return self._end(rounds)

    def run_once(self) -> int:
        """Do one bounded round of every agent; return how many things changed."""
        self._clear()
        try:
            return once(self.agents, self._stop, patient=True)
        finally:
            self._end(())

    def hangs(self) -> bool:
        """Tell, after the end, whether a thread hangs (a dead file system): it would keep the process from ending."""
        return any(agent.hangs() for agent in self.agents)

    def stop(self) -> None:
        """Finish the rounds under way, then end."""
        self._stop.set()
        self._bells.ring_all()

    def obey_signals(self) -> None:
        """End at the first TERM, INT or HUP after the rounds under way; at the second, now."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if self._stop.is_set():
            os._exit(LEFT_NOW)
        self.stop()

    def _clear(self) -> None:
        with self.database.write() as write:
            health.no_trouble_at_all(write)
            holdback.release_all(write)
            self._name_lost_queues(write)
            self._bring_forward(write)

    def _name_lost_queues(self, write: Write) -> None:
        """Say in ``status`` which queues still have jobs or workers under way and are not configured any more."""
        known = {queue for agent in self.agents for queue in agent.house.queues}
        under_way = {queue: number for queue, number in _under_way(write).items() if queue not in known}
        for queue in self._lost_queues - set(under_way):
            health.no_trouble(write, "configuration", queue)
        for queue in set(under_way) - self._lost_queues:
            why = f"not configured any more, and {under_way[queue]} jobs and workers of it wait; add it again, or kill them"
            log.warning("queue=%s is %s", queue, why)
            health.trouble(write, "configuration", queue, write.now, why)
        self._lost_queues = set(under_way)

    def _beat(self, rounds: Sequence[Rounds]) -> None:
        try:
            with self.database.write() as write:
                self._lease.beat(write.connection, write.now)
                health.beat(write, [thread.beat() for thread in rounds])
                self._bring_forward(write)
                if self._lost_queues:
                    self._name_lost_queues(write)
        except LeaseLost as error:
            log.error("lost the lease, ending why=%s", error)
            self._lost.set()
            self.stop()
        except StoreError as error:
            log.error("no sign of life could be written why=%s", error)

    def _bring_forward(self, write: Write) -> None:
        """Look now at what is due later than any pause of ours explains: after the clock was set back, nothing waits for its return."""
        longest_s = 2.0 * max((agent.longest_pause_s for agent in self.agents), default=0.0)
        brought = dues.bring_forward(write, write.now + longest_s) if longest_s else 0
        if brought:
            log.warning("was the clock set back? looks at once at what was due in more than %.0f s rows=%d", longest_s, brought)

    def _end(self, rounds: Sequence[Rounds]) -> int:
        for agent in self.agents:
            agent.close()
        if self._lost.is_set():
            return LOST_LEASE
        try:
            with self.database.write() as write:
                health.beat(write, [thread.beat() for thread in rounds])
                self._lease.release(write.connection)
        except (StoreError, LeaseLost) as error:
            log.error("the lease could not be given back why=%s", error)
        log.info("ended")
        return ENDED


def _under_way(write: Write) -> Counter[str]:
    """Return {queue: jobs and workers of it that have not ended}; queues without any are left out."""
    number: Counter[str] = Counter()
    for (queue, state), count in jobs.counts(write.connection).items():
        number[queue] += count if JobState(state) in JOB_TURN else 0
    for (queue, state), count in workers.counts(write.connection).items():
        number[queue] += count if WorkerState(state) in WORKER_TURN else 0
    return +number
