"""The ranks of the dispatch benchmark: ``dispatch_ranks.py yoda FOLDER | bare BUNCH | pool``; rank 0 prints [ranges/s, mean bunch]."""
from __future__ import annotations

import json
import sys
import time
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mpi4py import MPI

from harvester_launch.backoff import Backoff
from harvester_launch.droid import Droid
from harvester_launch.journal import Journal
from harvester_launch.ledger import Ledger, told_range
from harvester_launch.master import Master
from harvester_launch.mpi import World
from harvester_launch.ranges import Range, Result, Setup
from harvester_launch.signals import Told

RANGES, POOLED = 400_000, 20_000


def letter(number: int) -> list[dict[str, Any]]:
    """Return ranges as a letter has them."""
    return [
        {"eventRangeID": f"40000123-5000456789-{one // 1000}-{one}-1", "LFN": "EVNT.01234567._000123.pool.root.1", "GUID": "0A1B2C3D" * 4,
         "scope": "mc23_13p6TeV", "startEvent": one, "lastEvent": one}
        for one in range(number)
    ]


class Nothing:
    """Slots whose payloads cost nothing."""

    busy_s = 0.0

    def step(self, waiting: deque[Range], mean_s: float | None) -> list[Result]:
        """End all that waits."""
        results = [Result(range=one, ok=True) for one in waiting]
        waiting.clear()
        return results

    def running(self) -> int:
        """Nothing ever runs."""
        return 0

    def finish(self) -> None:
        """There is nothing to end."""

    def tell_to_end(self, why: str) -> None:
        """There is nothing to end."""

    def empty(self) -> bool:
        """Nothing ever runs."""
        return True

    def wait(self, seconds: float, *more: int) -> None:
        """Wait."""
        time.sleep(seconds)


class Nowhere(Journal):
    """A journal that keeps nothing."""

    def write(self, texts: Sequence[str]) -> None:
        """Forget."""


def yoda(folder: str) -> None:
    """The real master, ledger, Droid and messages; no payloads, no letters."""
    world = World()
    if world.rank:
        own = Path(folder or ".")
        own.mkdir(parents=True, exist_ok=True)
        path = own / f"done.{world.rank}.jsonl"
        setup = Setup(run="r", own=own, jobs={})
        Droid(world, setup, Nothing(), 1, Journal(path) if folder else Nowhere(path), Told()).run()
        return
    ledger = Ledger()
    ledger.add(5, (told_range(one) for one in letter(RANGES)))
    master = Master(ledger)
    joined, byes, begin = 0, 0, 0.0
    backoff = Backoff(0.002)
    while ledger.counts[2] < RANGES:
        messages = world.receive()
        now = time.monotonic()
        for rank, message in messages:
            if message[0] == "join":
                master.join(rank, message[1], now)
                joined += 1
                begin = time.perf_counter()
                continue
            master.report(rank, message[1], message[2], message[3], now)
            work = master.serve(rank, now) if joined == world.size - 1 else None
            if work:
                world.send(rank, ("work", work))
        if joined == world.size - 1:
            for rank, work in master.serve_hungry(now):
                world.send(rank, ("work", work))
        if len(master.done) > 10_000:
            master.done.clear()
        seconds = backoff.next_s(busy=bool(messages))
        if seconds:
            time.sleep(seconds)
    took = time.perf_counter() - begin
    for rank in range(1, world.size):
        world.send(rank, ("end",))
    while byes < world.size - 1:
        byes += sum(message[0] == "bye" for _, message in world.receive())
    print(json.dumps([RANGES / took, RANGES / master.bunches]))


def bare(bunch: int) -> None:
    """A loop of send and recv, bunches of the same rows, no ledger, no journal."""
    comm = MPI.COMM_WORLD
    if comm.Get_rank():
        done: list[Any] = []
        while True:
            comm.send(done, dest=0)
            rows = comm.recv(source=0)
            if rows is None:
                return
            done = [(row[0], "", 0, "", "", 0.0) for row in rows]
    rows = [(number, one["eventRangeID"], one["startEvent"], one["lastEvent"], 1) for number, one in enumerate(letter(RANGES))]
    status, at, home = MPI.Status(), 0, 0
    begin = time.perf_counter()
    while home < comm.Get_size() - 1:
        comm.recv(source=MPI.ANY_SOURCE, status=status)
        some = rows[at:at + bunch]
        at += len(some)
        home += not some
        comm.send(some or None, dest=status.Get_source())
    print(json.dumps([RANGES / (time.perf_counter() - begin), bunch]))


def nothing(one: dict[str, Any]) -> tuple[str, int]:
    """Be the payload of the pool."""
    return one["eventRangeID"], 0


def pool() -> None:
    """MPIPoolExecutor at its default chunk."""
    from mpi4py.futures import MPIPoolExecutor

    tasks = letter(POOLED)
    with MPIPoolExecutor() as executor:
        list(executor.map(nothing, tasks[:200]))
        begin = time.perf_counter()
        count = sum(1 for _ in executor.map(nothing, tasks))
        took = time.perf_counter() - begin
    print(json.dumps([count / took, 1]))


if __name__ == "__main__":
    if sys.argv[1] == "yoda":
        yoda(sys.argv[2])
    elif sys.argv[1] == "bare":
        bare(int(sys.argv[2]))
    else:
        pool()
