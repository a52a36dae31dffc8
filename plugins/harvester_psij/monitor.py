"""The monitor: what the batch system, or this machine, knows of workers."""
from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harvester_hpc.errors import Unavailable
from harvester_hpc.messenger.values import Claim, Exit
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Sight, Unseen
from harvester_hpc.ports.context import Context
from harvester_psij.desk import Asked, Desk, desk_of
from harvester_psij.letters import claim_of, exit_of
from harvester_psij.local_sight import local_sight
from harvester_psij.rows import NOTHING_TOLD, Index, Listing
from harvester_psij.setup_problems import setup_problems
from harvester_psij.sight import sight_of
from harvester_psij.wanted import batch_queue


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitorSettings:
    """Settings of the monitor.

    Attributes:
        command_timeout_s: seconds that a command of the batch system is waited for.
    """

    command_timeout_s: float = 30.0


class PsijMonitor:
    """Looks at workers: letters first, then one command for the queue, then one for the accounting of those that left it."""

    Settings: ClassVar[type[Any]] = MonitorSettings

    def __init__(self, settings: MonitorSettings, context: Context) -> None:
        """Keep what was given; nothing is imported or touched."""
        self._context = context
        self._desk = desk_of(context, settings.command_timeout_s)
        if self._desk is not None and context.queue is not None:
            self._desk.hurry(context.queue.poll_s)
        #: Seconds until the first look: a scheduler is many people's, and the doorbell tells sooner.
        self.shortest_look_s = 5.0 if self._desk else 1.0

    @property
    def asks(self) -> object:
        """What it asks; see ``ports.batch.Monitor``."""
        return self._desk or self

    def next_answer(self) -> float:
        """Return when asking tells something new, seconds since 1970; see ``ports.batch.Monitor``."""
        return self._desk.next_answer() if self._desk else 0.0

    @staticmethod
    def problems(settings: MonitorSettings, context: Context) -> tuple[str, ...]:
        """Return what types cannot tell, one line each."""
        return setup_problems(settings, context)

    def report_updated_workers(self, time_window: float) -> Sequence[tuple[int, float]]:
        """Nothing here tells of changes by itself; see ``ports.batch.Monitor``."""
        return ()

    def check_workers(self, workers: Sequence[Worker]) -> Sequence[Sight]:
        """Look at all of them; see ``ports.batch.Monitor``."""
        if not workers:
            return []
        if self._desk is None:
            return [local_sight(worker) for worker in workers]
        asked = self._desk.queue({worker.batch_id: worker.submitted or 0.0 for worker in workers})
        return self._by_answer(self._desk, workers, asked)

    def check_letters(self, workers: Sequence[Worker]) -> Sequence[Sight]:
        """Look at what exit codes settle while the batch system is silent; see ``ports.batch.Monitor``."""
        return [self._by_letters(worker) for worker in workers]

    def _by_answer(self, desk: Desk, workers: Sequence[Worker], asked: Asked) -> Sequence[Sight]:
        looks, queue = _looks(workers, asked), Index(asked.listing.rows)
        try:
            # Claims tell of batch jobs that nobody has asked about yet.
            asked = desk.also(asked, {look.batch_id: look.worker.submitted or 0.0 for look in looks})
            queue = Index(asked.listing.rows)
            absent = [look.batch_id for look in looks if look.wants_accounting and _is_absent(look, queue, asked)]
            accounted, silence = desk.accounting(absent) if absent else NOTHING_TOLD, ""
        except Unavailable as error:
            accounted, silence = NOTHING_TOLD, str(error)
        kept = Index(accounted.rows)
        return [
            Unseen(why="the batch system has not been asked about it yet") if _is_early(look, queue, asked)
            else self._sight(look, queue, kept, away=silence, unread=_silence(look, asked, accounted))
            for look in looks
        ]

    def _by_letters(self, worker: Worker) -> Sight:
        ended = exit_of(worker.access_point)
        # After a bad exit code the batch system may run the worker again.
        if ended is None or (ended.exit_code != 0 and self._may_requeue(worker)):
            return Unseen(why="the batch system does not answer")
        return sight_of(worker, None, claim_of(worker.access_point), ended, time.time())

    def _may_requeue(self, worker: Worker) -> bool:
        facility = self._context.facility
        return facility.requeues(batch_queue(worker, facility))

    def _sight(self, look: Look, queue: Index, accounted: Index, away: str, unread: str) -> Sight:
        row = queue.get(look.batch_id) or accounted.get(look.batch_id)
        if row is None and (away or unread) and look.ended is None:
            return Unseen(why=away or unread, away=bool(away))
        may_requeue = self._may_requeue(look.worker)
        sight = sight_of(look.worker, row, look.claim, look.ended, time.time(), may_requeue=may_requeue)
        if isinstance(sight, Unseen) and sight.gone:
            # The letter may have come between our look at it and the batch system's answer.
            late = exit_of(look.worker.access_point)
            if late is not None:
                return sight_of(look.worker, row, claim_of(look.worker.access_point), late, time.time(), may_requeue=may_requeue)
        return sight


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A worker, its letters, and the number of the batch job that counts: the claim's, else the one we knew."""

    worker: Worker
    claim: Claim | None
    ended: Exit | None

    @property
    def batch_id(self) -> str:
        """The number to ask for."""
        return self.claim.batch_id if self.claim else self.worker.batch_id

    @property
    def wants_accounting(self) -> bool:
        """Its letters alone do not settle it."""
        return self.ended is None or self.ended.exit_code != 0


def _is_early(look: Look, queue: Index, asked: Asked) -> bool:
    """The last answer is older than the batch job, or was not about it; its letters alone do not settle it."""
    return look.wants_accounting and queue.get(look.batch_id) is None and not asked.covers(look.batch_id, look.worker.submitted or 0.0)


def _is_absent(look: Look, queue: Index, asked: Asked) -> bool:
    """The answer says that the queue has it not: it was asked about, it was there by then, and nothing of the answer was unreadable."""
    covered = asked.covers(look.batch_id, look.worker.submitted or 0.0)
    return covered and queue.get(look.batch_id) is None and not asked.listing.may_hold(look.batch_id)


def _silence(look: Look, asked: Asked, accounted: Listing) -> str:
    """Return why an answer without a row for it means nothing; "" if it means that the batch system has it no more."""
    if asked.listing.may_hold(look.batch_id) or accounted.may_hold(look.batch_id):
        return "the batch system's answer could not be read in full"
    return ""


def _looks(workers: Sequence[Worker], asked: Asked) -> list[Look]:
    copies = Counter(row.name for row in asked.listing.rows)
    queue = Index(asked.listing.rows)
    return [_look(worker, queue, copies[worker.key] > 1) for worker in workers]


def _look(worker: Worker, queue: Index, has_copies: bool) -> Look:
    """Read the letters that can have changed something: a waiting batch job has none, a running one has its claim already."""
    row = queue.get(worker.batch_id)
    meaning = row.meaning if row else None
    waits = meaning is not None and meaning.state is WorkerState.SUBMITTED and not has_copies
    runs_on = meaning is not None and meaning.state is WorkerState.RUNNING and worker.state is WorkerState.RUNNING
    claim = None if (waits or runs_on) and not has_copies else claim_of(worker.access_point)
    return Look(worker=worker, claim=claim, ended=None if waits else exit_of(worker.access_point))
