"""A Droid: takes ranges from Yoda, has payloads run them, and tells what came of it once that is on disk."""
from __future__ import annotations

import resource
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from harvester_launch.backoff import Backoff
from harvester_launch.bunches import runs_low, smoothed, speaks
from harvester_launch.journal import DONE, Journal, journal_of, line_of
from harvester_launch.ledger import unpacked
from harvester_launch.ranges import Range, Result, Setup
from harvester_launch.seats import Seat, Sight, seat_of
from harvester_launch.signals import Told
from harvester_launch.slots import Slots
from harvester_launch.telling import say

YODA = 0
#: Seconds; a message is found at most this late by a Droid whose payloads say nothing.
LONGEST_WAIT_S = 0.02
ALLOCATION_ENDS = "the allocation ends"


class Ranks(Protocol):
    """Messages between ranks (harvester_launch.mpi.World)."""

    rank: int
    size: int

    def send(self, rank: int, message: Any) -> None:
        """Send, and do not wait."""

    def receive(self) -> list[tuple[int, Any]]:
        """Return [(rank, message)] of what has come."""

    def lost(self) -> set[int]:
        """Return the ranks that are known to be gone."""

    def settle(self, seconds: float) -> bool:
        """Wait until what was sent is on its way."""

    def part(self) -> None:
        """Leave MPI, together with all others."""


class Work(Protocol):
    """What runs ranges (harvester_launch.slots.Slots)."""

    busy_s: float

    def step(self, waiting: deque[Range], mean_s: float | None) -> list[Result]:
        """Begin what can begin, and return what has ended."""

    def running(self) -> int:
        """How many ranges have begun and not ended."""

    def finish(self) -> None:
        """Nothing more comes."""

    def tell_to_end(self, why: str) -> None:
        """End what runs."""

    def empty(self) -> bool:
        """Nothing runs."""

    def wait(self, seconds: float, *more: int) -> None:
        """Wait until something happens, or ``seconds`` are over."""


def slots_of(setup: Setup, seat: Seat) -> int:
    """Return how many payloads a rank runs side by side: what the setup says, else what it has cores and GPUs for."""
    return setup.slots or seat.slots(setup.cores_per_payload, setup.sharing.gpus_per_payload)


class Droid:
    """One rank above 0."""

    def __init__(self, world: Ranks, setup: Setup, work: Work, slots: int, journal: Journal, told: Told) -> None:
        self._world, self._setup, self._work, self._slots, self._journal, self._told = world, setup, work, slots, journal, told
        self._waiting: deque[Range] = deque()
        self._done: list[tuple[int, str, int, str, str, float]] = []
        self._failed: list[tuple[int, int, str]] = []
        self._mean_s: float | None = None
        self._asked, self._spoke = True, time.monotonic()
        self._over = False
        self._drain_until: float | None = None
        self._ending = False

    def run(self) -> None:
        """Work until Yoda says that it is over.

        Raises:
            OSError: what is done cannot be brought to disk.
        """
        backoff = Backoff(LONGEST_WAIT_S)
        self._world.send(YODA, ("join", self._slots))
        while not self._over:
            busy = self._listen()
            busy = self._work_on() or busy
            self._speak()
            if YODA in self._world.lost():
                raise OSError("rank 0 is gone")
            seconds = backoff.next_s(busy=busy)
            if seconds:
                self._work.wait(seconds, self._told.pipe)
                self._told.clear()
        self._work.finish()
        self._end_payloads()
        self._journal.close()
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        self._world.send(YODA, ("bye", used.ru_utime + used.ru_stime, self._work.busy_s))
        self._world.settle(10.0)

    def _listen(self) -> bool:
        messages = self._world.receive()
        for _, message in messages:
            match message:
                case ("work", groups):
                    self._take(groups)
                case ("drain", grace_s):
                    self._drain(grace_s)
                case ("end",):
                    self._over = True
        if self._told.name and self._drain_until is None:
            self._world.send(YODA, ("told", self._told.name))
            self._drain(self._setup.grace_s)
        return bool(messages)

    def _take(self, groups: Sequence[tuple[int, str, list[tuple[int, str, int, int, int]]]]) -> None:
        for job_id, text, rows in groups:
            shared = unpacked(text)
            self._waiting.extend(
                [Range(number, job_id, range_id, start, last, tried, shared) for number, range_id, start, last, tried in rows]
            )
        self._asked = False
        if self._drain_until is not None:
            self._give_back()

    def _drain(self, grace_s: float) -> None:
        if self._drain_until is None:
            self._drain_until = time.monotonic() + grace_s
            self._give_back()

    def _give_back(self) -> None:
        if self._waiting:
            self._world.send(YODA, ("returned", [one.number for one in self._waiting]))
            self._waiting.clear()

    def _work_on(self) -> bool:
        results = self._work.step(self._waiting, self._mean_s)
        if self._drain_until is not None:
            if not self._ending and time.monotonic() >= self._drain_until:
                self._ending = True
                self._work.tell_to_end(ALLOCATION_ENDS)
            self._give_back()  # what a payload has handed back unbegun
            results = self._without_ended(results)
        if not results:
            return False
        self._journal.write([line_of(one) for one in results])
        self._done += [(one.range.number, one.path, one.size, one.checksum, one.guid, one.seconds) for one in results if one.ok]
        self._failed += [(one.range.number, one.code, one.why) for one in results if not one.ok]
        self._mean_s = smoothed(self._mean_s, [one.seconds for one in results if one.ok])
        return True

    def _without_ended(self, results: list[Result]) -> list[Result]:
        """Leave out what was ended because the allocation ends: no fault of the range, but it was begun."""
        ended = [one for one in results if not one.ok and one.why.startswith(ALLOCATION_ENDS)]
        if ended:
            self._world.send(YODA, ("interrupted", [one.range.number for one in ended]))
        return [one for one in results if one not in ended] if ended else results

    def _speak(self) -> None:
        now = time.monotonic()
        results = len(self._done) + len(self._failed)
        low = runs_low(len(self._waiting), self._slots, self._mean_s)
        urgent = bool(self._failed) or self._drain_until is not None or (not self._waiting and self._work.running() == 0)
        if speaks(low=low, asked=self._asked, urgent=urgent, results=results, silent_s=now - self._spoke):
            self._world.send(YODA, ("report", self._done, self._failed, self._mean_s))
            self._done, self._failed = [], []
            self._asked, self._spoke = low, now

    def _end_payloads(self) -> None:
        end = time.monotonic() + self._setup.grace_s
        while not self._work.empty():
            if time.monotonic() > end:
                self._work.tell_to_end("the work is over")
            self._work.step(self._waiting, self._mean_s)
            self._work.wait(0.05, self._told.pipe)
            self._told.clear()


def serve(world: Ranks, droids_on_node: Mapping[int, Sight], told: Told) -> int:
    """Be a Droid: wait for what Yoda says of this worker, then work; return the exit code.

    It is 0 in any case: Yoda knows what went wrong here, and an exit code of one rank may end the others.
    """
    setup = _setup(world)
    if setup is None:
        return 0
    seat = seat_of(world.rank, droids_on_node, setup.sharing)
    slots = slots_of(setup, seat)
    work = Slots(setup, world.rank, slots, seat)
    droid = Droid(world, setup, work, slots, journal_of(setup.own, DONE, setup.run, world.rank), told)
    try:
        droid.run()
    except OSError as error:
        # A Droid that cannot write must not take the others down with it.
        say(f"rank {world.rank} ends: {error}")
        work.tell_to_end("the rank ends")
        world.send(YODA, ("gone", f"rank {world.rank}: {error}"))
        world.settle(10.0)
    return 0


def _setup(world: Ranks) -> Setup | None:
    backoff = Backoff(0.1)
    while YODA not in world.lost():
        for _, message in world.receive():
            return message[1] if message[0] == "setup" else None
        time.sleep(backoff.next_s(busy=False))
    return None
