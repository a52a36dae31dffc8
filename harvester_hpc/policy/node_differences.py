"""Nodes as a site file has them, held against those of the live batch system."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

from harvester_hpc.model.facility import BatchQueue, Facility, NodeShape
from harvester_hpc.policy.difference import Difference, some_of
from harvester_hpc.ports.survey import NodeKind, SurveyedQueue


def node_differences(where: str, facility: Facility, queue: BatchQueue, live: SurveyedQueue) -> Iterator[Difference]:
    """Give in what the nodes of a queue differ; ``where`` is the queue's path in the file."""
    if not live.nodes:
        return
    asked = facility.attributes_of(queue).get("constraint") or ""
    kinds = _with_features(live.nodes, asked)
    own = queue.node is not None
    where = f"{where}.node" if own else "node"
    if not kinds:
        says = f"nodes have: {some_of(sorted({word for kind in live.nodes for word in kind.features})) or 'no features'}"
        yield Difference(where="attributes.constraint", file_says=asked, scheduler_says=says, remedy="name one of these", fails=True)
        return
    node = facility.node_of(queue)
    yield from _of_cores(where, node, live.name, kinds)
    memory = max(kind.memory_mb for kind in kinds)
    if memory and node.memory_mb > memory:
        says = f"{memory} in {live.name}"
        remedy = f"write {memory}"
        yield Difference(where=f"{where}.memoryMB", file_says=str(node.memory_mb), scheduler_says=says, remedy=remedy, fails=True)
    gpus = max(kind.gpus for kind in kinds)
    if node.gpus != gpus and (own or node.gpus > gpus):
        says = f"{gpus} in {live.name}"
        remedy = f'write {gpus}, under "node" of the queue where the queues differ'
        yield Difference(where=f"{where}.gpus", file_says=str(node.gpus), scheduler_says=says, remedy=remedy, fails=node.gpus > gpus)


def _of_cores(where: str, node: NodeShape, name: str, kinds: Sequence[NodeKind]) -> Iterator[Difference]:
    cpus = {kind.cores * kind.threads_per_core for kind in kinds}
    ours = node.cores * node.threads_per_core
    if ours in cpus:
        return
    most = max(cpus)
    says = f"{some_of(sorted({_cores(kind) for kind in kinds}))} in {name}"
    idle = f"write {_written(kinds)}; {most - ours} of {most} CPUs stay idle"
    remedy = f"ask for no more than the batch system has, {most} CPUs" if ours > most else idle
    yield Difference(where=f"{where}.cores", file_says=f"{ours} CPUs for jobs", scheduler_says=says, remedy=remedy, fails=ours > most)


def _written(kinds: Sequence[NodeKind]) -> str:
    """Return the most cores as a site file says them."""
    most = max(kinds, key=lambda kind: kind.cores * kind.threads_per_core)
    kept = f' and "reservedCores": {most.reserved_cores}' if most.reserved_cores else ""
    threads = f' and "threadsPerCore": {most.threads_per_core}' if most.threads_per_core > 1 else ""
    return f"{most.cores + most.reserved_cores}{kept}{threads}"


def _with_features(kinds: Sequence[NodeKind], asked: str) -> list[NodeKind]:
    """Return the kinds that a constraint means; all of them where it is more than words joined by & or |."""
    if not asked or not all(character.isalnum() or character in "&|,_-." for character in asked):
        return list(kinds)
    ways = [way.replace(",", "&").split("&") for way in asked.split("|")]
    return [kind for kind in kinds if any(set(words) <= set(kind.features) for words in ways)]


def _cores(kind: NodeKind) -> str:
    kept = f" ({kind.reserved_cores} more are reserved)" if kind.reserved_cores else ""
    threads = f" of {kind.threads_per_core} threads" if kind.threads_per_core > 1 else ""
    return f"{kind.cores} cores{threads}{kept}"
