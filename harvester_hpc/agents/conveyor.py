"""The conveyor: moves batches of files of many jobs, each stored before anybody outside hears of it."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING

from harvester_hpc.agents.base import Agent, Surroundings
from harvester_hpc.agents.batches import Batches, named
from harvester_hpc.agents.carriage import COPYING_S, Carriage
from harvester_hpc.agents.consignment import Consignment
from harvester_hpc.agents.copying import Copying
from harvester_hpc.agents.delivery import Delivery
from harvester_hpc.agents.unwanted_files import UnwantedFiles
from harvester_hpc.model.transfer import Direction, Item, Transfer, TransferId, TransferState
from harvester_hpc.model.turn import CONVEYOR
from harvester_hpc.ports.carrier import Carrier, Copier, Ended, Gone, Moving, Parked, Seen
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store import transfer as transfers
from harvester_hpc.store.transfer import Mover

if TYPE_CHECKING:
    from typing_extensions import TypeIs

log = logging.getLogger(__name__)


class Conveyor(Agent):
    """planned -> active -> ended. A planned batch may or may not be known outside: it is handed over again under the same name."""

    name = CONVEYOR

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._copying = Copying(house.parallel)
        self._unwanted = UnwantedFiles(self)
        self._batches = Batches(self)
        self._delivery = Delivery(self, self._batches)
        self._consignment = Consignment(self, self._batches, self._delivery)
        self._carriage = Carriage(self, self._copying, self._delivery, self._consignment)
        self._settled = False

    def run_once(self) -> int:
        """Let go what nobody wants, go on with the batches that are due, and plan new ones."""
        changed = self._settle_in() + self._unwanted.run_once() + self._go_on() + self._batches.run_once(self._carriage.silent)
        if changed:
            return changed + self._go_on()
        return 0

    def next_due(self) -> float | None:
        """Return when a batch wants looking at, or goes."""
        now = self.clock.now()
        with self.database.read() as connection:
            times = [transfers.next_due(connection, now), self._batches.next_due()]
        if len(self._copying):
            times.append(now + COPYING_S)
        return min((time for time in times if time is not None), default=None)

    def is_busy(self) -> bool:
        """Tell whether threads of ours are at a batch."""
        return len(self._copying) > 0

    def hangs(self) -> bool:
        """Tell whether a thread has not ended."""
        return self._copying.hangs()

    def close(self) -> None:
        """End the copies under way."""
        self._copying.close()
        super().close()

    def _settle_in(self) -> int:
        """Once in a process: what waits for a person is asked for at once, and what was on a hop that there is no more begins again."""
        if self._settled:
            return 0
        self._settled = True
        changed = 0
        with self.database.write() as write:
            for mover, _ in self._batches.movers():
                transfers.hurry_parked(write, mover)
            for queue, plugins in self.house.queues.items():
                for direction in Direction:
                    changed += parcels.begin_again(write, queue, direction, len(plugins.hops(direction)))
        if changed:
            log.warning("files were on a hop that is not configured any more and begin at the first one files=%d", changed)
        return changed

    # -- batches under way ------------------------------------------------------------------------

    def _go_on(self) -> int:
        with self.database.read() as connection:
            due = transfers.due(connection, self.clock.now(), self.house.rows)
        changed = 0
        groups: dict[Mover, list[Transfer]] = {}
        for one, cancelled in due:
            mover = Mover(queue=one.queue, direction=one.direction, hop=one.hop)
            plugin = self._batches.plugin_of(mover)
            if plugin is None:
                changed += self._without_plugin(mover, one, cancelled)
            elif cancelled:
                changed += self._cancel(mover, plugin, one)
            elif self._carriage.has(one):
                changed += self._carriage.go_on(mover, one, copies=is_copier(plugin))
            elif self.waits(named(mover)):
                self._delivery.look_again(one, self.waits_until(named(mover)))
            elif is_copier(plugin):
                changed += self._carriage.begin(mover, plugin, one)
            elif one.state is TransferState.PLANNED:
                changed += self._consignment.hand_over(mover, plugin, one)
            else:
                groups.setdefault(mover, []).append(one)
        return changed + sum(self._look(mover, group) for mover, group in groups.items())

    def _without_plugin(self, mover: Mover, one: Transfer, cancelled: bool) -> int:
        """The queue, or its hop, is not configured any more: it may come back, unless nobody wants the files."""
        if cancelled or not self._delivery.items(mover, one):
            return self._end_cancelled(mover, one)
        why = f"queue {one.queue} has no plugin for it any more; add it again, or kill its jobs"
        self._delivery.again(one, self.clock.now() + self.period_s, why, tries=one.tries)
        return 0

    def _cancel(self, mover: Mover, plugin: Carrier | Copier, one: Transfer) -> int:
        if not self._carriage.is_let_go(one):
            self._delivery.look_again(one, self.clock.now() + COPYING_S)
            return 0
        if not is_copier(plugin) and not self._is_cancelled(mover, plugin, one):
            if not self._delivery.is_out_of_patience(one, times=2.0):
                self._delivery.again(one, self.clock.now() + self.period_s, "the service does not answer", tries=one.tries)
                return 0
            log.error("a batch could not be cancelled and is left to the service transfer=%s task=%s", one.key, one.task or "-")
        return self._end_cancelled(mover, one)

    def _end_cancelled(self, mover: Mover, one: Transfer) -> int:
        with self.database.write() as write:
            transfers.end(write, one.id, TransferState.CANCELLED, "no job wants it any more")
        self._delivery.unpark(mover, one.id)
        return 1

    def _is_cancelled(self, mover: Mover, plugin: Carrier, one: Transfer) -> bool:
        def cancel() -> bool:
            plugin.cancel(one)
            return True

        return not self.waits(named(mover)) and self.attempt(named(mover), cancel) is True

    # -- moved by others --------------------------------------------------------------------------

    def _look(self, mover: Mover, group: Sequence[Transfer]) -> int:
        plugin = self._batches.plugin_of(mover)
        assert plugin is not None
        assert not is_copier(plugin)
        read: dict[TransferId, list[Item]] = {}

        def items_of(one: Transfer) -> Sequence[Item]:
            return read.setdefault(one.id, self._delivery.items(mover, one))

        answers = self.attempt_each(named(mover), group, lambda: plugin.look(group, items_of), Seen)
        self.house.reached("transfers looked at, not stored")
        if answers is None:
            return sum(self._delivery.unheard(mover, one, None) for one in group)
        return sum(self._seen(mover, plugin, one, answer) for one, answer in answers)

    def _seen(self, mover: Mover, plugin: Carrier, one: Transfer, answer: Seen) -> int:
        match answer:
            case Moving():
                self._goes_on(plugin, one, answer)
                self._delivery.unpark(mover, one.id)
                return 0
            case Ended(items=news, progress=so_far):
                self.works(named(mover))
                return self._carriage.check(mover, one, news, so_far)
            case Parked():
                return self._delivery.park(mover, one, None, answer)
            case Gone(why=why):
                log.warning("a batch is not known any more transfer=%s task=%s why=%s", one.key, one.task, why)
                with self.database.write() as write:
                    transfers.planned_again(write, one.id, f"the service does not know it any more: {why}")
                return 1

    def _goes_on(self, plugin: Carrier, one: Transfer, answer: Moving) -> None:
        now = self.clock.now()
        age_s = now - (one.submitted or now)
        with self.database.write() as write:
            transfers.progress(write, one.id, answer.progress, answer.why, now + max(min(plugin.limits().poll_s, age_s / 2.0), 1.0))
            if transfers.is_empty(write.connection, one.id):  # its jobs are forgotten
                transfers.cancel(write, [one.id])


def is_copier(plugin: Carrier | Copier) -> TypeIs[Copier]:
    """Tell whether a plugin moves batches itself."""
    return callable(getattr(plugin, "copy", None))
