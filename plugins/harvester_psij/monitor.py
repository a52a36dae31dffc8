"""The monitor: what the batch system, or this machine, knows of workers."""
from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from harvester_hpc.errors import Unavailable
from harvester_hpc.messenger.values import Claim, Exit
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Seen, Sight, Unseen
from harvester_hpc.ports.context import Context
from harvester_psij.letters import claim_of, exit_of
from harvester_psij.local_sight import local_sight
from harvester_psij.rows import Row
from harvester_psij.setup_problems import setup_problems
from harvester_psij.sight import sight_of
from harvester_psij.slurm import Slurm
from harvester_psij.states import meaning_of

log = logging.getLogger(__name__)


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
        self._slurm = Slurm(settings.command_timeout_s)
        self._is_local = context.facility.scheduler == "local"
        #: Seconds between two looks at the soonest: a scheduler is many people's, and the doorbell tells sooner.
        self.shortest_look_s = 1.0 if self._is_local else 5.0

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
        if self._is_local:
            return [local_sight(worker) for worker in workers]
        try:
            listed = self._slurm.queue()
        except Unavailable as error:
            return self._by_letters(workers, error)
        copies = Counter(row.name for row in listed)
        queue = {row.batch_id: row for row in listed}
        looks = [_look(worker, queue, copies[worker.key] > 1) for worker in workers]
        missing = [look.batch_id for look in looks if look.batch_id not in queue and look.wants_accounting]
        try:
            accounted = {row.batch_id: row for row in self._slurm.accounting(ids=missing)} if missing else {}
        except Unavailable as error:
            log.warning("%s; %d workers that left the queue wait for it", error, len(missing))
            return [self._sight(look, queue, {}, silence=str(error)) for look in looks]
        return [self._sight(look, queue, accounted) for look in looks]

    def _by_letters(self, workers: Sequence[Worker], error: Unavailable) -> Sequence[Sight]:
        """What exit codes settle is settled, even when the batch system is silent; if they settle nothing, nothing is known."""
        sights: list[Sight] = []
        for worker in workers:
            ended = exit_of(worker.access_point)
            # After the patience that a bad exit code has for the batch system's reason, see ``sight``.
            sights.append(
                sight_of(worker, None, claim_of(worker.access_point), ended, time.time()) if ended else Unseen(why=str(error))
            )
        if not any(isinstance(sight, Seen) for sight in sights):
            raise error
        return sights

    def _sight(self, look: Look, queue: Mapping[str, Row], accounted: Mapping[str, Row], silence: str = "") -> Sight:
        row = queue.get(look.batch_id) or accounted.get(look.batch_id)
        if row is None and silence and look.ended is None:
            return Unseen(why=silence)
        sight = sight_of(look.worker, row, look.claim, look.ended, time.time())
        if isinstance(sight, Unseen) and sight.gone:
            # The letter may have come between our look at it and the batch system's answer.
            late = exit_of(look.worker.access_point)
            if late is not None:
                return sight_of(look.worker, row, claim_of(look.worker.access_point), late, time.time())
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


def _look(worker: Worker, queue: Mapping[str, Row], has_copies: bool) -> Look:
    """Read the letters that can have changed something: a waiting batch job has none, a running one has its claim already."""
    row = queue.get(worker.batch_id)
    meaning = meaning_of(row.code) if row else None
    waits = meaning is not None and meaning.state is WorkerState.SUBMITTED and not has_copies
    runs_on = meaning is not None and meaning.state is WorkerState.RUNNING and worker.state is WorkerState.RUNNING
    claim = None if (waits or runs_on) and not has_copies else claim_of(worker.access_point)
    return Look(worker=worker, claim=claim, ended=None if waits else exit_of(worker.access_point))
