"""The slots of a Droid: payloads side by side, each with ranges of its own."""
from __future__ import annotations

import contextlib
import json
import select
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from harvester_launch.child import NOT_EXECUTABLE, NOT_FOUND
from harvester_launch.line_payload import LinePayload
from harvester_launch.measured import finished
from harvester_launch.payloads import Process, said
from harvester_launch.place import Place
from harvester_launch.ranges import Range, Result, Setup, output_path, try_name
from harvester_launch.seats import Seat
from harvester_launch.template import filled, names

#: Ranges of one process with {ranges}: as many as take about this many seconds, and not more than MOST.
BUNCH_S, MOST = 30.0, 256


class Payload(Protocol):
    """What runs in a slot. running: ranges that it has begun."""

    running: deque[Range]

    def advance(self, waiting: deque[Range], now: float) -> list[Result]:
        """Take what has happened, and ranges of its own kind if it wants more; return what has ended."""

    def is_over(self) -> bool:
        """Tell whether the slot is free."""

    def wishes(self) -> set[int]:
        """Return descriptors to wait for."""

    def finish(self, now: float) -> None:
        """Nothing more comes."""

    def tell_to_end(self, now: float, why: str) -> None:
        """End it, with TERM and then KILL."""


class BunchPayload:
    """One process for one range, or (with {ranges} in its command) for a bunch."""

    def __init__(self, place: Place, ranges: list[Range], now: float) -> None:
        self.running = deque(ranges)
        self._begun = now
        self._over = False
        setup, job_id = place.setup, ranges[0].job_id
        argv = setup.jobs[job_id].argv
        self._outs = [output_path(setup, one, place.rank) for one in ranges]
        self._has_out = names(argv, "out") or names(argv, "ranges")
        self._letter: Path | None = None
        if names(argv, "ranges"):
            self._letter = setup.own / "ranges" / try_name(setup, ranges[0], place.rank)
            self._letter.parent.mkdir(mode=0o700, exist_ok=True)
            self._letter.write_text("".join(f"{json.dumps(one.fields(str(out)))}\n" for one, out in zip(ranges, self._outs, strict=True)))
        values = ranges[0].fields(str(self._outs[0])) | {"ranges": str(self._letter), "slot": place.slot, "rank": place.rank}
        self._process = place.start(filled(argv, values), job_id)
        self._limit = None if setup.limit_s is None else setup.limit_s * len(ranges)

    def advance(self, waiting: deque[Range], now: float) -> list[Result]:
        """Return the results once the process has ended."""
        process = self._process
        if isinstance(process, str):
            return self._all_failed(NOT_FOUND if "No such file" in process else NOT_EXECUTABLE, process)
        process.drain()
        if not process.has_ended():
            if self._limit is not None and now - self._begun > self._limit:
                process.tell_to_end(now, f"took longer than {self._limit:g} s")
            process.watch(now)
            return []
        code = process.reap()
        why = process.ended_for or (said(code) if code else "")
        if why:
            words = process.tail()
            return self._all_failed(code or 1, f"{why}: {words}" if words else why)
        seconds = (now - self._begun) / len(self.running)
        outs = self._outs if self._has_out else [None] * len(self._outs)
        return self._close([finished(one, out, seconds) for one, out in zip(self.running, outs, strict=True)])

    def _all_failed(self, code: int, why: str) -> list[Result]:
        for out in self._outs:
            with contextlib.suppress(OSError):
                out.unlink(missing_ok=True)
        return self._close([Result(range=one, ok=False, code=code, why=why) for one in self.running])

    def _close(self, results: list[Result]) -> list[Result]:
        self._over = True
        self.running.clear()
        if self._letter is not None:
            self._letter.unlink(missing_ok=True)
        return results

    def is_over(self) -> bool:
        """Tell whether the slot is free."""
        return self._over

    def wishes(self) -> set[int]:
        """Return descriptors to wait for."""
        return set() if self._over or isinstance(self._process, str) else self._process.pipes()

    def finish(self, now: float) -> None:
        """It has all that it will get."""

    def tell_to_end(self, now: float, why: str) -> None:
        """End it."""
        if isinstance(self._process, Process):
            self._process.tell_to_end(now, why)


class Slots:
    """All slots of a rank. clock: seconds, monotonic."""

    def __init__(self, setup: Setup, rank: int, count: int, seat: Seat, clock: Callable[[], float] = time.monotonic) -> None:
        self._setup, self._clock = setup, clock
        self._places = [
            Place(setup, rank, slot, seat.portion(slot, count, setup.sharing, setup.cores_per_payload)) for slot in range(count)
        ]
        self._payloads: list[Payload | None] = [None] * count
        self.busy_s = 0.0
        (setup.own / "out" / f"{rank}").mkdir(mode=0o700, parents=True, exist_ok=True)

    def step(self, waiting: deque[Range], mean_s: float | None) -> list[Result]:
        """Fill free slots from ``waiting``, and return what has ended."""
        now, results = self._clock(), list[Result]()
        for number, payload in enumerate(self._payloads):
            if payload is None and waiting:
                payload = self._payloads[number] = self._begin(number, waiting, mean_s, now)
            if payload is None:
                continue
            ended = payload.advance(waiting, now)
            results += ended
            self.busy_s += sum(one.seconds for one in ended)
            if payload.is_over():
                self._payloads[number] = self._begin(number, waiting, mean_s, now) if waiting else None
        return results

    def _begin(self, number: int, waiting: deque[Range], mean_s: float | None, now: float) -> Payload:
        place = self._places[number]
        if self._setup.mode == "lines":
            return LinePayload(place, waiting[0].job_id, now)
        first = waiting.popleft()
        ranges = [first]
        if names(self._setup.jobs[first.job_id].argv, "ranges") and first.tried == 1 and mean_s is not None:
            most = min(MOST, max(1, len(waiting) // len(self._payloads)), max(1, int(BUNCH_S / max(mean_s, 1e-6))))
            # One that has failed before is run alone: it must not take others down again.
            while waiting and len(ranges) < most and waiting[0].job_id == first.job_id and waiting[0].tried == 1:
                ranges.append(waiting.popleft())
        return BunchPayload(place, ranges, now)

    def running(self) -> int:
        """How many ranges have begun and not ended."""
        return sum(len(payload.running) for payload in self._payloads if payload is not None)

    def finish(self) -> None:
        """Nothing more comes: long-lived payloads may end."""
        for payload in self._payloads:
            if payload is not None:
                payload.finish(self._clock())

    def tell_to_end(self, why: str) -> None:
        """End what runs."""
        for payload in self._payloads:
            if payload is not None:
                payload.tell_to_end(self._clock(), why)

    def empty(self) -> bool:
        """Nothing runs."""
        return all(payload is None for payload in self._payloads)

    def wait(self, seconds: float, *more: int) -> None:
        """Wait until a payload speaks or ends, or ``seconds`` are over."""
        wishes = {pipe for payload in self._payloads if payload is not None for pipe in payload.wishes()}
        if len(wishes) + len(more) == 0:
            time.sleep(seconds)
            return
        poll = select.poll()
        for pipe in (*wishes, *more):
            poll.register(pipe, select.POLLIN)
        poll.poll(seconds * 1000.0)
