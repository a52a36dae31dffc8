"""What several workers tell of one job, as one word: counted, added up, or the word of one of them."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from harvester_hpc.model.worker import ENDS, Share, WorkerState
from harvester_hpc.policy.shared_job import ALIVE, outcome_of

#: Attributes that are added up: work done, and bytes moved (``tot...``, as the pilot's memory monitor has them).
ADDED = frozenset({"nEvents", "cpuConsumptionTime"})
ADDED_BY_PREFIX = "tot"
#: Peaks: the highest of all.
HIGHEST_BY_PREFIX = "max"
#: Set once, by the first that says it.
FIRST = frozenset({"batchID"})
#: The state of a shared job is not any one worker's to say; how many cores it has is counted.
NOT_TAKEN = frozenset({"jobStatus", "coreCount"})
#: Larger numbers are nonsense, or will be for whoever is told.
LARGEST = 2**63 - 1


def told_together(shares: Sequence[Share]) -> dict[str, Any]:
    """Return what a job's workers tell of it together; the same shares give the same word, however often they are read.

    Args:
        shares: of all workers that the job ever had, the oldest first; shape (n,).

    Work is added up, peaks are the highest, the job starts with its first worker and ends with its last, what went wrong is the
    word of the worker that decides how the job ends, and the rest is the word of the newest that says it. An attribute that is
    no number where one is expected is left out of a sum.

    Source: existing Harvester: coreCount is that of the running workers, and core-seconds over elapsed time when all have ended;
    it tells no other attribute of such jobs. The sums are ours.
    """
    words = [share.attributes for share in shares if share.attributes]
    together: dict[str, Any] = {}
    for name in dict.fromkeys(name for word in words for name in word):
        if name in NOT_TAKEN or is_trouble(name):
            continue
        said = [word[name] for word in words if name in word]
        together[name] = _joined(name, said)
    if any(share.state in ALIVE for share in shares):
        together.pop("endTime", None)
    else:
        together |= _trouble(shares)
    cores = _cores(shares)
    return together | ({"coreCount": cores} if cores else {})


def is_trouble(name: str) -> bool:
    """Tell whether an attribute says what went wrong."""
    return name == "transExitCode" or name.endswith(("ErrorCode", "ErrorDiag"))


def _joined(name: str, said: Sequence[Any]) -> Any:
    if name in FIRST:
        return said[0]
    if name in ("startTime", "endTime"):  # texts that are ordered as their times are
        texts = [one for one in said if isinstance(one, str) and one]
        return (min(texts) if name == "startTime" else max(texts)) if texts else said[-1]
    numbers = [number for one in said if (number := _number(one)) is not None]
    if numbers and (name in ADDED or name.startswith(ADDED_BY_PREFIX)):
        return sum(numbers)
    if numbers and name.startswith(HIGHEST_BY_PREFIX):
        return max(numbers)
    return said[-1]


def _number(said: object) -> int | float | None:
    """Return what was said as a number; pilots write numbers as texts too. None: it is none that can be added up."""
    if isinstance(said, str) and len(said) <= 40:
        try:
            said = int(said) if said.strip().isdecimal() else float(said)
        except ValueError:
            return None
    if not isinstance(said, int | float) or isinstance(said, bool) or not 0 <= said <= LARGEST:
        return None
    return said


def _trouble(shares: Sequence[Share]) -> Mapping[str, Any]:
    """Return what went wrong, as the newest of those workers says it that ended as the job does; no mixture of two."""
    decisive = WorkerState(outcome_of([share.state for share in shares]))
    said = [share.attributes for share in shares if share.state is decisive and share.attributes]
    return {name: value for name, value in said[-1].items() if is_trouble(name)} if said else {}


def _cores(shares: Sequence[Share]) -> int:
    """Return the cores of the running workers; after the last, core-seconds over elapsed seconds; 0 if nothing can be said."""
    if any(share.state in ALIVE for share in shares):
        return sum(share.cores for share in shares if share.state is WorkerState.RUNNING)
    ran = [(share.cores, share.started or 0.0, share.ended or 0.0) for share in shares if share.state in ENDS and share.started]
    ran = [(cores, started, ended) for cores, started, ended in ran if ended > started]
    if not ran:
        return 0
    elapsed = max(ended for _, _, ended in ran) - min(started for _, started, _ in ran)
    return math.ceil(sum(cores * (ended - started) for cores, started, ended in ran) / elapsed - 1e-9)
