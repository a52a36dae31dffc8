"""How many nodes, and how long, for jobs side by side: pure arithmetic over what the launcher of many jobs does."""
from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass


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
    while waiting or running:
        for place in range(nodes):
            while (taken := next((load for load in waiting if fits(load, free[place])), None)) is not None:
                waiting.remove(taken)
                free[place] = without(free[place], taken)
                heapq.heappush(running, (now + taken.walltime_s, number, place, taken))
                number += 1
        now, _, place, ended = heapq.heappop(running)
        free[place] = Node(cores=free[place].cores + ended.cores, memory_mb=free[place].memory_mb + ended.memory_mb)
    return now


def counted(load: Load, node: Node) -> Load:
    """Return a job as a node counts it: without memory, where that is not counted."""
    return load if node.memory_mb else Load(cores=load.cores, walltime_s=load.walltime_s)
