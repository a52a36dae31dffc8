"""What becomes of a batch: its files arrive or are tried again, it ends, or it has to wait. A part of the conveyor."""
from __future__ import annotations

import logging
from collections.abc import Sequence

from harvester_hpc.agents.arrivals import judged, missed
from harvester_hpc.agents.base import Agent
from harvester_hpc.agents.batches import PARKED_S, Batches, named
from harvester_hpc.model.dialog import Level
from harvester_hpc.model.transfer import Item, Transfer, TransferId, TransferState
from harvester_hpc.ports.carrier import ItemNews, Parked
from harvester_hpc.store import dialog as dialogs
from harvester_hpc.store import health
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store import transfer as transfers
from harvester_hpc.store.parcel import Arrival, Miss
from harvester_hpc.store.transfer import Mover

log = logging.getLogger(__name__)

#: Files in one commit.
AT_ONCE = 1000


class Delivery:
    """Stores what became of batches, and of the files in them."""

    def __init__(self, agent: Agent, batches: Batches) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock
        self._batches = batches
        self._parked: dict[str, set[TransferId]] = {}

    # -- what became of them ----------------------------------------------------------------------

    def settle(self, mover: Mover, one: Transfer, told: Sequence[tuple[Item, ItemNews]]) -> int:
        """Store the end of each file, of which all that can be known is known; return how many."""
        plugin = self._batches.plugin_of(mover)
        if not told or plugin is None:
            return 0
        tries, last = plugin.limits().tries, self._batches.is_last(mover)

        def again_at(number: int) -> float:
            return self.clock.now() + self.agent.pause_s(number)

        for start in range(0, len(told), AT_ONCE):
            ends = [judged(item, news, last=last, tries=tries, again_at=again_at) for item, news in told[start:start + AT_ONCE]]
            self.house.reached("files arrived, not stored")
            with self.database.write() as write:
                parcels.arrived(write, one.id, [end for end in ends if isinstance(end, Arrival)])
                parcels.missed(write, one.id, [end for end in ends if isinstance(end, Miss)])
            self.house.reached("arrivals stored")
            _log_misses(one, [end for end in ends if isinstance(end, Miss)])
        return len(told)

    def end(self, mover: Mover, one: Transfer) -> int:
        """Each file of a batch has its end."""
        with self.database.write() as write:
            transfers.end(write, one.id, TransferState.ENDED)
        self.unpark(mover, one.id)
        self.house.reached("transfer ended")
        return 1

    # -- not now ----------------------------------------------------------------------------------

    def unheard(self, mover: Mover, one: Transfer, items: Sequence[Item] | None) -> int:
        """The service has not answered."""
        return self.put_off(mover, one, items, "the service does not answer", due=self.agent.waits_until(named(mover)))

    def put_off(self, mover: Mover, one: Transfer, items: Sequence[Item] | None, why: str, *, due: float | None = None) -> int:
        """A batch does not go on for now; once the patience is at its end its files have failed."""
        if self.is_out_of_patience(one):
            return self.give_up(mover, one, items, why)
        number = one.tries + 1
        self.again(one, due or self.clock.now() + self.agent.pause_s(number), why, tries=number)
        return 0

    def park(self, mover: Mover, one: Transfer, items: Sequence[Item] | None, parked: Parked) -> int:
        """A person must act before a batch goes on."""
        if self.is_out_of_patience(one):
            return self.give_up(mover, one, items, f"{parked.why}; {parked.remedy}")
        until = self.clock.now() + PARKED_S
        waiting = self._parked.setdefault(named(mover), set())
        is_new = not waiting
        waiting.add(one.id)
        self.again(one, until, parked.why, parked.remedy, tries=one.tries)
        with self.database.write() as write:
            health.trouble(write, self.agent.name, f"{named(mover)} (parked)", until, f"{parked.why}; {parked.remedy}")
            if is_new:
                log.error("a person must act queue=%s why=%s remedy=%s", one.queue, parked.why, parked.remedy)
                dialogs.add(write, self.agent.name, f"queue {named(mover)} (parked)", Level.ERROR, f"{parked.why}; {parked.remedy}")
        return 0

    def unpark(self, mover: Mover, transfer_id: TransferId) -> None:
        """It goes on: the trouble is over for all that waited for the same person."""
        if self._parked.pop(named(mover), None) is None:
            return
        log.info("goes on again queue=%s transfer=%s", mover.queue, transfer_id)
        self.agent.forget_trouble(f"{named(mover)} (parked)")
        with self.database.write() as write:
            transfers.hurry_parked(write, mover)

    def is_out_of_patience(self, one: Transfer, times: float = 1.0) -> bool:
        """Tell whether a batch has stood still for ``times`` its queue's patience."""
        plugins = self.house.queues.get(one.queue)
        return plugins is not None and one.stuck is not None and self.clock.now() - one.stuck > times * plugins.queue.transfer_patience_s

    def give_up(self, mover: Mover, one: Transfer, items: Sequence[Item] | None, why: str) -> int:
        """The patience with a service has an end: the files of the batch have failed."""
        hours = (self.clock.now() - (one.stuck or one.created)) / 3600.0
        said = f"not moved in {hours:.0f} hours (transferPatience): {why}"
        log.error("gave up transfer=%s queue=%s why=%s", one.key, one.queue, said)
        listed = self.items(mover, one) if items is None else items
        ends = [missed(item, said, 1, lambda number: 0.0, for_good=True) for item in listed]
        with self.database.write() as write:
            parcels.missed(write, one.id, ends)
            transfers.cancel(write, [one.id])  # the service may still have it
        return len(listed)

    def again(self, one: Transfer, due: float, why: str, remedy: str = "", *, tries: int) -> None:
        """A batch does not go on for now."""
        with self.database.write() as write:
            transfers.again(write, one, due, why, remedy, tries=tries)

    def look_again(self, one: Transfer, due: float) -> None:
        """Nothing has changed."""
        with self.database.write() as write:
            transfers.look_again(write, one, due)

    def items(self, mover: Mover, one: Transfer) -> list[Item]:
        """Return the files of a batch that have no end yet."""
        with self.database.read() as connection:
            return transfers.items(connection, one.id, last=self._batches.is_last(mover))


def _log_misses(one: Transfer, misses: Sequence[Miss]) -> None:
    """Say each reason once, whatever the number of files."""
    by_why: dict[str, int] = {}
    for miss in misses:
        by_why[miss.why] = by_why.get(miss.why, 0) + 1
    for why, number in list(by_why.items())[:5]:
        log.warning("did not arrive transfer=%s files=%d why=%s", one.key, number, why)
