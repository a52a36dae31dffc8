"""A job with several workers (OneToMany): how many it gets, and how it stands."""
from __future__ import annotations

from collections.abc import Collection, Sequence

from harvester_hpc.model.job import JobState, Outcome
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import ENDS, WorkerState

ALIVE = frozenset({WorkerState.PLANNED, WorkerState.SUBMITTED, WorkerState.RUNNING})


def workers_to_add(queue: Queue, states: Sequence[WorkerState], at_once: int, *, has_work: bool) -> int:
    """Return how many more workers a job gets now.

    Args:
        states: of all workers that it has ever had.
        at_once: workers that it is to have at the same time.
        has_work: ranges of it wait for a worker, or the workload management system may have more.

    Source: published queue configuration: maxWorkersPerJobInTotal, maxWorkersPerJobPerCycle.
    """
    if not has_work:
        return 0
    alive = sum(state in ALIVE for state in states)
    ever = sum(state is not WorkerState.MISSED for state in states)
    return max(0, min(at_once - alive, queue.workers_per_job_in_total - ever, queue.workers_per_job_per_cycle))


def state_of(states: Collection[WorkerState]) -> JobState | None:
    """Return how a job stands while a worker of it lives: running if any runs; None if none lives."""
    if WorkerState.RUNNING in states:
        return JobState.RUNNING
    return JobState.SUBMITTED if not ALIVE.isdisjoint(states) else None


def outcome_of(states: Collection[WorkerState]) -> Outcome:
    """Return how a job has ended whose workers have all ended: finished if one finished, else failed if one failed, else cancelled.

    Source: existing Harvester, status of a job in OneToMany.
    """
    ended = [state for state in states if state in ENDS]
    if WorkerState.FINISHED in ended:
        return Outcome.FINISHED
    return Outcome.FAILED if WorkerState.FAILED in ended or not ended else Outcome.CANCELLED
