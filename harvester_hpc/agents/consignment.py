"""Batches are handed over to a service, under a name that makes it take each once. A part of the conveyor."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from harvester_hpc.agents.answers import checked
from harvester_hpc.agents.base import Agent
from harvester_hpc.agents.batches import Batches, named
from harvester_hpc.agents.delivery import Delivery
from harvester_hpc.model.transfer import Item, Transfer, TransferState
from harvester_hpc.ports.carrier import Accepted, Carrier, Parked, Submitted
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store import transfer as transfers
from harvester_hpc.store.parcel import Miss
from harvester_hpc.store.transfer import Heap, Mover

log = logging.getLogger(__name__)

#: Seconds after a submission within which the first look at it comes.
FIRST_LOOK_S = 5.0


class Consignment:
    """planned -> active."""

    def __init__(self, agent: Agent, batches: Batches, delivery: Delivery) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self._batches = batches
        self._delivery = delivery

    def hand_over(self, mover: Mover, plugin: Carrier, one: Transfer) -> int:
        """Submit a planned batch; one that may have been submitted before, under the same token again."""
        items = self._delivery.items(mover, one)
        if not items:
            return self._delivery.end(mover, one)
        if not one.token:
            token = self.agent.attempt(named(mover), lambda: checked(plugin.token(one), str))
            if token is None:
                return self._delivery.unheard(mover, one, items)
            with self.database.write() as write:
                transfers.set_token(write, one.id, token)
            self.house.reached("token stored")
            one = replace(one, token=token)
        answer = self.agent.attempt(named(mover), lambda: checked(plugin.submit(one, items), Submitted))
        self.house.reached("transfer submitted, not stored")
        if answer is None:
            return self._delivery.unheard(mover, one, items)
        return self._submitted(mover, plugin, one, items, answer)

    def _submitted(self, mover: Mover, plugin: Carrier, one: Transfer, items: Sequence[Item], answer: Submitted) -> int:
        match answer:
            case Accepted(task=task):
                with self.database.write() as write:
                    transfers.submitted(write, one.id, task, write.now + min(plugin.limits().poll_s, FIRST_LOOK_S))
                self._delivery.unpark(mover, one.id)
                self.house.reached("transfer stored")
                log.info("submitted transfer=%s task=%s files=%d", one.key, task, len(items))
                return 1
            case Retry(why=why):
                return self._delivery.put_off(mover, one, items, why)
            case Parked():
                return self._delivery.park(mover, one, items, answer)
            case Failed(why=why):
                return self._refused(mover, one, items, why)

    def _refused(self, mover: Mover, one: Transfer, items: Sequence[Item], why: str) -> int:
        """It will never be taken as it is."""
        if len(items) > 1:
            return self.split(mover, one, items, why)
        with self.database.write() as write:
            parcels.fail(write, {items[0].parcel.item_id: why})
            transfers.end(write, one.id, TransferState.ENDED, f"refused: {why}")
        self._delivery.unpark(mover, one.id)
        return 1

    def split(self, mover: Mover, one: Transfer, items: Sequence[Item], why: str) -> int:
        """One of the files of a batch spoils it: look for that one by halves."""
        log.warning("a batch is split transfer=%s files=%d why=%s", one.key, len(items), why)
        with self.database.write() as write:
            parcels.missed(write, one.id, [
                Miss(item_id=item.parcel.item_id, why=why, tries=item.tries, due=write.now) for item in items
            ])
            for half in (items[:len(items) // 2], items[len(items) // 2:]):
                heap = Heap(
                    source=one.source, destination=one.destination, options=transfers.stored(one.options), files=len(half), size=0,
                    since=write.now,
                )
                transfers.plan(write, mover, heap, [(item.parcel.item_id, item.parcel.size) for item in half], self._batches.key)
            transfers.end(write, one.id, TransferState.ENDED, f"split: {why}")
        self._delivery.unpark(mover, one.id)
        return 1
