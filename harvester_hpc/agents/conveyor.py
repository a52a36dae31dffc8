"""The conveyor: moves batches of files of many jobs, each stored before anybody outside hears of it."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from harvester_hpc.agents.arrivals import unsaid
from harvester_hpc.agents.base import Agent, Surroundings, checked
from harvester_hpc.agents.batches import Batches, named
from harvester_hpc.agents.copying import Copied, Copying
from harvester_hpc.agents.delivery import Delivery
from harvester_hpc.model.transfer import Item, ItemId, Progress, Transfer, TransferId, TransferState
from harvester_hpc.model.turn import CONVEYOR
from harvester_hpc.ports.carrier import Accepted, Carrier, Copier, Ended, Gone, ItemNews, Moving, Parked, Seen, Submitted
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store import transfer as transfers
from harvester_hpc.store.parcel import Miss
from harvester_hpc.store.transfer import Heap, Mover

if TYPE_CHECKING:
    from typing_extensions import TypeIs

log = logging.getLogger(__name__)

#: Seconds between two looks at a batch that this process copies itself, and between two looks for files that nobody wants.
COPYING_S, UNWANTED_S = 1.0, 10.0
#: Seconds for which a batch that has ended stays visible.
KEEP_S = 7 * 86400.0


class Conveyor(Agent):
    """planned -> active -> ended. A planned batch may or may not be known outside: it is handed over again under the same name."""

    name = CONVEYOR

    def __init__(self, house: Surroundings, period_s: float) -> None:
        super().__init__(house, period_s)
        self._batches = Batches(self)
        self._delivery = Delivery(self, self._batches)
        self._copying = Copying()
        self._wanted_at = 0.0
        self._wanted_after = ItemId(0)

    def run_once(self) -> int:
        """Let go what nobody wants, go on with the batches that are due, and plan new ones."""
        changed = self._let_go() + self._go_on() + self._batches.run_once()
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

    def close(self) -> None:
        """End the copies under way."""
        self._copying.close()
        super().close()

    # -- what nobody wants ------------------------------------------------------------------------

    def _let_go(self) -> int:
        """Drop files of jobs that are over, some at a time; a batch without any file that is wanted is cancelled."""
        now = self.clock.now()
        if 0.0 <= now - self._wanted_at < UNWANTED_S:
            return 0
        self._wanted_at = now
        with self.database.read() as connection:
            found = parcels.open_items(connection, self._wanted_after, self.house.rows)
            unwanted = parcels.unwanted(connection, found) if found else []
        self._wanted_after = found[-1] if len(found) == self.house.rows else ItemId(0)
        if not unwanted:
            return self._forget(now)
        batches = {transfer_id for _, transfer_id in unwanted if transfer_id is not None}
        with self.database.write() as write:
            parcels.drop(write, [item_id for item_id, _ in unwanted])
            transfers.cancel(write, [one for one in batches if transfers.is_empty(write.connection, one)])
        log.info("files that no job wants any more are let go files=%d", len(unwanted))
        return len(unwanted)

    def _forget(self, now: float) -> int:
        with self.database.read() as connection:
            over = transfers.any_over(connection, now - KEEP_S)
        if not over:
            return 0
        with self.database.write() as write:
            return transfers.forget(write, now - KEEP_S, self.house.rows)

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
                why = f"queue {one.queue} has no plugin for it any more"
                self._delivery.again(one, self.clock.now() + self.period_s, why, tries=one.tries)
            elif self.waits(named(mover)):
                self._delivery.look_again(one, self.waits_until(named(mover)))
            elif cancelled:
                changed += self._cancel(mover, plugin, one)
            elif one.state is TransferState.PLANNED:
                changed += self._hand_over(mover, plugin, one)
            elif is_copier(plugin):
                changed += self._go_on_copying(mover, plugin, one)
            else:
                groups.setdefault(mover, []).append(one)
        return changed + sum(self._look(mover, group) for mover, group in groups.items())

    def _cancel(self, mover: Mover, plugin: Carrier | Copier, one: Transfer) -> int:
        if is_copier(plugin):
            self._copying.stop(one.id)
            if self._copying.has(one.id) and self._copying.take(one.id)[1] is None:
                self._delivery.look_again(one, self.clock.now() + COPYING_S)
                return 0
        elif not self._is_cancelled(mover, plugin, one):
            self._delivery.look_again(one, self.waits_until(named(mover)))
            return 0
        with self.database.write() as write:
            transfers.end(write, one.id, TransferState.CANCELLED, "no job wants it any more")
        self._delivery.unpark(mover, one.id)
        return 1

    def _is_cancelled(self, mover: Mover, plugin: Carrier, one: Transfer) -> bool:
        def cancel() -> bool:
            plugin.cancel(one)
            return True

        return self.attempt(named(mover), cancel) is True

    # -- hand over --------------------------------------------------------------------------------

    def _hand_over(self, mover: Mover, plugin: Carrier | Copier, one: Transfer) -> int:
        items = self._delivery.items(mover, one)
        if not items:
            return self._delivery.end(mover, one)
        if is_copier(plugin):
            with self.database.write() as write:
                transfers.submitted(write, one.id, "", write.now + COPYING_S)
            self.house.reached("copy begun")
            self._copying.start(plugin, one, items)
            return 1
        if not one.token:
            token = self.attempt(named(mover), lambda: checked(plugin.token(one), str))
            if token is None:
                return self._delivery.unheard(mover, one, items)
            with self.database.write() as write:
                transfers.set_token(write, one.id, token)
            self.house.reached("token stored")
            one = replace(one, token=token)
        answer = self.attempt(named(mover), lambda: checked(plugin.submit(one, items), Submitted))
        self.house.reached("transfer submitted, not stored")
        if answer is None:
            return self._delivery.unheard(mover, one, items)
        return self._submitted(mover, plugin, one, items, answer)

    def _submitted(self, mover: Mover, plugin: Carrier, one: Transfer, items: Sequence[Item], answer: Submitted) -> int:
        match answer:
            case Accepted(task=task):
                with self.database.write() as write:
                    transfers.submitted(write, one.id, task, write.now + min(plugin.limits().poll_s, 5.0))
                self._delivery.unpark(mover, one.id)
                self.house.reached("transfer stored")
                log.info("submitted transfer=%s task=%s files=%d", one.key, task, len(items))
                return 1
            case Retry(why=why):
                return self._delivery.put_off(mover, one, items, why)
            case Parked():
                return self._delivery.park(mover, one, items, answer)
            case Failed(why=why):
                return self._split(mover, one, items, why)

    def _split(self, mover: Mover, one: Transfer, items: Sequence[Item], why: str) -> int:
        """One of its files will never be taken: look for it by halves."""
        log.warning("a batch is refused transfer=%s files=%d why=%s", one.key, len(items), why)
        ids = [item.parcel.item_id for item in items]
        with self.database.write() as write:
            if len(items) == 1:
                parcels.fail(write, {ids[0]: why})
            else:
                parcels.missed(write, one.id, [
                    Miss(item_id=item.parcel.item_id, why=why, tries=item.tries, due=write.now) for item in items
                ])
                for half in (items[:len(items) // 2], items[len(items) // 2:]):
                    heap = Heap(
                        source=one.source, destination=one.destination, options=transfers.stored(one.options), files=len(half),
                        size=0, since=write.now,
                    )
                    transfers.plan(write, mover, heap, [(item.parcel.item_id, item.parcel.size) for item in half], self._batches.key)
            transfers.end(write, one.id, TransferState.ENDED, f"refused: {why}")
        self._delivery.unpark(mover, one.id)
        return 1

    # -- copied by ourselves ----------------------------------------------------------------------

    def _go_on_copying(self, mover: Mover, plugin: Copier, one: Transfer) -> int:
        if not self._copying.has(one.id):  # another process has begun it
            items = self._delivery.items(mover, one)
            if not items:
                return self._delivery.end(mover, one)
            self._copying.start(plugin, one, items)
            self._delivery.look_again(one, self.clock.now() + COPYING_S)
            return 1
        news, end = self._copying.take(one.id)
        items = self._delivery.items(mover, one) if news or end is not None else []
        changed = self._delivery.settle(mover, one, items, news)
        if end is None:
            so_far = Progress(files=one.files - len(items) + changed, size=one.progress.size + sum(said.size or 0 for said in news))
            with self.database.write() as write:
                if news:
                    transfers.progress(write, one.id, so_far, "", write.now + COPYING_S)
                else:
                    transfers.look_again(write, one, write.now + COPYING_S)
            return changed
        return changed + self._copied(mover, one, items, news, end)

    def _copied(self, mover: Mover, one: Transfer, items: Sequence[Item], news: Sequence[ItemNews], end: Copied) -> int:
        said = {told.item_id for told in news}
        left = [item for item in items if item.parcel.item_id not in said]
        if left and end.parked is not None:
            return self._delivery.park(mover, one, left, end.parked)
        if left and end.lost and not (end.defect and one.tries >= 3):
            self.begin_to_wait(named(mover), end.lost)
            return self._delivery.put_off(mover, one, left, end.lost)
        self.works(named(mover))
        if left:
            self._delivery.settle(mover, one, left, [
                replace(told, why=end.lost or told.why) for told in unsaid(left, set())
            ])
        return self._delivery.end(mover, one)

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
            case Moving(progress=so_far, why=why):
                now = self.clock.now()
                age = now - (one.submitted or now)
                with self.database.write() as write:
                    transfers.progress(write, one.id, so_far, why, now + max(min(plugin.limits().poll_s, age / 2.0), 1.0))
                self._delivery.unpark(mover, one.id)
                return 0
            case Ended(items=news, progress=so_far):
                return self._ended(mover, one, news, so_far)
            case Parked():
                return self._delivery.park(mover, one, None, answer)
            case Gone(why=why):
                log.warning("a batch is not known any more transfer=%s task=%s why=%s", one.key, one.task, why)
                with self.database.write() as write:
                    transfers.planned_again(write, one.id, f"the service does not know it any more: {why}")
                return 1

    def _ended(self, mover: Mover, one: Transfer, news: Sequence[ItemNews], so_far: Progress) -> int:
        items = self._delivery.items(mover, one)
        said = {told.item_id for told in news}
        changed = self._delivery.settle(mover, one, items, [*news, *unsaid(items, said)])
        with self.database.write() as write:
            transfers.progress(write, one.id, so_far, "", write.now)
        return changed + self._delivery.end(mover, one)


def is_copier(plugin: Carrier | Copier) -> TypeIs[Copier]:
    """Tell whether a plugin moves batches itself."""
    return callable(getattr(plugin, "copy", None))
