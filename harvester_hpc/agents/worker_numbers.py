"""Numbers of workers never come twice, also not after the store was lost. A part of the command manager; the submitter waits for it."""
from __future__ import annotations

import logging

from harvester_hpc.agents.base import Agent
from harvester_hpc.model.turn import SUBMITTER
from harvester_hpc.store import statistics
from harvester_hpc.store import worker as workers

log = logging.getLogger(__name__)

#: What the system was asked for once: the highest number of a worker of ours that it knows.
FACT = "worker_number"
#: The queue of the trouble with that question.
NUMBERS = "worker numbers"
#: So often it is refused, while the system answers otherwise, before it is taken for one that cannot say.
PATIENCE = 3


class WorkerNumbers:
    """Asks, once in the life of a process, up to which number the system knows workers of ours, and goes past it.

    A store that was made anew, or put back from a copy, would give out numbers that the system knows: it would take new workers for
    those that have ended, and their jobs for theirs.
    """

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self._question = getattr(agent.house.communicator, "current_worker_id", None)
        self._is_settled = self._question is None
        self._is_refused = False
        self._refusals = 0

    def ask(self) -> None:
        """Ask, unless that was answered."""
        self._is_refused = False
        question = self._question
        if self._is_settled or question is None or self.agent.waits(NUMBERS):
            return
        highest = self.agent.attempt(NUMBERS, lambda: int(question() or 0))
        if highest is None:
            self._is_refused = True
            return
        self._settle(highest)

    def system_answers(self) -> None:
        """The system has answered something else: if it goes on to say nothing of our workers, it cannot."""
        # In an outage everything is refused: that says nothing of this question, and numbers would begin anew after it.
        self._refusals += self._is_refused
        if not self._is_settled and self._is_refused and self._refusals >= PATIENCE:
            log.warning("the system cannot say which workers of ours it knows")
            self._settle(0)
            self.agent.forget_trouble(NUMBERS)

    def _settle(self, highest: int) -> None:
        with self.agent.database.write() as write:
            last = workers.last_number(write.connection)
            workers.go_past(write, highest)
            statistics.put_fact(write, FACT, highest)
            write.ring(SUBMITTER)
        self._is_settled = True
        if highest > last:
            log.warning("the system knows workers of ours that this store does not know last=%d highest=%d", last, highest)

    def are_settled(self) -> bool:
        """Tell whether new workers may get numbers: the system was asked once, or this store has given out some."""
        if not self._is_settled:
            with self.agent.database.read() as connection:
                self._is_settled = workers.last_number(connection) > 0 or statistics.fact(connection, FACT) is not None
        return self._is_settled
