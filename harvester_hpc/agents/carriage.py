"""Batches at which threads of ours are: begun, gone on with, ended. A part of the conveyor."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.agents.arrivals import UNSAID, unsaid, wants_look
from harvester_hpc.agents.base import Agent
from harvester_hpc.agents.batches import named
from harvester_hpc.agents.consignment import Consignment
from harvester_hpc.agents.copying import SILENT_S, Copied, Copying, Told
from harvester_hpc.agents.delivery import Delivery
from harvester_hpc.model.transfer import Item, Progress, Transfer
from harvester_hpc.ports.carrier import Copier, ItemEnd, ItemNews
from harvester_hpc.store import transfer as transfers
from harvester_hpc.store.transfer import Mover

log = logging.getLogger(__name__)

#: Seconds between two looks at a batch at which a thread of ours is.
COPYING_S = 1.0
#: Seconds after which a thread that was asked to end is left alone.
HANGS_S = 60.0
#: After so many ends by a defect the file that it cannot bear is looked for by halves.
DEFECTS = 3


class Carriage:
    """active -> ended, for what this process does itself: copying, and looking at what a service has moved."""

    def __init__(self, agent: Agent, copying: Copying, delivery: Delivery, consignment: Consignment) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock
        self._copying = copying
        self._delivery = delivery
        self._consignment = consignment

    def has(self, one: Transfer) -> bool:
        """Tell whether a thread of ours is at it."""
        return self._copying.has(one.id)

    def begin(self, mover: Mover, plugin: Copier, one: Transfer) -> int:
        """Copy a batch; one that another process had begun is begun again with what is left of it."""
        items = self._delivery.items(mover, one)
        if not items:
            return self._delivery.end(mover, one)
        with self.database.write() as write:
            transfers.submitted(write, one.id, "", write.now + COPYING_S)
        self.house.reached("copy begun")
        self._copying.start(plugin, one, items)
        return max(1, self.go_on(mover, one, copies=True))

    def go_on(self, mover: Mover, one: Transfer, *, copies: bool) -> int:
        """Take what has become of its files meanwhile, and end it if its thread is through.

        Args:
            copies: our thread moves the files; if not, it looks at what a service has moved.
        """
        told, end = self._copying.take(one.id)
        changed = self._delivery.settle(mover, one, told)
        moved = [news for _, news in told if news.end is ItemEnd.MOVED] if copies else []
        so_far = replace(
            one.progress, files=one.progress.files + len(moved), size=one.progress.size + sum(news.size or 0 for news in moved)
        )
        one = replace(one, progress=so_far, stuck=None if moved else one.stuck)
        self._note(one, bool(told))
        if end is None:
            return changed
        return changed + self._through(mover, one, self._copying.left(one.id), end)

    def _note(self, one: Transfer, heard: bool) -> None:
        silent_s = self._copying.silent_s(one.id)
        with self.database.write() as write:
            due = write.now + COPYING_S
            if silent_s > SILENT_S:
                transfers.progress(write, one.id, one.progress, f"nothing heard for {silent_s / 60:.0f} minutes: a file system hangs?", due)
            elif heard:
                transfers.progress(write, one.id, one.progress, "", due)
            else:
                transfers.look_again(write, one, due)

    def _through(self, mover: Mover, one: Transfer, left: Sequence[Item], end: Copied) -> int:
        if left and end.parked is not None:
            return self._delivery.park(mover, one, left, end.parked)
        if left and end.lost and end.defect and one.tries >= DEFECTS and len(left) > 1:
            return self._consignment.split(mover, one, left, end.lost)
        if left and end.lost and not (end.defect and one.tries >= DEFECTS):
            if end.refused is not None:
                self.agent.wait_for_credential(named(mover), end.refused)
            else:
                self.agent.begin_to_wait(named(mover), end.lost)
            return self._delivery.put_off(mover, one, left, end.lost)
        self.agent.works(named(mover))
        if left:
            self._delivery.settle(mover, one, list(zip(left, unsaid(left, (), end.lost or UNSAID), strict=True)))
        return self._delivery.end(mover, one)

    def check(self, mover: Mover, one: Transfer, news: Sequence[ItemNews], so_far: Progress) -> int:
        """A service is through with a batch: look at what can be read here, and end it."""
        items = self._delivery.items(mover, one)
        by_id = {item.parcel.item_id: item for item in items}
        told: list[Told] = [(by_id[word.item_id], word) for word in news if word.item_id in by_id]
        told += [(by_id[word.item_id], word) for word in unsaid(items, {word.item_id for word in news})]
        looks = {word.item_id: (item, word) for item, word in told if wants_look(item, word)}
        changed = self._delivery.settle(mover, one, [pair for pair in told if pair[1].item_id not in looks])
        with self.database.write() as write:
            transfers.progress(write, one.id, so_far, "", write.now + COPYING_S)
        if not looks:
            return changed + self._delivery.end(mover, one)
        self._copying.check(one, list(looks.values()))
        return changed + self.go_on(mover, replace(one, progress=so_far), copies=False)

    def is_let_go(self, one: Transfer) -> bool:
        """Ask the thread of a batch that nobody wants to end; tell whether it has, or hangs and is left alone."""
        if not self._copying.has(one.id):
            return True
        asked_s = self._copying.stop(one.id)
        _, end = self._copying.take(one.id)
        if end is None and asked_s < HANGS_S:
            return False
        if end is None:
            log.error("a copy hangs and is left alone transfer=%s", one.key)
        self._copying.left(one.id)
        return True

    def silent(self, mover: Mover) -> int:
        """Return how many batches of a mover hang, as it seems."""
        return sum((one.queue, one.direction, one.hop) == (mover.queue, mover.direction, mover.hop) for one in self._copying.silent())

