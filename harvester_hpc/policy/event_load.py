"""How much work a job's event ranges still are."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from harvester_hpc.model.event import EventLoad, EventState
from harvester_hpc.model.job import Job
from harvester_hpc.model.worker import Share

#: Ranges that a worker has or will have.
OPEN = frozenset({EventState.LEASED, EventState.FED})
#: Ranges that cost time and are through.
THROUGH = frozenset({
    EventState.FINISHED, EventState.ZIPPED, EventState.STAGED, EventState.DONE, EventState.FAILED, EventState.FATAL, EventState.DROPPED,
})
#: Keys of the dictionary: how many ranges the job has, and seconds that a payload works on one. The embedded system says both.
RANGES, SECONDS = "nEventRanges", "secondsPerRange"
#: So many ranges must be through before what they cost is believed.
ENOUGH = 10


def load_of(job: Job, tally: Mapping[EventState, int], shares: Sequence[Share], *, dry: bool, now: float) -> EventLoad:
    """Return what is left to do of a job.

    Args:
        job: with its dictionary.
        tally: its ranges that we know of, by state.
        shares: of all workers that it ever had.
        dry: the workload management system has no more ranges for it.
        now: seconds since 1970.

    What a range has cost so far comes before what the job says of it.
    """
    through = sum(tally.get(state, 0) for state in THROUGH)
    said = _positive(job.params.get(RANGES))
    left = sum(tally.get(state, 0) for state in OPEN) if dry else None if said is None else max(0, int(said) - through)
    spent = sum(share.cores * max(0.0, (share.ended or now) - share.started) for share in shares if share.started)
    seconds = _positive(job.params.get(SECONDS))
    core_s = spent / through if spent and through >= ENOUGH else None if seconds is None else seconds * job.cores
    return EventLoad(left=left, core_s=core_s, cores=job.cores)


def _positive(said: object) -> float | None:
    try:
        number = float(said) if isinstance(said, int | float | str) and not isinstance(said, bool) else 0.0
    except (ValueError, OverflowError):
        return None
    return number if 0.0 < number < 1e15 else None
