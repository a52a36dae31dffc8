"""How many jobs to fetch, and of which label."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from harvester_hpc.model.job import JobState
from harvester_hpc.model.limits import QueueStatus, Quota
from harvester_hpc.model.queue import Queue
from harvester_hpc.policy.reckoning import Bound, Reckoning, least_of, none_at_all, quota_left

WAITING = frozenset({JobState.FETCHED, JobState.PREPARING, JobState.PREPARED, JobState.SUBMITTED})
WHAT = "jobs to fetch"
#: Label of the jobs of a queue under test.
TEST_LABEL = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class JobCount:
    """Jobs of one state and type of resources ("" where they say none): how many, and their cores in all."""

    state: JobState
    resource_type: str = ""
    number: int
    cores: int = 0


def jobs_to_fetch(queue: Queue, counts: Sequence[JobCount], bunch: int) -> Reckoning:
    """Return how many jobs to ask for now: what the limits allow to wait, minus what waits already.

    Args:
        queue: ``limit_jobs`` and ``limits``; without ``limit_jobs`` and a ratio nothing is fetched.
        counts: jobs of the queue that have not ended.
        bunch: at most so many in one call, so that a lost answer costs little.

    Source: nQueueLimitJob, "the max number of jobs pre-fetched and queued, i.e. jobs in starting state"; nQueueLimitJobRatio, "the target
    ratio of the number of starting jobs to the number of running jobs".
    """
    if not queue.status.fetches:
        return none_at_all(f"queueStatus {queue.status} fetches nothing", WHAT)
    quota = jobs_quota(queue)
    if not quota.is_set:
        return none_at_all(f"mapType {queue.map_type}: workers fetch their jobs themselves", WHAT)
    waiting = [one for one in counts if one.state in WAITING]
    running = [one for one in counts if one.state is JobState.RUNNING]
    bounds = [
        quota_left(quota, "nQueueLimitJob", "jobs", _number(waiting), _number(running)),
        _by_cores(queue.limits.job_cores, waiting, running),
        Bound(number=bunch, words=f"in one call at most {bunch}"),
    ]
    return least_of((bound for bound in bounds if bound is not None), WHAT)


def jobs_quota(queue: Queue) -> Quota:
    """Return the limit on waiting jobs, wherever it stands."""
    return queue.limits.jobs if queue.limits.jobs.ratio is not None else Quota(limit=queue.limit_jobs)


def jobs_by_type(queue: Queue, counts: Sequence[JobCount], wanted: int) -> Mapping[str, Reckoning]:
    """Return how many jobs to ask for of each type of resources; {} if the queue does not limit them by type.

    Args:
        wanted: of all types together. What is given of one type is taken from those that come after it, the emptiest first.
    """
    limits = {name: one.jobs for name, one in queue.limits.types.items() if one.jobs is not None and "/" not in name}
    waiting = {name: _number([one for one in counts if one.state in WAITING and one.resource_type == name]) for name in limits}
    made: dict[str, Reckoning] = {}
    for name in sorted(limits, key=lambda name: (waiting[name] / max(1, limits[name]), name)):
        left = max(0, limits[name] - waiting[name])
        bounds = (
            Bound(number=left, words=f"resourceTypeLimits {name} {limits[name]} jobs - {waiting[name]} waiting = {left}"),
            Bound(number=wanted, words=f"of all types at most {wanted}"),
        )
        made[name] = least_of(bounds, f"{name} {WHAT}")
        wanted -= made[name].number
    return made


def labels_to_ask(queue: Queue, draw: float) -> tuple[str, ...]:
    """Return the labels of the jobs to ask for, one after the other while jobs are wanted.

    Args:
        draw: a random number in [0, 1), for prodSourceLabelRandomWeightsPermille.

    Source: prodSourceLabelRandomWeightsPermille, "the probability distribution (in permille) to randomize the source label of the jobs";
    what the labels leave of the thousand falls to prodSourceLabel.
    """
    if queue.status is QueueStatus.TEST:
        return (TEST_LABEL,)
    return tuple(dict.fromkeys((*queue.labels_first, _drawn(queue, draw * 1000))))


def _drawn(queue: Queue, place: float) -> str:
    for label, weight in queue.label_weights.items():
        if place < weight:
            return label
        place -= weight
    return queue.label


def _by_cores(quota: Quota, waiting: Sequence[JobCount], running: Sequence[JobCount]) -> Bound | None:
    """Return how many jobs the cores leave room for, with jobs as big as those of the queue are."""
    left = quota_left(quota, "nQueueLimitJobCores", "cores", _cores(waiting), _cores(running))
    if left is None:
        return None
    known = _number([*waiting, *running])
    if not known:  # nobody knows how big they are: the first one tells
        return replace(left, number=min(1, left.number), words=f"{left.words}; one job to see how big they are")
    each = max(1, -(-_cores([*waiting, *running]) // known))
    number = left.number // each
    if left.number and not number and not waiting:
        number = 1  # a job that is bigger than the limit would never come
    return Bound(number=number, words=f"{left.words}, {each} cores to a job on average = {number} jobs")


def _number(counts: Sequence[JobCount]) -> int:
    return sum(one.number for one in counts)


def _cores(counts: Sequence[JobCount]) -> int:
    return sum(one.cores for one in counts)


def by_state(counts: Mapping[JobState, int]) -> Iterator[JobCount]:
    """Give plain numbers by state as counts."""
    return (JobCount(state=state, number=number) for state, number in counts.items())
