"""Which outputs of event ranges go into one zip, and when."""
from __future__ import annotations

from collections.abc import Sequence

from harvester_hpc.model.event import EventId

#: Megabytes of a zip where the queue does not say (zipPerMB).
DEFAULT_MB = 100
#: Outputs in one zip, at most.
MOST_MEMBERS = 10_000
#: Seconds between two looks at outputs that fill no zip: then they go as they are.
PATIENCE_S = 120.0


def bunches(sizes: Sequence[tuple[EventId, int]], per_mb: int, *, all_of_it: bool) -> list[list[EventId]]:
    """Return the rows that go into each zip, in order.

    Args:
        sizes: (row, bytes) of the outputs that wait.
        per_mb: megabytes that make a zip full.
        all_of_it: the rest goes too although it fills no zip: nothing more comes, or it has waited long enough.
    """
    full = per_mb * 1_000_000
    found: list[list[EventId]] = []
    held: list[EventId] = []
    held_bytes = 0
    for row, size in sizes:
        held.append(row)
        held_bytes += size
        if held_bytes >= full or len(held) >= MOST_MEMBERS:
            found.append(held)
            held, held_bytes = [], 0
    return [*found, held] if held and all_of_it else found
