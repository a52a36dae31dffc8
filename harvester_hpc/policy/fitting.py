"""Which batch queue of a facility fits a worker, and why not the others."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harvester_hpc.model.facility import BatchQueue, Facility
from harvester_hpc.model.fitting import Wish, refusals

__all__ = ["Fit", "Wish", "best", "fits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """One batch queue, held against a wish.

    Attributes:
        why_not: why it does not take such a batch job; empty: it does.
        longest_s: seconds that so many nodes may have there; None: no limit known.
        lands_in: name of the queue in which the batch job waits: behind a routing queue another than the queue's own.
        but: what is to be known of it besides: preemptible, not for production.
    """

    queue: BatchQueue
    why_not: tuple[str, ...] = ()
    longest_s: int | None = None
    lands_in: str = ""
    but: tuple[str, ...] = ()

    @property
    def takes_it(self) -> bool:
        """Tell whether it takes such a batch job."""
        return not self.why_not


def fits(facility: Facility, wish: Wish, names: Sequence[str] = ()) -> tuple[Fit, ...]:
    """Return all batch queues of a facility (or those named), in its order, held against a wish."""
    return tuple(
        Fit(
            queue=queue,
            why_not=tuple(refusals(wish, queue, facility)),
            longest_s=queue.longest_s(wish.nodes),
            lands_in=queue.lands_in(wish.nodes),
            but=tuple(_remarks(queue)),
        )
        for queue in facility.queues
        if not names or queue.name in names
    )


def best(found: Sequence[Fit]) -> Fit | None:
    """Return the first queue that takes it and is meant for it: for production, and not preemptible, if there is such a one."""
    taking = [fit for fit in found if fit.takes_it]
    return min(taking, key=lambda fit: (not fit.queue.production, fit.queue.preemptible), default=None)


def _remarks(queue: BatchQueue) -> list[str]:
    remarks = [] if queue.production else ["not meant for production"]
    return [*remarks, *(["its jobs may be ended at any time"] if queue.preemptible else [])]
