"""Whether a batch queue takes a batch job of some size, and why not: pure arithmetic over what the site file says."""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harvester_hpc.model.facility import BatchQueue, Facility
from harvester_hpc.model.worker import WorkerPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """The size of one batch job.

    Attributes:
        nodes: >= 1.
        walltime_s: seconds; 0: whatever the queue allows.
        cores_per_node, memory_mb, gpus_per_node: used on each node; 0: not said.
    """

    nodes: int
    walltime_s: int = 0
    cores_per_node: int = 0
    memory_mb: int = 0
    gpus_per_node: int = 0


def wish_of(plan: WorkerPlan) -> Wish:
    """Return the size of a planned worker."""
    return Wish(
        nodes=plan.nodes, walltime_s=plan.walltime_s, cores_per_node=-(-plan.cores // max(1, plan.nodes)), memory_mb=plan.ram_mb,
        gpus_per_node=plan.gpus_per_node,
    )


def refusals(wish: Wish, queue: BatchQueue, facility: Facility) -> Iterator[str]:
    """Give why the queue does not take such a batch job, one clause each with the arithmetic; nothing if it takes it."""
    where = f"batch queue {queue.name!r}" if queue.name else "the batch queue"
    yield from _of_nodes(wish, queue, where)
    yield from _of_time(wish, queue, facility, where)
    node = facility.node_of(queue)
    for thing, wanted, there in (
        ("core(s)", wish.cores_per_node, node.cores), ("GPU(s)", wish.gpus_per_node, node.gpus),
        ("MB", wish.memory_mb, node.memory_mb or wish.memory_mb),
    ):
        if wanted > there:
            yield f"a worker wants {wanted} {thing} on each node, a node has {there}"


def _of_nodes(wish: Wish, queue: BatchQueue, where: str) -> Iterator[str]:
    if wish.nodes < queue.min_nodes:
        yield f"a worker has {wish.nodes} node(s), {where} takes {queue.min_nodes} and more"
    if queue.max_nodes is not None and wish.nodes > queue.max_nodes:
        yield f"a worker has {wish.nodes} nodes, {where} takes {queue.max_nodes} at most"
    if queue.bins and queue.bin_of(wish.nodes) is None:
        sizes = ", ".join(f"{one.min_nodes} to {one.max_nodes}" for one in queue.bins)
        yield f"a worker has {wish.nodes} node(s), {where} takes {sizes}"
    if queue.limits.nodes is not None and wish.nodes > queue.limits.nodes:
        yield f"a worker has {wish.nodes} nodes, of {where} one may have {queue.limits.nodes} at a time"


def _of_time(wish: Wish, queue: BatchQueue, facility: Facility, where: str) -> Iterator[str]:
    longest_s = queue.longest_s(wish.nodes)
    if longest_s is not None and wish.walltime_s > longest_s:
        of_size = f" to {wish.nodes} node(s)" if queue.bins else ""
        yield f"a worker wants {wish.walltime_s} s, {where} gives {longest_s} s at most{of_size}"
    shortest_s = shortest(queue, facility)
    if 0 < wish.walltime_s < shortest_s:
        yield f"a worker wants {wish.walltime_s} s, {where} takes {shortest_s} s and more"


def shortest(queue: BatchQueue, facility: Facility) -> int:
    """Return the seconds that a batch job of the queue has to ask for, at least."""
    return max(queue.min_walltime_s, facility.min_walltime_s)
