"""Rounds: an agent's own thread, or all agents one after the other."""
from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence

from harvester_hpc.agents.base import Agent
from harvester_hpc.clock import Clock
from harvester_hpc.daemon.bell import Bells
from harvester_hpc.errors import LeaseLost, StoreError
from harvester_hpc.policy.backoff import pause_s
from harvester_hpc.store import health
from harvester_hpc.store.database import Write
from harvester_hpc.store.health import Beat

log = logging.getLogger(__name__)

#: Shortest sleep of an agent that has nothing to do although the store says that something is due.
SHORTEST_S = 0.2
#: Seconds between two bounded rounds while threads are at work.
BUSY_S = 1.0


class Rounds(threading.Thread):
    """One agent's thread: a round when the bell rings or something is due, else sleep.

    Args:
        stop: set from outside; the round under way is finished.
        lost: called when the lease is lost: the whole process has to end.
    """

    def __init__(self, agent: Agent, bells: Bells, stop: threading.Event, lost: threading.Event, clock: Clock) -> None:
        super().__init__(name=agent.name, daemon=True)
        self.agent = agent
        self.last = 0.0
        self.rounds = 0
        self.changes = 0
        self._bells = bells
        self._stop_wanted = stop
        self._lost = lost
        self._clock = clock
        self._failures = 0

    def run(self) -> None:
        """Make rounds until told to stop."""
        name = self.agent.name
        while not self._stop_wanted.is_set():
            self._bells.silence(name)
            sleep = self._one_round()
            if self._failures:
                self._stop_wanted.wait(sleep)  # what does not work is not tried at the bell's rate
            elif sleep > 0.0 and not self._stop_wanted.is_set():
                self._bells.wait(name, sleep)

    def beat(self) -> Beat:
        """Return the agent's last round."""
        return Beat(agent=self.agent.name, round=self.last, rounds=self.rounds, changes=self.changes)

    def _one_round(self) -> float:
        """Make one round; return how long to sleep, in seconds."""
        try:
            changes = self.agent.run_once()
            sleep = 0.0 if changes else self._until_due()
        except LeaseLost as error:
            log.error("lost the lease, ending agent=%s why=%s", self.agent.name, error)
            self._lost.set()
            self._stop_wanted.set()
            return 0.0
        except StoreError as error:
            return self._pause(str(error), with_trace=False)
        except Exception as error:
            why = f"{type(error).__name__}: {error}"
            sleep = self._pause(why, with_trace=True)
            self._tell(lambda write: health.trouble(write, self.agent.name, "", self._clock.now() + sleep, why))
            return sleep
        if self._failures and not self.agent.waits(""):
            self._tell(lambda write: health.no_trouble(write, self.agent.name, ""))
        self._failures = 0
        self.last = self._clock.now()
        self.rounds += 1
        self.changes += changes
        return sleep

    def _tell(self, tell: Callable[[Write], None]) -> None:
        """Write what ``status`` says of this agent, if the store can be written at all."""
        try:
            with self.agent.database.write() as write:
                tell(write)
        except (StoreError, LeaseLost) as error:
            log.info("not told agent=%s why=%s", self.agent.name, error)

    def _until_due(self) -> float:
        due = self.agent.next_due()
        if due is None:
            return self.agent.period_s
        return min(self.agent.period_s, max(SHORTEST_S, due - self._clock.now()))

    def _pause(self, why: str, *, with_trace: bool) -> float:
        self._failures += 1
        sleep = pause_s(self._failures, random.random(), first_s=1.0)
        level = logging.ERROR if self._failures == 1 else logging.INFO
        log.log(level, "round failed agent=%s seconds=%.0f why=%s", self.agent.name, sleep, why, exc_info=with_trace)
        return sleep


def once(agents: Sequence[Agent], stop: threading.Event, *, passes: int = 20, seconds: float = 300.0, patient: bool = False) -> int:
    """Run all agents one after the other until nothing changes any more; return how many things changed.

    Args:
        passes, seconds: bounds; what is left is done next time.
        patient: wait for threads of the agents (copies under way), too: nobody would take what they have done later.
    """
    changes = 0
    end = time.monotonic() + seconds
    while passes > 0 and not stop.is_set() and time.monotonic() < end:
        changed = sum(agent.run_once() for agent in agents if not stop.is_set())
        changes += changed
        passes -= 1
        if changed:
            continue
        if not (patient and any(agent.is_busy() for agent in agents)):
            break
        passes += 1
        stop.wait(BUSY_S)
    return changes
