"""Which of the workers that the workload management system wishes are made, where there is no room for all."""
from __future__ import annotations

from collections.abc import Mapping

#: (job type, resource type)
Kind = tuple[str, str]
ANY = "ANY"


def granted(wishes: Mapping[Kind, int], room: int) -> dict[Kind, int]:
    """Return how many workers of each kind are made: one of each in turn, until there is no more room.

    Args:
        wishes: {kind: number}.
        room: workers in all.

    Returns:
        {kind: number >= 1}, at most ``room`` in all.
    """
    given: dict[Kind, int] = {}
    left = {kind: number for kind, number in wishes.items() if number > 0}
    while left and room > 0:
        for kind in sorted(left)[:room]:
            given[kind] = given.get(kind, 0) + 1
            left[kind] -= 1
            room -= 1
        left = {kind: number for kind, number in left.items() if number}
    return given


def kind_for(resource_type: str, wishes: Mapping[Kind, int]) -> Kind | None:
    """Return the wish that a worker for jobs of this type of resources fulfils; None if there is none left.

    One for exactly this type comes before one for any; jobs without a type ("") fulfil any wish.
    """
    left = sorted(kind for kind, number in wishes.items() if number > 0)
    exact = [kind for kind in left if kind[1] == resource_type]
    open_to_all = [kind for kind in left if kind[1] == ANY or not resource_type]
    return next(iter([*exact, *open_to_all]), None)


def divided(wishes: Mapping[Kind, int], resource_types: Mapping[str, str]) -> dict[str, dict[Kind, int]]:
    """Return what is wished of each queue of one site: a worker that is wished of the site is wished of one of them.

    Args:
        resource_types: {queue: the type of resources that its workers are for; "" for any}.

    Queues for exactly the type that is wished come before those for any; among several each gets its part. What suits none is left out.
    """
    parts: dict[str, dict[Kind, int]] = {queue: {} for queue in resource_types}
    for kind, number in wishes.items():
        exact = [queue for queue, own in resource_types.items() if own == kind[1]]
        suited = exact or [queue for queue, own in resource_types.items() if ANY in (own or ANY, kind[1])]
        for place, queue in enumerate(suited):
            share = number // len(suited) + (place < number % len(suited))
            parts[queue] |= {kind: share} if share else {}
    return parts
