"""Sharing new workers out among types of resources by what waits (dynamicPartition)."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush, merge

from harvester_hpc.model.job import Job


def in_order(by_type: Mapping[str, Sequence[Job]]) -> list[Job]:
    """Return the jobs of all types by priority, each type's already in that order."""
    return list(merge(*by_type.values(), key=lambda job: (-job.priority, job.id)))


def partitioned(
    by_type: Mapping[str, Sequence[Job]], waiting: Mapping[str, int], held: Mapping[str, int], weights: Mapping[str, float]
) -> list[Job]:
    """Return the jobs in the order in which they get workers, so that each type has its share at any place in the order.

    A type that waits and has no worker comes first. The next place is always of the type that has least for its part: workers that it
    has and would have, divided by its waiting jobs times its weight. What one type does not need falls to the others.

    Args:
        by_type: {type of resources: its jobs, those of highest priority first}; shape of each (n,), n >= 1.
        waiting: how many jobs of each type wait in all; there may be more than in ``by_type``.
        held: workers that each type has, waiting or running.
        weights: of types, > 0; 1 where nothing is said.
    """
    part = {name: max(1, waiting.get(name, 0), len(jobs)) * weights.get(name, 1.0) for name, jobs in by_type.items()}
    places: list[tuple[bool, float, str, int]] = []
    for name, jobs in by_type.items():
        if jobs:
            heappush(places, _place(name, held.get(name, 0), part[name], 0))
    order: list[Job] = []
    while places:
        _, _, name, index = heappop(places)
        order.append(by_type[name][index])
        if index + 1 < len(by_type[name]):
            heappush(places, _place(name, held.get(name, 0), part[name], index + 1))
    return order


def _place(name: str, held: int, part: float, index: int) -> tuple[bool, float, str, int]:
    return held + index > 0, (held + index + 1) / part, name, index


def shares_in_words(waiting: Mapping[str, int], held: Mapping[str, int], weights: Mapping[str, float]) -> list[str]:
    """Return a line for each type that waits: its part of new workers, and what it has."""
    part = {name: number * weights.get(name, 1.0) for name, number in waiting.items() if number}
    whole = sum(part.values())
    return [
        f"dynamicPartition {name or 'no type'}: {waiting[name]} jobs wait x weight {weights.get(name, 1.0):g} = {part[name] / whole:.0%} "
        f"of new workers; it has {held.get(name, 0)} workers" for name in sorted(part)
    ]
