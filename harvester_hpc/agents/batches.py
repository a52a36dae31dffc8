"""Files that wait are asked for their way and put into batches. A part of the conveyor."""
from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence

from harvester_hpc.agents.base import Agent
from harvester_hpc.model.dialog import Level
from harvester_hpc.model.transfer import Direction, Parcel, Route
from harvester_hpc.policy.batching import Pile, Sizes, cut, goes_at
from harvester_hpc.ports.carrier import Carrier, Copier, Limits, Parked
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_hpc.store import dialog as dialogs
from harvester_hpc.store import health
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store import transfer as transfers
from harvester_hpc.store.transfer import Heap, Mover

log = logging.getLogger(__name__)

Way = Route | Retry | Failed | Parked

#: Seconds until a service is asked again where a person must act first.
PARKED_S = 300.0


class Batches:
    """waiting -> moving."""

    def __init__(self, agent: Agent) -> None:
        self.agent = agent
        self.house = agent.house
        self.database = agent.database
        self.clock = agent.clock
        self._goes: dict[Mover, float | None] = {}
        self._parked: set[Mover] = set()

    def run_once(self, hanging: Callable[[Mover], int]) -> int:
        """Route what is new, and plan the batches that are to go; return how many things changed.

        Args:
            hanging: how many batches of a mover hang, as it seems: others may go beside them, once as many.
        """
        return sum(self._one(mover, plugin, hanging(mover)) for mover, plugin in self.movers())

    def next_due(self) -> float | None:
        """Return when the next batch goes, as far as that is known now."""
        return min((time for time in self._goes.values() if time is not None), default=None)

    def movers(self) -> Iterator[tuple[Mover, Carrier | Copier]]:
        """Give the plugins of all hops."""
        for queue, plugins in self.house.queues.items():
            for direction in Direction:
                for number, plugin in enumerate(plugins.hops(direction)):
                    yield Mover(queue=queue, direction=direction, hop=number), plugin

    def plugin_of(self, mover: Mover) -> Carrier | Copier | None:
        """Return who moves; None if the configuration has nobody for it any more."""
        plugins = self.house.queues.get(mover.queue)
        hops = plugins.hops(mover.direction) if plugins else ()
        return hops[mover.hop] if mover.hop < len(hops) else None

    def is_last(self, mover: Mover) -> bool:
        """Tell whether there is no hop after this one."""
        plugins = self.house.queues.get(mover.queue)
        return plugins is None or mover.hop >= len(plugins.hops(mover.direction)) - 1

    def _one(self, mover: Mover, plugin: Carrier | Copier, hanging: int) -> int:
        limits = plugin.limits()
        return self._route(mover, plugin) + self._plan(mover, limits, min(hanging, limits.active))

    # -- the way ----------------------------------------------------------------------------------

    def _route(self, mover: Mover, plugin: Carrier | Copier) -> int:
        with self.database.read() as connection:
            found = transfers.unrouted(connection, mover, self.clock.now(), self.house.rows, last=self.is_last(mover))
        if not found or self.agent.waits(named(mover)):
            return 0
        asked = [parcel for parcel, _ in found]
        answers = self.agent.attempt_each(named(mover), found, lambda: plugin.route(asked), Way)
        if answers is None:
            self._postpone(mover, found)
            return 0
        return self._take_routes(mover, answers)

    def _take_routes(self, mover: Mover, answers: Sequence[tuple[tuple[Parcel, float], Way]]) -> int:
        now = self.clock.now()
        routes = [(parcel.item_id, answer) for (parcel, _), answer in answers if isinstance(answer, Route)]
        whys = {parcel.item_id: answer.why for (parcel, _), answer in answers if isinstance(answer, Failed)}
        later = [(parcel, since, answer) for (parcel, since), answer in answers if isinstance(answer, Retry | Parked)]
        patience = self.house.queues[mover.queue].queue.transfer_patience_s
        whys |= {parcel.item_id: f"no way in {patience / 3600:.0f} hours (transferPatience): {answer.why}"
                 for parcel, since, answer in later if now - since > patience}
        with self.database.write() as write:
            transfers.put_routes(write, routes)
            parcels.fail(write, whys)
            for parcel, _, answer in later:
                said = f"{answer.why}; {answer.remedy}" if isinstance(answer, Parked) else answer.why
                transfers.later(write, parcel.item_id, now + (PARKED_S if isinstance(answer, Parked) else PARKED_S / 10), 0, said)
        for why in sorted(set(whys.values()))[:3]:
            log.error("files without a way queue=%s direction=%s files=%d why=%s", mover.queue, mover.direction, len(whys), why)
        self._tell_parked(mover, [answer for _, _, answer in later if isinstance(answer, Parked)])
        return len(routes) + len(whys)

    def _tell_parked(self, mover: Mover, parked: Sequence[Parked]) -> None:
        """Say in ``status`` what a person must do before files have a way; take it back when they have one."""
        name = f"{named(mover)} (no way)"
        if parked:
            words = f"{parked[0].why}; {parked[0].remedy}"
            with self.database.write() as write:
                health.trouble(write, self.agent.name, name, self.clock.now() + PARKED_S, words)
                if mover not in self._parked:
                    dialogs.add(write, self.agent.name, f"queue {name}", Level.ERROR, words)
            self._parked.add(mover)
        elif mover in self._parked:
            self._parked.discard(mover)
            self.agent.forget_trouble(name)

    def _postpone(self, mover: Mover, found: Sequence[tuple[Parcel, float]]) -> None:
        """Nobody answers who knows the way."""
        until, now = self.agent.waits_until(named(mover)), self.clock.now()
        patience = self.house.queues[mover.queue].queue.transfer_patience_s
        with self.database.write() as write:
            for parcel, _ in found:
                transfers.later(write, parcel.item_id, until, 0, "the service does not answer")
            parcels.fail(write, {
                parcel.item_id: f"no way in {patience / 3600:.0f} hours (transferPatience): the service does not answer"
                for parcel, since in found if now - since > patience
            })

    # -- batches ----------------------------------------------------------------------------------

    def _plan(self, mover: Mover, limits: Limits, hanging: int) -> int:
        now = self.clock.now()
        sizes = Sizes(files=limits.files, size=limits.size, wait_s=limits.wait_s, active=limits.active)
        with self.database.read() as connection:
            active = transfers.under_way(connection, mover) - hanging
            # All that waits is grouped: not while no batch can go anyway.
            heaps = transfers.heaps(connection, mover, now) if active < sizes.active else []
        planned = 0
        later: list[float] = []
        for heap in heaps:
            pile = Pile(files=heap.files, size=heap.size, since=heap.since)
            goes = goes_at(pile, sizes, active + planned, now)
            if goes is not None and goes > now:
                later.append(goes)
            elif goes is not None:
                self._plan_one(mover, heap, sizes, now)
                planned += 1
        self._goes[mover] = min(later, default=None)
        return planned

    def _plan_one(self, mover: Mover, heap: Heap, sizes: Sizes, now: float) -> None:
        with self.database.read() as connection:
            found = transfers.oldest(connection, mover, heap, now, sizes.files)
        chosen = found[:cut([size for _, size in found], sizes)]
        with self.database.write() as write:
            number = transfers.plan(write, mover, heap, chosen, self.key)
        self.house.reached("transfer planned")
        log.info("planned transfer=%s queue=%s direction=%s files=%d", number, mover.queue, mover.direction, len(chosen))

    def key(self, number: int) -> str:
        """Return the unique name of a batch."""
        return f"{self.house.tag}-t{number}"


def named(mover: Mover) -> str:
    """Return a mover's name in ``status``."""
    hop = f" hop {mover.hop + 1}" if mover.hop else ""
    return f"{mover.queue} stage-{mover.direction}{hop}"
