"""Which of the batch jobs with a worker's name is the worker."""
from __future__ import annotations

from collections.abc import Sequence

from harvester_hpc.messenger.values import Claim
from harvester_psij.rows import Row

#: Seconds that clocks of login node and batch system may differ, and an hour that is on the clock twice when summer time ends, for PBS
#: and LSF tell local times. What is older is of another life of this instance.
CLOCKS_DIFFER_S = 600.0 + 3600.0


def of_key(rows: Sequence[Row], key: str) -> list[Row]:
    """Return the batch jobs named ``key``."""
    return [row for row in rows if row.name == key]


def recent(rows: Sequence[Row], began: float) -> list[Row]:
    """Return the batch jobs that were submitted since ``began`` (seconds since 1970), or do not say when."""
    return [row for row in rows if row.submitted is None or row.submitted > began - CLOCKS_DIFFER_S]


def chosen(rows: Sequence[Row], claim: Claim | None) -> Row:
    """Return the one that holds the claim, else the oldest that has not ended, else the oldest.

    Args:
        rows: at least one.
    """
    holders = [row for row in rows if claim is not None and row.batch_id == claim.batch_id]
    alive = [row for row in rows if not row.has_ended]
    return min(holders or alive or rows, key=lambda row: (row.submitted or 0.0, len(row.batch_id), row.batch_id))
