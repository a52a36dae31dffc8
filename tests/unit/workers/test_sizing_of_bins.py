"""Sizes of workers over all small batch queues: within what the site allows, and with the time that the load needs."""
from __future__ import annotations

import math
from itertools import product

import pytest

from harvester_hpc.model.facility import BatchQueue, NodeBin
from harvester_workers.sizing import Limits, Load, Node, nodes_for, size_for, size_for_pieces, time_for

NODE = Node(cores=4)


def a_bin(first: int, last: int, seconds: int) -> NodeBin:
    return NodeBin(min_nodes=first, max_nodes=last, max_walltime_s=seconds)


#: As on Frontier, but small: one that grows, one with a hole, one with a bound on the whole, none at all.
BINS = (
    (a_bin(1, 2, 100), a_bin(3, 4, 300), a_bin(5, 8, 700)), (a_bin(1, 1, 100), a_bin(4, 6, 400)), (a_bin(2, 8, 250),), (),
)
QUEUES = [
    BatchQueue(name="q", min_nodes=least, max_nodes=most, max_walltime_s=longest, bins=bins)
    for least, most, longest, bins in product((1, 3), (6, None), (350, None), BINS)
]
LIMITS = [
    Limits(queue=queue, most_nodes=most, walltime_s=walltime_s, fixed_s=fixed_s)
    for queue, most, walltime_s, fixed_s in product(QUEUES, (1, 4, 9), (None, 200), (None, 150))
]


def allowed(limits: Limits, nodes: int, seconds: int) -> bool:
    """Tell whether a site takes such a batch job, worked out another way than the program does."""
    queue = limits.queue
    times = [one.max_walltime_s for one in queue.bins if one.min_nodes <= nodes <= one.max_nodes]
    return (
        queue.min_nodes <= nodes <= min(limits.most_nodes, queue.max_nodes or 99) and bool(times or not queue.bins)
        and all(seconds <= limit for limit in (*times, queue.max_walltime_s, limits.walltime_s, limits.fixed_s) if limit is not None)
    )


@pytest.mark.parametrize("cores", [(1,), (4,), (3, 3, 2), (1,) * 9, (4,) * 12])
@pytest.mark.parametrize("walltime_s", [50, 90, 250, 600, 5000])
def test_jobs_side_by_side_get_a_size_that_the_site_takes_and_no_larger_than_they_need(cores: tuple[int, ...], walltime_s: int) -> None:
    loads = [Load(cores=number, walltime_s=walltime_s) for number in cores]
    filled = nodes_for(loads, NODE)
    for limits in LIMITS:
        possible = [nodes for nodes in range(1, 12) if allowed(limits, nodes, max(walltime_s, limits.fixed_s or 0))]
        size = size_for(loads, NODE, limits, 10)
        if not possible:
            assert size is None, limits
            continue
        assert size is not None, limits
        nodes, seconds = size
        assert allowed(limits, nodes, seconds), (limits, size)
        assert seconds >= walltime_s
        assert seconds <= time_for(loads, nodes, NODE) + 10, "no more time than they need"
        assert nodes == min((one for one in possible if one >= filled), default=max(possible)), (limits, size)


@pytest.mark.parametrize("pieces", [1, 3, 10, 100, 10**6])
@pytest.mark.parametrize("cores", [1, 3, 4, 9])
@pytest.mark.parametrize("piece_s", [1, 120, 240])
def test_pieces_of_work_get_a_size_that_the_site_takes_and_no_larger_than_they_need(pieces: int, cores: int, piece_s: int) -> None:
    slots = max(1, NODE.cores // cores)
    for limits in LIMITS:
        possible = [nodes for nodes in range(1, 12) if allowed(limits, nodes, max(piece_s, limits.fixed_s or 0))]
        size = size_for_pieces(pieces, Load(cores=cores, walltime_s=piece_s), NODE, limits, 10)
        if not possible:
            assert size is None, limits
            continue
        assert size is not None, limits
        nodes, seconds = size
        assert allowed(limits, nodes, seconds), (limits, size)
        assert seconds >= piece_s
        assert (nodes - 1) * slots < pieces or nodes == min(possible), "no node without work"
        for one in possible:
            needed = math.ceil(pieces / (one * slots)) * piece_s + 10
            assert one >= nodes or not allowed(limits, one, max(needed, limits.fixed_s or 0)), "a smaller one would have done"


def test_larger_jobs_get_longer_walltimes() -> None:
    limits = Limits(queue=BatchQueue(name="q", bins=BINS[0]), most_nodes=8)
    assert size_for([Load(cores=4, walltime_s=80)], NODE, limits, 10) == (1, 90)
    assert size_for([Load(cores=4, walltime_s=100)], NODE, limits, 10) == (1, 100)
    assert size_for([Load(cores=4, walltime_s=200)], NODE, limits, 10) == (3, 210)
    assert size_for([Load(cores=4, walltime_s=500)], NODE, limits, 10) == (5, 510)
    assert size_for([Load(cores=4, walltime_s=701)], NODE, limits, 10) is None
    piece = Load(cores=1, walltime_s=1)
    assert size_for_pieces(700, piece, NODE, limits, 10) == (2, 98)
    assert size_for_pieces(3000, piece, NODE, limits, 10) == (3, 260)
    assert size_for_pieces(10**6, piece, NODE, limits, 10) == (8, 700)
