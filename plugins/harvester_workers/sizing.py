"""How many nodes, and how long, for jobs side by side: pure arithmetic over what the launcher of many jobs does."""
from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harvester_hpc.model.facility import BatchQueue


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What one job takes: cores, memory in MB, and at most so many seconds."""

    cores: int
    memory_mb: int = 0
    walltime_s: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """What one node gives: cores, and memory in MB (0: not counted)."""

    cores: int
    memory_mb: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What one worker may have, by all who have a say.

    Attributes:
        queue: the batch queue, with its bins.
        most_nodes: at most so many nodes; of the user, or what is free now.
        walltime_s: at most so many seconds, of the user, or as long as nodes are free; None: as the batch queue has it.
        fixed_s: exactly so many seconds, of the user; None: as the load needs.
        least_s: at least so many seconds, of the batch queue.
    """

    queue: BatchQueue
    most_nodes: int
    walltime_s: int | None = None
    fixed_s: int | None = None
    least_s: int = 0

    def sizes(self) -> list[int]:
        """Return the numbers of nodes that a worker may have, in order."""
        taken = (nodes for nodes in range(self.queue.min_nodes, self.most_nodes + 1) if self.queue.takes(nodes))
        return [nodes for nodes in taken if self.fixed_s is None or self.within(nodes, self.fixed_s)]

    def longest_s(self, nodes: int) -> int | None:
        """Return the longest walltime of a worker of so many nodes; None: no limit known."""
        limits = [one for one in (self.queue.longest_s(nodes), self.walltime_s, self.fixed_s) if one is not None]
        return min(limits, default=None)

    def asked_s(self, nodes: int, needed_s: int) -> int:
        """Return the seconds to ask for where so many are needed: no fewer than the batch queue takes, no more than it gives."""
        longest = self.longest_s(nodes)
        asked = max(needed_s, self.least_s)
        return asked if longest is None else min(asked, longest)

    def within(self, nodes: int, seconds: int) -> bool:
        """Tell whether a worker of so many nodes may have so many seconds."""
        longest = self.longest_s(nodes)
        return longest is None or seconds <= longest


def size_for(loads: Sequence[Load], node: Node, limits: Limits, reserve_s: int) -> tuple[int, int] | None:
    """Return (nodes, seconds) of a worker for jobs side by side; None if the longest of them finds no time in any size.

    Args:
        loads: shape (n,), n >= 1; each fits into a whole node, and says how long it takes.
        reserve_s: seconds for the start and the end of a worker.

    As many nodes as the jobs fill; more only where so few are not allowed the time that the longest job takes, since larger batch
    jobs get longer walltimes. Where there are not so many, the most there are; then jobs come to their turn one after the other, as
    far as the time allows.
    """
    longest_job_s = max(load.walltime_s for load in loads)  # the reserve is no reason to take more nodes
    sizes = [nodes for nodes in limits.sizes() if limits.within(nodes, longest_job_s)]
    if not sizes:
        return None
    filled = nodes_for(loads, node)
    enough = [nodes for nodes in sizes if nodes >= filled]
    nodes = enough[0] if enough else sizes[-1]
    return nodes, limits.asked_s(nodes, time_for(loads, nodes, node) + reserve_s)


def size_for_pieces(pieces: int, piece: Load, node: Node, limits: Limits, reserve_s: int) -> tuple[int, int] | None:
    """Return (nodes, seconds) of a worker for small pieces of work, all alike; None if one piece finds no time in any size.

    Args:
        pieces: how many, >= 1.
        piece: cores and seconds of one; a node has room for one at least.
        reserve_s: seconds for the start and the end of a worker.

    As few nodes as can do all of them in the time that so few are allowed: they wait least, and waste least at both ends. Where no
    size can, the largest that is of use, for all its time.
    """
    sizes = [nodes for nodes in limits.sizes() if limits.within(nodes, piece.walltime_s)]
    if not sizes:
        return None
    of_node = max(1, node.cores // piece.cores)
    useful = [nodes for nodes in sizes if (nodes - 1) * of_node < pieces] or sizes[:1]

    def needed(nodes: int) -> int:
        return -(-pieces // (nodes * of_node)) * piece.walltime_s + reserve_s

    nodes = next((nodes for nodes in useful if limits.within(nodes, needed(nodes))), useful[-1])
    return nodes, limits.asked_s(nodes, needed(nodes))


def fits(load: Load, node: Node) -> bool:
    """Tell whether a job fits into a node of which this is free."""
    return load.cores <= node.cores and load.memory_mb <= node.memory_mb


def without(node: Node, load: Load) -> Node:
    """Return what is left of a node."""
    return Node(cores=node.cores - load.cores, memory_mb=node.memory_mb - load.memory_mb)


def nodes_for(loads: Sequence[Load], node: Node) -> int:
    """Return how many nodes all jobs fill side by side: the largest first, each into the first node with room.

    Args:
        loads: shape (n,); each fits into a whole node.
        node: a whole node.

    Returns:
        Nodes, >= 1; at most 11/9 of the least possible number, and 1 (first fit decreasing).
    """
    free: list[Node] = []
    for load in sorted((counted(load, node) for load in loads), key=lambda one: (one.cores, one.memory_mb), reverse=True):
        place = next((number for number, one in enumerate(free) if fits(load, one)), None)
        if place is None:
            place = len(free)
            free.append(node)
        free[place] = without(free[place], load)
    return max(1, len(free))


def time_for(loads: Sequence[Load], nodes: int, node: Node) -> int:
    """Return in how many seconds all jobs are through, when each takes all of its time.

    Each node takes the first job in order for which it has room, as soon as it has room.

    Args:
        loads: shape (n,), in the order in which they are taken; each fits into a whole node.
        nodes: how many there are, >= 1.
    """
    waiting = [counted(load, node) for load in loads]
    free = [node] * nodes
    running: list[tuple[int, int, int, Load]] = []
    now = 0
    number = 0
    freed: Iterable[int] = range(nodes)
    while waiting or running:
        for place in freed:
            while (taken := next((load for load in waiting if fits(load, free[place])), None)) is not None:
                waiting.remove(taken)
                free[place] = without(free[place], taken)
                heapq.heappush(running, (now + taken.walltime_s, number, place, taken))
                number += 1
        now, _, place, ended = heapq.heappop(running)
        free[place] = Node(cores=free[place].cores + ended.cores, memory_mb=free[place].memory_mb + ended.memory_mb)
        freed = (place,)  # what did not fit into the others does not fit now
    return now


def counted(load: Load, node: Node) -> Load:
    """Return a job as a node counts it: without memory, where that is not counted."""
    return load if node.memory_mb else Load(cores=load.cores, walltime_s=load.walltime_s)
