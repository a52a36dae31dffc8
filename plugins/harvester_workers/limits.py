"""What a batch queue and a node allow, held against a plan."""
from __future__ import annotations

import difflib
from collections.abc import Iterator

from harvester_hpc.model.facility import BatchQueue, Facility
from harvester_hpc.model.queue import Resources
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.outcome import Failed


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


def problems_of_plan(plan: WorkerPlan, resources: Resources, batch_queue: BatchQueue, facility: Facility) -> Iterator[str]:
    """Give what is impossible about a plan, with the arithmetic."""
    where = f"batch queue {batch_queue.name!r}" if batch_queue.name else "the batch queue"
    if plan.nodes < batch_queue.min_nodes:
        yield f"a worker has {plan.nodes} node(s), {where} takes {batch_queue.min_nodes} and more"
    if batch_queue.max_nodes is not None and plan.nodes > batch_queue.max_nodes:
        yield f"a worker has {plan.nodes} nodes, {where} takes {batch_queue.max_nodes} at most"
    if batch_queue.bins and not any(one.min_nodes <= plan.nodes <= one.max_nodes for one in batch_queue.bins):
        sizes = ", ".join(f"{one.min_nodes} to {one.max_nodes}" for one in batch_queue.bins)
        yield f"a worker has {plan.nodes} node(s), {where} takes {sizes}"
    longest_s = batch_queue.longest_s(plan.nodes)
    if longest_s is not None and plan.walltime_s > longest_s:
        of_size = f" to {plan.nodes} node(s)" if batch_queue.bins else ""
        yield f"a worker wants {plan.walltime_s} s, {where} gives {longest_s} s at most{of_size}"
    node = facility.node
    for thing, wanted, there in (
        ("core(s)", resources.cores_per_node, node.cores), ("GPU(s)", resources.gpus_per_node, node.gpus),
        ("MB", resources.memory_mb, node.memory_mb or resources.memory_mb),
    ):
        if wanted > there:
            yield f"a worker wants {wanted} {thing} on each node, a node has {there}"
