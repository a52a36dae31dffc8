"""What a batch queue and a node allow, held against a plan."""
from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from dataclasses import replace

from harvester_hpc.model.facility import BatchQueue, Facility
from harvester_hpc.model.fitting import refusals, wish_of
from harvester_hpc.model.queue import Resources
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.outcome import Failed, Retry

#: Where the batch queue has no limit that is known.
AN_HOUR_S = 3600


def batch_queue_of(facility: Facility, name: str) -> BatchQueue | Failed:
    """Return the batch queue of that name; the first for ""; one without limits where the facility names none."""
    if not facility.queues:
        return BatchQueue(name=name)
    if not name:
        return facility.queues[0]
    for queue in facility.queues:
        if queue.name == name:
            return queue
    names = [queue.name for queue in facility.queues]
    near = difflib.get_close_matches(name, names, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return Failed(why=f"{facility.name} has no batch queue {name!r}; there is: {', '.join(names)}{hint}")


def unsaid_s(default_s: int | None, longest_s: int | None, shortest_s: int) -> int:
    """Return the walltime in seconds of a worker of which neither its jobs nor the queue say how long it is to run.

    Args:
        default_s: of the worker maker; None: as long as the batch queue gives, for nobody knows what a job needs that says nothing.
        longest_s, shortest_s: of the batch queue; None: no limit known.
    """
    if default_s is None:
        return longest_s or max(AN_HOUR_S, shortest_s)
    return max(default_s if longest_s is None else min(default_s, longest_s), shortest_s)


def planned_in_any(
    facility: Facility, resources: Resources, plan_in: Callable[[BatchQueue], WorkerPlan | Retry | Failed]
) -> WorkerPlan | Retry | Failed:
    """Return the plan for the first batch queue of ``resources`` that takes such a worker.

    Args:
        plan_in: the plan for one batch queue.

    Returns:
        Where none takes it now: a Retry, if one of them may take it later; else why each of them does not.
    """
    waiting: Retry | None = None
    problems: list[str] = []
    for name in resources.all_batch_queues:
        queue = batch_queue_of(facility, name)
        answer = queue if isinstance(queue, Failed) else plan_in(queue)
        if isinstance(answer, WorkerPlan):
            return replace(answer, batch_queue=name) if resources.batch_queues else answer
        if isinstance(answer, Retry):
            waiting = waiting or answer
        elif answer.why not in problems:
            problems.append(answer.why)
    return waiting or Failed(why="; ".join(problems))


def problems_of_plan(plan: WorkerPlan, resources: Resources, batch_queue: BatchQueue, facility: Facility) -> Iterator[str]:
    """Give what is impossible about a plan, with the arithmetic."""
    wish = replace(wish_of(plan), cores_per_node=resources.cores_per_node, memory_mb=resources.memory_mb)
    return refusals(wish, batch_queue, facility)
