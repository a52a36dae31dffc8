"""The log exposer: shows the logs of workers to people far away, and removes them when their time is over."""
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harvester_hpc.agents.answers import checked
from harvester_hpc.agents.base import Agent, by_queue
from harvester_hpc.agents.log_excerpt import NoLog, OpenLog, excerpt, open_log
from harvester_hpc.model.turn import LOG_EXPOSER
from harvester_hpc.model.worker import Worker
from harvester_hpc.model.worker_log import LogCopy, LogKeeping, LogKind, LogState, WorkerLog, files_of, name_of
from harvester_hpc.ports.log_exposer import LogExposer, ReadyLog, Shown
from harvester_hpc.ports.outcome import Done, Failed, Retry
from harvester_hpc.store import worker as workers
from harvester_hpc.store import worker_log as logs
from harvester_hpc.store.database import Write

log = logging.getLogger(__name__)

#: Workers in one round: each has three logs of bounded size, and a stop waits for the round.
ROUND = 16
#: Seconds until logs of a queue that is not configured any more are looked at again.
UNCONFIGURED_S = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of the logs of one worker.

    Attributes:
        copies: what is shown of it now.
        state: None: there is nothing to do any more.
        changed: whether something was shown or removed.
    """

    log: WorkerLog
    copies: tuple[LogCopy, ...]
    state: LogState | None
    due: float | None = None
    tries: int = 0
    why: str = ""
    changed: bool = True


class LogExposerAgent(Agent):
    """live, wanted -> shown; and what was shown long enough is removed. Nobody waits for it but the sweeper, and not for ever."""

    name = LOG_EXPOSER

    def run_once(self) -> int:
        """Show or remove the logs of some workers; return of how many that was done."""
        with self.database.read() as connection:
            found = logs.due(connection, self.clock.now(), ROUND)
            known = workers.by_ids(connection, [one.worker_id for one in found])
        return sum(self._of_queue(name, group, known) for name, group in by_queue(found, lambda one: one.queue).items())

    def next_due(self) -> float | None:
        """Return when the next log wants looking at."""
        with self.database.read() as connection:
            return logs.next_due(connection)

    @property
    def longest_pause_s(self) -> float:
        """Longest time for which a log is put off on purpose, in seconds."""
        keepings = (plugins.queue.logs for plugins in self.house.queues.values())
        return max(super().longest_pause_s, UNCONFIGURED_S, *(keeping.live_s for keeping in keepings if keeping is not None), 0.0)

    def _of_queue(self, name: str, group: Sequence[WorkerLog], known: Mapping[int, Worker]) -> int:
        plugins = self.house.queues.get(name)
        keeping = plugins.queue.logs if plugins is not None else None
        exposer = plugins.log_exposer if plugins is not None else None
        if keeping is None or exposer is None:
            self._store([self._unconfigured(one) for one in group])
            return 0
        act = _Showing(self, exposer, keeping)
        changed = 0
        for part in self.in_parallel(group, lambda some: [act.outcome(one, known.get(one.worker_id)) for one in some]):
            if any(one.changed for one in part):
                self.house.reached("logs shown, not stored")
            self._store(part)
            changed += sum(one.changed for one in part)
        return changed

    def _unconfigured(self, one: WorkerLog) -> Outcome:
        """Nobody shows logs of this queue any more: what is to be shown is not; what is shown stays, for nobody can remove it."""
        due = self.clock.now() + UNCONFIGURED_S
        if not one.copies:
            return Outcome(log=one, copies=(), state=None, changed=False)
        return Outcome(log=one, copies=one.copies, state=LogState.SHOWN, due=due, why="its queue shows no logs any more", changed=False)

    def _store(self, outcomes: Sequence[Outcome]) -> None:
        with self.database.write() as write:
            for one in outcomes:
                _store_one(write, one)


def _store_one(write: Write, one: Outcome) -> None:
    if one.state is None:
        logs.forget(write, one.log)
        return
    logs.step(write, one.log, one.state, one.due, tries=one.tries, why=one.why)
    # Also where the worker has ended meanwhile, so that these copies are known, and replaced or removed.
    logs.keep(write, one.log, one.copies)


class _Showing:
    """Shows and removes logs of one queue; safe for several threads."""

    def __init__(self, agent: Agent, exposer: LogExposer, keeping: LogKeeping) -> None:
        self.agent = agent
        self.exposer = exposer
        self.keeping = keeping

    def outcome(self, one: WorkerLog, worker: Worker | None) -> Outcome:
        if one.state is LogState.SHOWN:
            return self._hidden(one)
        if worker is None:
            return self._over(one, "its worker is not known any more")
        if one.state is LogState.WANTED and self.agent.clock.now() > one.since + self.keeping.patience_s:
            return self._over(one, one.why or "it took too long")
        if self.agent.waits(one.queue):
            return self._later(one, one.copies, "")
        return self._shown(one, worker)

    def _shown(self, one: WorkerLog, worker: Worker) -> Outcome:
        copies = {copy.kind: copy for copy in one.copies}
        why = ""
        for kind, path in files_of(worker).items():
            answer = self._answer(one, worker, kind, path, copies.get(kind))
            if isinstance(answer, Retry):
                return self._later(one, list(copies.values()), answer.why)
            if isinstance(answer, LogCopy):
                copies[kind] = answer
                continue
            why = why or answer.why
            if one.state is LogState.WANTED and kind in copies and not copies[kind].name:
                del copies[kind]  # the address of a file that is not there
        return self._next(one, tuple(copies.values()), why)

    def _answer(self, one: WorkerLog, worker: Worker, kind: LogKind, path: str, before: LogCopy | None) -> LogCopy | Retry | Failed:
        if one.state is LogState.LIVE:
            address = self.exposer.live_address(f"{worker.access_point}/{path}")
            if address:
                return LogCopy(kind=kind, name="", url=address)
            if not self.keeping.live_s:
                return Failed(why="")
        return self.agent.attempt(one.queue, lambda: self._show(worker, kind, path, before)) or Retry(why="")

    def _show(self, worker: Worker, kind: LogKind, path: str, before: LogCopy | None) -> LogCopy | Retry | Failed:
        """Show one log, unless it has not changed since it was shown last."""
        opened = open_log(worker.access_point, path)
        if isinstance(opened, NoLog):
            return Failed(why=opened.why)
        try:
            if before is not None and before.name and (before.size, before.stamp) == (opened.size, opened.stamp):
                return before
            return self._copied(worker, kind, path, opened)
        finally:
            opened.close()

    def _copied(self, worker: Worker, kind: LogKind, path: str, opened: OpenLog) -> LogCopy | Retry | Failed:
        name = name_of(self.agent.house.instance, worker.id, kind)
        ready = ReadyLog(
            name=name, worker_id=worker.id, path=f"{worker.access_point}/{path}", blocks=lambda: excerpt(opened, self.keeping.most),
        )
        shown = checked(self.exposer.show_log(ready), Shown | Retry | Failed)
        if not isinstance(shown, Shown):
            return shown
        return LogCopy(kind=kind, name=name, url=shown.url, size=opened.size, stamp=opened.stamp)

    def _next(self, one: WorkerLog, copies: tuple[LogCopy, ...], why: str) -> Outcome:
        now = self.agent.clock.now()
        changed = copies != one.copies
        if why and why != one.why:
            log.warning("a log is not shown worker=%s why=%s", one.worker_id, why)
        if one.state is LogState.LIVE:
            due = now + self.keeping.live_s if self.keeping.live_s else None
            return Outcome(log=one, copies=copies, state=LogState.LIVE, due=due, why=why, changed=changed)
        if not copies:
            return Outcome(log=one, copies=(), state=None, changed=False)
        return Outcome(log=one, copies=copies, state=LogState.SHOWN, due=one.since + self.keeping.keep_s, why=why)

    def _later(self, one: WorkerLog, copies: Sequence[LogCopy], why: str) -> Outcome:
        now, waits = self.agent.clock.now(), self.agent.waits(one.queue)
        due = self.agent.waits_until(one.queue) if waits else now + self.agent.pause_s(one.tries + 1)
        tries = one.tries if waits else one.tries + 1
        changed = tuple(copies) != one.copies
        return Outcome(log=one, copies=tuple(copies), state=one.state, due=due, tries=tries, why=why or one.why, changed=changed)

    def _over(self, one: WorkerLog, why: str) -> Outcome:
        """Give up what is not shown yet; what is stays, but for addresses of files that go."""
        log.warning("logs are not shown worker=%s why=%s", one.worker_id, why)
        copies = tuple(copy for copy in one.copies if copy.name)
        if not copies:
            return Outcome(log=one, copies=(), state=None)
        return Outcome(log=one, copies=copies, state=LogState.SHOWN, due=one.since + self.keeping.keep_s, why=why)

    def _hidden(self, one: WorkerLog) -> Outcome:
        """Remove what is shown of a worker."""
        left = list(one.copies)
        for copy in one.copies:
            hidden = self._hide(one, copy) if copy.name else Done()
            if isinstance(hidden, Retry):
                return self._later(one, left, hidden.why)
            if isinstance(hidden, Failed):
                log.error("a log cannot be removed worker=%s name=%s why=%s", one.worker_id, copy.name, hidden.why)
            left.remove(copy)
        return Outcome(log=one, copies=(), state=None)

    def _hide(self, one: WorkerLog, copy: LogCopy) -> Done | Retry | Failed:
        if self.agent.waits(one.queue):
            return Retry(why="")
        hide = lambda: checked(self.exposer.hide_log(copy.name, one.worker_id), Done | Retry | Failed)  # noqa: E731
        return self.agent.attempt(one.queue, hide) or Retry(why="")
