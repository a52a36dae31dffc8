"""Dialogs are told to the workload management system, for an operator far away. A part of the propagator."""
from __future__ import annotations

from collections.abc import Sequence

from harvester_hpc.agents.base import Agent
from harvester_hpc.clock import as_text
from harvester_hpc.model.dialog import Dialog, Level
from harvester_hpc.store import dialog as dialogs
from harvester_hpc.store import health
from harvester_hpc.store.health import Trouble

#: Seconds for which something does not work before a person far away is told.
LONG_S = 3600.0
#: Seconds between two looks at what does not work, and at what may be forgotten.
LOOK_S, FORGET_S = 60.0, 3600.0
KEEP_S = 30 * 86400.0
BUNCH = 50
#: The queue of the propagator's own trouble with dialogs.
DIALOGS = "dialogs"


class Dialogs:
    """Sends what is to be told, and says that something has not worked for long."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self._look_at = 0.0
        self._forget_at = 0.0
        self._long: dict[tuple[str, str], float] = {}

    def run_once(self) -> int:
        """Look at what does not work, send one bunch; return how many messages were taken."""
        now = self.agent.clock.now()
        if not 0.0 <= now - self._look_at < LOOK_S:
            self._look(now)
        if not 0.0 <= now - self._forget_at < FORGET_S:
            self._forget(now)
        return self._send(now)

    def next_due(self) -> float | None:
        """Return when the next message is to be sent."""
        with self.database.read() as connection:
            due = dialogs.next_due(connection)
        return None if due is None else max(due, self.agent.waits_until(""), self.agent.waits_until(DIALOGS))

    # -- what has not worked for long ----------------------------------------------------------------

    def _look(self, now: float) -> None:
        self._look_at = now
        with self.database.read() as connection:
            found = {(one.agent, one.queue): one for one in health.troubles(connection)}
        # Of a credential those speak who look after it: once, and not each of those who wait for it.
        long = {
            cause: one for cause, one in found.items() if now - one.since >= LONG_S and one.queue != DIALOGS and not one.credential
        }
        new = [one for cause, one in long.items() if self._long.get(cause) != one.since]
        ended = [cause for cause in self._long if cause not in found]
        self._long = {cause: one.since for cause, one in long.items()}
        if not new and not ended:
            return
        with self.database.write() as write:
            for agent, queue in ended:
                dialogs.over(write, agent, _named(queue))
            for one in new:
                dialogs.add(write, one.agent, _named(one.queue), Level.WARNING, _words(one))

    # -- sending ---------------------------------------------------------------------------------------

    def _send(self, now: float) -> int:
        if self.agent.waits("") or self.agent.waits(DIALOGS) or not self._waiting(now):
            return 0
        self._look(now)  # the system was silent, perhaps, and what was to be told of that is over
        waiting = self._waiting(now)
        if not waiting or not self.agent.attempt(DIALOGS, lambda: self._sent(waiting)):
            return 0
        self.house.reached("dialogs sent, not stored")
        with self.database.write() as write:
            dialogs.told(write, [one.id for one in waiting])
        return len(waiting)

    def _waiting(self, now: float) -> list[Dialog]:
        with self.database.read() as connection:
            return dialogs.due(connection, now, BUNCH)

    def _sent(self, waiting: Sequence[Dialog]) -> bool:
        self.house.communicator.send_dialog_messages([_letter(one) for one in waiting])
        return True

    def _forget(self, now: float) -> None:
        self._forget_at = now
        with self.database.write() as write:
            dialogs.forget(write, now - KEEP_S)


def _named(queue: str) -> str:
    return f"queue {queue}" if queue else "as a whole"


def _words(one: Trouble) -> str:
    about = f" with {one.queue}" if one.queue else ""
    return f"the {one.agent} has been in trouble{about} since {as_text(one.since)}: {one.why}"


def _letter(one: Dialog) -> dict[str, str]:
    return {
        "diagID": str(one.id), "moduleName": one.module, "identifier": one.identifier, "creationTime": as_text(one.since),
        "messageLevel": str(one.level), "diagMessage": one.message if one.number == 1 else f"({one.number} times) {one.message}",
    }
