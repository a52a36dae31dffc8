"""How many event ranges a worker gets, and how often a range is tried."""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

#: The most that is leased for one request: what a worker asks for may be nonsense.
MOST_RANGES = 100_000
#: Workers that may die with a range before it is told as failed: it may be the range that kills them.
MOST_FEEDS = 3


def asked_for(request: Mapping[str, Any]) -> int:
    """Return how many ranges a worker's request for one job asks for, between 1 and ``MOST_RANGES``; 1 if it is nonsense."""
    number = request.get("nRanges", 1)
    if isinstance(number, str) and number.isascii() and number.isdigit() and len(number) < 10:
        number = int(number)
    return max(1, min(number, MOST_RANGES)) if isinstance(number, int) and not isinstance(number, bool) else 1


def prefetched(worker_cores: int, jobs: int, job_cores: int, multiplier: int) -> int:
    """Return how many ranges of a job a worker gets before it asks.

    Args:
        worker_cores: cores of the worker, shared by its ``jobs``.
        multiplier: initEventsMultiplier, ranges a core.

    Source: existing submitter: max(ceil(nCore / njobs), coreCount) * initEventsMultipler.
    """
    return max(1, min(MOST_RANGES, max(math.ceil(worker_cores / max(1, jobs)), job_cores) * multiplier))
