"""Yoda's mind: what it does with what the Droids report. Time is handed in; no MPI, no file."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from harvester_launch.bunches import MOST, bunch, in_time, wanted_stock
from harvester_launch.ledger import Ledger, Verdict

#: (number, path, bytes, checksum, GUID, seconds); path "": the range makes no file.
Done = tuple[int, str, int, str, str, float]
#: (number, exit code, why).
Failed = tuple[int, int, str]
#: As Ledger.packed returns it.
Work = list[tuple[int, str, list[tuple[int, str, int, int, int]]]]

#: Seconds over which the rate is measured.
RATE_S = 10.0


@dataclass(slots=True)
class Droid:
    """What Yoda knows of a rank. held: ranges, by Yoda's own count. heard: when it last spoke."""

    slots: int
    heard: float
    held: int = 0
    mean_s: float | None = None
    silent: bool = False


@dataclass(slots=True)
class Master:
    """Gives ranges, and keeps what has come of them until it is published.

    Attributes:
        ends: when the last range must have ended, same zero as ``now``; None if nobody knows.
        most: ranges in one bunch at most.
        silence_s: seconds after which a Droid that says nothing counts as lost.
        draining: nothing is given any more.
        blocked: outputs pile up: nothing is given until they are taken away.
        done: finished and not published.
        failed: failed for good and not published.
        ended: results that have counted.
    """

    ledger: Ledger
    ends: float | None = None
    most: int = MOST
    silence_s: float = 300.0
    draining: bool = False
    blocked: bool = False
    droids: dict[int, Droid] = field(default_factory=dict)
    done: list[Done] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    rate: float = 0.0
    slots: int = 0
    most_slots: int = 0
    messages: int = 0
    bunches: int = 0
    ignored: int = 0
    begun: float | None = None
    _hungry: set[int] = field(default_factory=set)
    _silent: int = 0
    ended: int = 0
    _measured: tuple[float, int] = (0.0, 0)

    def join(self, rank: int, slots: int, now: float) -> None:
        """A Droid is there."""
        before = self.droids.get(rank)
        self.slots += slots - (before.slots if before else 0)
        self.most_slots = max(self.most_slots, self.slots)
        self.droids[rank] = Droid(slots=slots, heard=now)
        self._hungry.add(rank)

    def report(self, rank: int, done: Sequence[Done], failed: Sequence[Failed], mean_s: float | None, now: float) -> None:
        """Take a Droid's report in. Results for ranges that it does not hold count for nothing."""
        droid = self.droids.get(rank)
        if droid is None:
            self.ignored += len(done) + len(failed)
            return
        self.messages += 1
        droid.heard, droid.mean_s = now, mean_s
        if droid.silent:
            droid.silent = False
            self._silent -= 1
        ended = self.ledger.finish(done, rank)
        self.done += ended
        counted = len(ended)
        self.ignored += len(done) - counted
        for number, code, why in failed:
            verdict = self.ledger.fail(number, rank)
            counted += verdict is not Verdict.NOT_HELD
            self.ignored += verdict is Verdict.NOT_HELD
            if verdict is Verdict.FINAL:
                self.failed.append((number, code, why))
        droid.held -= counted
        self.ended += counted

    def take_back(self, rank: int, numbers: Sequence[int]) -> None:
        """A Droid returns ranges that it has not begun."""
        taken = sum(self.ledger.take_back(number, rank) for number in numbers)
        if rank in self.droids:
            self.droids[rank].held -= taken

    def interrupt(self, rank: int, numbers: Sequence[int]) -> None:
        """A Droid has ended ranges because the allocation ends."""
        taken = sum(self.ledger.interrupt(number, rank) for number in numbers)
        if rank in self.droids:
            self.droids[rank].held -= taken

    def lose(self, rank: int, why: str) -> None:
        """A Droid is gone for good; what it held waits again."""
        droid = self.droids.pop(rank, None)
        if droid is not None:
            self.slots -= droid.slots
            self._silent -= droid.silent
            self._hungry.discard(rank)
            self._forfeit(rank, why)

    def _forfeit(self, rank: int, why: str) -> None:
        self.failed += [(number, 0, why) for number in self.ledger.lose(rank)]

    def serve(self, rank: int, now: float) -> Work:
        """Return what a Droid is given now; [] for nothing, and it is remembered if it could do more."""
        droid = self.droids.get(rank)
        if droid is None or self.draining:
            return []
        count = 0 if self.blocked else bunch(
            held=droid.held, slots=droid.slots, mean_s=droid.mean_s, waiting=self.ledger.waiting, share=droid.slots / max(self.slots, 1),
            remaining_s=None if self.ends is None else self.ends - now, most=self.most,
        )
        numbers = self.ledger.give(rank, count, now, others=len(self.droids) - self._silent > 1) if count else []
        droid.held += len(numbers)
        # One that holds what it should, or has no time for more, asks again by itself; a full message may not have been enough.
        hungry = len(numbers) == self.most if numbers else self.blocked or count > 0 or self.ledger.waiting == 0
        (self._hungry.add if hungry else self._hungry.discard)(rank)
        if numbers:
            self.begun = now if self.begun is None else self.begun
            self.bunches += 1
        return self.ledger.packed(numbers)

    def serve_hungry(self, now: float) -> list[tuple[int, Work]]:
        """Return [(rank, work)] for Droids that were given nothing before."""
        if self.draining or self.blocked or not self.ledger.waiting:
            return []
        served = [(rank, self.serve(rank, now)) for rank in sorted(self._hungry) if not self.droids[rank].silent]
        return [(rank, work) for rank, work in served if work]

    def tick(self, now: float) -> list[int]:
        """Measure the rate, and return the ranks that have just been silent for too long; what they hold waits again."""
        since, ended = self._measured
        if now - since >= RATE_S:
            if ended or self.ended:
                self.rate = (self.ended - ended) / (now - since)
            self._measured = (now, self.ended)
        silent = [rank for rank, droid in self.droids.items() if not droid.silent and now - droid.heard > self.silence_s]
        for rank in silent:
            droid = self.droids[rank]
            droid.silent, droid.held = True, 0
            self._silent += 1
            self._forfeit(rank, f"rank {rank} has said nothing for {self.silence_s:.0f} s")
        return silent

    def lacking(self, lead_s: float, now: float) -> int:
        """Return how many ranges to ask the login node for; 0 while there are enough."""
        if self.draining:
            return 0
        remaining_s = None if self.ends is None else self.ends - now
        known = [droid.slots / droid.mean_s for droid in self.droids.values() if droid.mean_s]
        able = sum(known) * len(self.droids) / len(known) if known else 0.0
        wanted = wanted_stock(max(self.rate, min(able, 1e6)), lead_s, self.slots, remaining_s)
        waiting = self.ledger.waiting
        return wanted - waiting if 2 * waiting < wanted else 0

    def has_time(self, now: float) -> bool:
        """Tell whether any Droid could end a range before the end; True if nobody knows, or none is there yet."""
        if self.ends is None or not self.droids:
            return True
        return any(in_time(droid.slots, droid.mean_s, self.ends - now) for droid in self.droids.values())

    @property
    def idle(self) -> bool:
        """Nothing waits (or may be given), and nobody holds anything."""
        return self.ledger.given == 0 and (self.draining or self.ledger.waiting == 0)
