"""Dynamic sizing: how much of a batch queue is free now, for makers that fit their workers into it."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.outcome import Failed
from harvester_workers.free_nodes import Slot, free_slots
from harvester_workers.limits import batch_queue_of
from harvester_workers.sizing import Limits


@dataclass(slots=True, kw_only=True)
class FreeRoom:
    """What a command of the site has last said is free; without a command everything always is.

    Attributes:
        command: argv that prints what is free; empty: nobody is asked.
        timeout_s: seconds for it.
        slots: what it said last, the most nodes first; None: nobody was asked.
    """

    facility: Facility
    queue: Queue | None
    command: tuple[str, ...]
    timeout_s: float
    slots: tuple[Slot, ...] | None = None

    def ask(self) -> bool:
        """Ask what is free; tell whether any worker of the queue fits into it.

        Raises:
            Unavailable: nobody can tell.
        """
        if not self.command:
            return True
        self.slots = free_slots(self.command, self.timeout_s)
        return bool(self._usable())

    def number(self) -> int | None:
        """Return for how many workers there is room: one at a time, for what it takes is free until it starts; None: no limit."""
        return None if self.slots is None else min(1, len(self._usable()))

    def limits(self, limits: Limits) -> list[Limits]:
        """Return the limits of a worker in each of the free slots, the largest first; as they are where nobody was asked."""
        if self.slots is None:
            return [limits]
        return [
            replace(limits, most_nodes=min(limits.most_nodes, slot.nodes), walltime_s=_least(limits.walltime_s, slot.seconds))
            for slot in self.slots
        ]

    def _usable(self) -> list[Slot]:
        """Return the slots that hold the smallest worker."""
        names = self.queue.resources.all_batch_queues if self.queue else ("",)
        queues = [queue for name in names if not isinstance(queue := batch_queue_of(self.facility, name), Failed)]
        least = min((queue.min_nodes for queue in queues), default=1)
        return [slot for slot in self.slots or () if slot.nodes >= least]


def _least(one: int | None, other: int | None) -> int | None:
    return min((limit for limit in (one, other) if limit is not None), default=None)


def problems_of_command(command: Sequence[str], timeout_s: float) -> Iterator[str]:
    """Give what is wrong with the settings of a command that says what is free."""
    if command and not command[0]:
        yield "resourceCommand: the first word is the program"
    if not 0 < timeout_s <= 300:
        yield f"resourceTimeoutS: must be seconds up to 300, not {timeout_s:g}"
