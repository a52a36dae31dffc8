"""Ten thousand Droids with one-second ranges against the real Yoda, by a simulated clock: busy share of the slots, memory of rank 0.

What Yoda does with a message takes the time that it really takes here, plus what receiving and sending it costs; messages wait in line
for the one Yoda. The login node answers a request for ranges after some seconds. Each run is a process of its own, so that its memory
is that of one rank 0 and of the simulated Droids together; the Droids' part is measured without ranges and taken off.
"""
from __future__ import annotations

import heapq
import resource
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

from harvester_hpc.messenger.letterboxes import MOST_RANGES
from harvester_launch.bunches import runs_low, speaks
from harvester_launch.leading import MOST_ASKED
from harvester_launch.ledger import Ledger, told_range
from harvester_launch.master import Done, Master
from tests.bench.measure import Figure

DROIDS, RANGES = 10_000, 1_000_000
RANGE_S = 1.0
#: Seconds: a message on its way; what a message costs Yoda, and each range in it (pickle, measured).
LATENCY_S, MESSAGE_S, EACH_S = 0.000_05, 0.000_005, 0.000_000_5
#: Seconds after which the login node answers a request, and ranges for each slot that lie there before the worker starts
#: (initEventsMultiplier, as it is set for short ranges).
ANSWER_S, FIRST = 15.0, 30


class SimulatedDroid:
    """A Droid with one slot; the rules of when it speaks are the real ones."""

    __slots__ = ("asked", "busy_s", "done", "mean_s", "rank", "running", "spoke", "waiting")

    def __init__(self, rank: int) -> None:
        self.rank, self.running, self.mean_s, self.spoke, self.asked, self.busy_s = rank, -1, None, 0.0, True, 0.0
        self.waiting: list[int] = []
        self.done: list[int] = []


class Simulation:
    """Events in the order of simulated time: (when, number, what, rank, content)."""

    def __init__(self, droids: int, ranges: int) -> None:
        self.ledger = Ledger()
        self.master = Master(self.ledger)
        self.droids = [SimulatedDroid(rank) for rank in range(droids + 1)]
        self.ranges, self.fed = ranges, 0
        self.now, self.yoda_free, self.yoda_busy_s = 0.0, 0.0, 0.0
        self._events: list[tuple[float, int, str, int, object]] = []
        self._count = 0
        self._line: deque[tuple[int, object]] = deque()
        self._joined = 0
        self._asked = False
        self.burst_over = 0.0
        self.tail_begins = 0.0
        self.busy_in_between = 0.0

    def run(self) -> None:
        """Feed a first lot, let all Droids join, and go on until all is done."""
        for _ in range(2):
            self._feed(FIRST * len(self.droids) // 2)
        for droid in self.droids[1:]:
            self._at(LATENCY_S, "join", droid.rank, None)
        self._at(0.5, "look", 0, None)
        while self._events and self.ledger.counts[2] < self.ranges:
            self.now, _, what, rank, content = heapq.heappop(self._events)
            getattr(self, f"_{what}")(rank, content)

    def _at(self, when: float, what: str, rank: int, content: object) -> None:
        self._count += 1
        heapq.heappush(self._events, (when, self._count, what, rank, content))

    def _feed(self, number: int) -> None:
        number = min(number, self.ranges - self.fed)
        for start in range(0, number, MOST_RANGES):
            self._take_in(min(MOST_RANGES, number - start))

    def _take_in(self, number: int) -> None:
        letter = [
            {"eventRangeID": f"40000123-5000456789-{one // 1000}-{one}-1", "LFN": "EVNT.01234567._000123.pool.root.1",
             "GUID": "0A1B2C3D" * 4, "scope": "mc23_13p6TeV", "startEvent": one, "lastEvent": one}
            for one in range(self.fed, self.fed + number)
        ]
        self.ledger.add(5, (told_range(one) for one in letter))
        self.fed += number

    # -- at Yoda ----------------------------------------------------------------------------------

    def _by_yoda(self, begin: float, ranges: int) -> float:
        took = time.perf_counter() - begin + MESSAGE_S + EACH_S * ranges
        self.yoda_busy_s += took
        self.yoda_free = max(self.yoda_free, self.now) + took
        return self.yoda_free + LATENCY_S

    def _join(self, rank: int, content: object) -> None:
        begin = time.perf_counter()
        self.master.join(rank, 1, self.now)
        work = self.master.serve(rank, self.now)
        self._send(rank, work, begin, 0)

    def _report(self, rank: int, content: object) -> None:
        self._line.append((rank, content))
        if len(self._line) == 1:
            self._at(max(self.now, self.yoda_free), "turn", 0, None)

    def _turn(self, rank: int, content: object) -> None:
        if self.yoda_free > self.now:
            self._at(self.yoda_free, "turn", 0, None)
            return
        rank, content = self._line.popleft()
        if self._line:
            self._at(self.now, "turn", 0, None)
        numbers, mean_s = content  # type: ignore[misc]
        folder = f"/scratch/access/7/yoda/out/{rank}"
        done: list[Done] = [(number, f"{folder}/{number}", 1000, "0a1b2c3d", "GUID", RANGE_S) for number in numbers]
        begin = time.perf_counter()
        self.master.report(rank, done, (), mean_s, self.now)
        work = self.master.serve(rank, self.now)
        self._send(rank, work, begin, len(done))
        if len(self.master.done) >= 500:
            self.master.done.clear()  # published

    def _send(self, rank: int, work: object, begin: float, results: int) -> None:
        numbers = [row[0] for _, _, rows in work for row in rows]  # type: ignore[attr-defined]
        arrives = self._by_yoda(begin, len(numbers) + results)
        if numbers:
            self._at(arrives, "work", rank, numbers)

    def _look(self, rank: int, content: object) -> None:
        begin = time.perf_counter()
        self.master.tick(self.now)
        lacking = self.master.lacking(300.0, self.now)
        if lacking and not self._asked and self.fed < self.ranges:
            self._asked = True
            self._at(self.now + ANSWER_S, "answer", 0, lacking)
        hungry = self.master.serve_hungry(self.now)
        for other, work in hungry:
            self._send(other, work, begin, 0)
            begin = time.perf_counter()
        if not hungry:
            self._by_yoda(begin, 0)
        self._at(self.now + 0.5, "look", 0, None)

    def _answer(self, rank: int, content: object) -> None:
        self._asked = False
        self._feed(min(int(content), MOST_ASKED))  # type: ignore[call-overload]

    # -- at a Droid -------------------------------------------------------------------------------

    def _work(self, rank: int, content: object) -> None:
        droid = self.droids[rank]
        if not self.burst_over and droid.running < 0 and droid.busy_s == 0.0:
            self._joined += 1
            if self._joined == len(self.droids) - 1:
                self.burst_over = self.now
        droid.waiting.extend(content)  # type: ignore[arg-type]
        droid.asked = False
        if droid.running < 0:
            self._begin(droid)
        self._speak(droid)

    def _begin(self, droid: SimulatedDroid) -> None:
        droid.running = droid.waiting.pop(0)
        self._at(self.now + RANGE_S, "end", droid.rank, self.now)

    def _end(self, rank: int, content: object) -> None:
        droid = self.droids[rank]
        droid.done.append(droid.running)
        droid.running, droid.mean_s = -1, RANGE_S
        droid.busy_s += RANGE_S
        begun = float(content)  # type: ignore[arg-type]
        if self.burst_over and not self.tail_begins:
            self.busy_in_between += self.now - max(begun, self.burst_over)
        if droid.waiting:
            self._begin(droid)
        elif not self.tail_begins and self.fed == self.ranges and self.ledger.waiting == 0:
            self.tail_begins = self.now
            self._count_running()
        self._speak(droid)

    def _count_running(self) -> None:
        ends = [when for when, _, what, _, _ in self._events if what == "end"]
        self.busy_in_between += sum(self.now - max(when - RANGE_S, self.burst_over) for when in ends)

    def _speak(self, droid: SimulatedDroid) -> None:
        low = runs_low(len(droid.waiting), 1, droid.mean_s)
        urgent = not droid.waiting and droid.running < 0
        if speaks(low=low, asked=droid.asked, urgent=urgent, results=len(droid.done), silent_s=self.now - droid.spoke):
            self._at(self.now + LATENCY_S, "report", droid.rank, (droid.done, droid.mean_s))
            droid.done, droid.asked, droid.spoke = [], low, self.now

    def busy_share(self) -> float:
        """Return the busy share of all slots from the end of the start burst to the first slot that finds nothing left."""
        return self.busy_in_between / ((self.tail_begins - self.burst_over) * (len(self.droids) - 1))


def run(folder: Path) -> list[Figure]:
    """Run the simulation in one process, and its Droids alone in another."""
    share, memory_mb, yoda, burst_s, messages = _in_a_process(RANGES)
    alone_mb = _in_a_process(0)[1]
    name = f"{DROIDS} Droids, {RANGES} ranges of {RANGE_S:g} s"
    return [
        Figure(name=f"{name}: busy slots", value=100 * share, unit="%", yardstick=98.0, source="aim", smaller=False),
        Figure(name="  start burst, until the last Droid has work", value=burst_s, unit="s", yardstick=1.0, source="none given"),
        Figure(name="  CPU of Yoda", value=100 * yoda, unit="% of a core", yardstick=100.0, source="one core"),
        Figure(name="  messages to Yoda", value=messages, unit="1/s", yardstick=DROIDS / RANGE_S, source="one a range"),
        Figure(name="  memory of rank 0, without interpreter and Droids", value=memory_mb - alone_mb, unit="MB", yardstick=300.0,
               source="aim"),
        Figure(name="  the same with interpreter and simulation", value=memory_mb, unit="MB", yardstick=300.0, source="aim"),
    ]


def _in_a_process(ranges: int) -> tuple[float, float, float, float, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.droids", str(ranges)], stdout=subprocess.PIPE, text=True, check=True, timeout=1800,
    )
    share, memory_mb, yoda, burst_s, messages = (float(one) for one in done.stdout.split())
    return share, memory_mb, yoda, burst_s, messages


def _main(ranges: int) -> None:
    simulation = Simulation(DROIDS, ranges)
    if ranges:
        simulation.run()
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    seconds = max(simulation.now, 1e-9)
    share = simulation.busy_share() if ranges else 0.0
    print(share, memory_mb, simulation.yoda_busy_s / seconds, simulation.burst_over, simulation.master.messages / seconds)


if __name__ == "__main__":
    _main(int(sys.argv[1]))
