"""Yoda's letters: event ranges that come, requests for more, and results that go."""
from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.letter import (
    BAD,
    LARGEST,
    Shape,
    Unfit,
    Whole,
    deliver,
    put_aside,
    read,
    read_plain,
    take,
    taken_among,
    write,
)
from harvester_hpc.messenger.names import NAMES
from harvester_hpc.messenger.numbered import Kind
from harvester_hpc.messenger.patience import Patience
from harvester_hpc.messenger.worker_box import WorkerBox, is_read
from harvester_launch.assignment import Assignment
from harvester_launch.ledger import Told, told_range
from harvester_launch.telling import say

#: Seconds for which a letter that cannot be read must not change before it is a bad one.
SETTLE_S = 10.0
#: Seconds between two looks for ranges: the first pause, and the longest while a request is open, and while none is.
FIRST_S, ASKED_S, QUIET_S = 0.5, 5.0, 30.0
#: Seconds between two looks whether a request that has no answer is still there.
LOST_S = 60.0
#: Looks in a row for the last letters; each reads some.
MOST_LOOKS = 1000
#: Who writes numbered letters.
WRITER = "yoda"

#: {job id: its ranges}; []: there are no more.
Arrived = dict[int, list[Told]]


def open_box(access_point: Path, clock: Callable[[], float] = time.monotonic) -> WorkerBox | None:
    """Open the box for numbered letters; None if the login node does not read them, or there cannot be one."""
    if not is_read(access_point):
        return None
    try:
        return WorkerBox(access_point, WRITER, Patience(SETTLE_S, clock), reads=True)
    except OSError as error:
        say(f"no numbered letters: {error}")
        return None


class Mailbox:
    """The letters of a worker that eats event ranges.

    Args:
        clock: seconds, monotonic.
        box: numbered letters; None: those of the existing protocol. Ranges are taken from either in any case.
    """

    def __init__(
        self, access_point: Path, jobs: Mapping[int, Assignment], clock: Callable[[], float] = time.monotonic, box: WorkerBox | None = None
    ) -> None:
        self._access_point, self._jobs, self._clock, self._box = access_point, jobs, clock, box
        self._ranges = access_point / NAMES.event_ranges
        self._request = access_point / NAMES.event_request
        self._unfit: tuple[Shape, float] | None = None
        self._delivered: deque[int] = deque()
        self._sent: dict[int, int] = {}
        self._asked: int | None = None
        self._is_asked = False
        self._pause = FIRST_S
        self._more = False
        self._look_at = self._file_look_at = self._lost_look_at = 0.0

    # -- event ranges -----------------------------------------------------------------------------

    def earlier(self) -> Iterable[Arrived]:
        """Yield what an earlier run of this worker has taken; those letters stay as long as the access point."""
        names = taken_among((entry.name for entry in self._access_point.iterdir()), NAMES.event_ranges)
        for name in names:
            yield self._content(self._access_point / name, again=True)
        for content in self._box.earlier() if self._box else ():
            yield self._sorted_out(self._access_point, content, again=True)

    def arrived(self, *, at_once: bool = False) -> list[Arrived]:
        """Take the ranges that have come, letter by letter; [] if there are none, or it is too early to look again.

        Raises:
            OSError: the file system gives no answer.
        """
        now = self._clock()
        if now < self._look_at and not at_once:
            return []
        found = self._numbered()
        if self._box is None or now >= self._file_look_at or at_once:
            found += self._file(keep_quiet=bool(found))
            self._file_look_at = now + (QUIET_S if self._unfit is None else 0.0)
        self._pause = FIRST_S if found else min(1.5 * self._pause, ASKED_S if self._is_asked else QUIET_S)
        self._look_at = now + (0.0 if self._more and found else self._pause)
        return found

    def rest(self) -> Iterable[Arrived]:
        """Yield all that has come, at once.

        Raises:
            OSError: the file system gives no answer.
        """
        for _ in range(MOST_LOOKS):
            yield from self.arrived(at_once=True)
            if not self._more:
                return

    def _numbered(self) -> list[Arrived]:
        if self._box is None:
            return []
        arrival = self._box.arrived()
        for bad in arrival.bad:
            say(f"{bad.path.name}: {bad.why}")
        found = []
        self._more = arrival.more
        for letter in arrival.letters:
            try:
                self._box.keep(letter.path)
            except OSError as error:
                say(f"{letter.path.name} comes again: {error}")
            found.append(self._sorted_out(letter.path, letter.content, again=False))
            if self._asked is not None and letter.answers.get(self._box.writer, 0) >= self._asked:
                self._asked, self._is_asked = None, False
        return found

    def _file(self, *, keep_quiet: bool) -> list[Arrived]:
        try:
            reading = read(self._ranges)
            if isinstance(reading, Whole):
                self._unfit = None
                taken = take(self._ranges)
                return [self._content(taken)] if taken is not None else []
            if isinstance(reading, Unfit) and self._is_hopeless(reading):
                self._unfit = None
                put_aside(self._ranges, reading.why)
        except OSError:
            if not keep_quiet:  # what was taken in just now must not be lost
                raise
        return []

    def _is_hopeless(self, reading: Unfit) -> bool:
        # Not everybody writes by rename: what changes is still being written.
        if self._unfit is None or self._unfit[0] != reading.shape:
            self._unfit = (reading.shape, self._clock())
        return reading.hopeless or self._clock() - self._unfit[1] >= SETTLE_S

    def _content(self, path: Path, *, again: bool = False) -> Arrived:
        reading = read(path)
        if not isinstance(reading, Whole):
            if isinstance(reading, Unfit) and not again:
                put_aside(path, reading.why)
            return {}
        return self._sorted_out(path, reading.content, again=again)

    def _sorted_out(self, path: Path, content: Mapping[str, Any], *, again: bool) -> Arrived:
        found: Arrived = {}
        for key, listed in content.items():
            job_id = int(key) if key.isascii() and key.isdigit() and len(key) <= 19 else 0
            if job_id not in self._jobs or not isinstance(listed, list):
                self._aside(path, "ranges of a job that this worker does not have, or no list", {key: listed}, again)
                continue
            ranges = found[job_id] = []
            bad = []
            for entry in listed:
                try:
                    ranges.append(told_range(entry))
                except ValueError as error:
                    bad.append((entry, str(error)))
            for entry, why in bad[:10]:
                self._aside(path, why, {key: [entry]}, again)
            if bad and not ranges:
                del found[job_id]  # an empty list would say that there are no more
        return found

    def _aside(self, path: Path, why: str, content: object, again: bool) -> None:
        if again:
            return
        try:
            put_aside(path, why, content)
        except OSError as error:  # its neighbours in the same letter must not be lost with it
            say(f"{path.name}: {why}, and it cannot be put aside: {error}")

    def request(self, wanted: Mapping[int, int]) -> bool:
        """Ask for ranges, {job id: number}; False if an earlier request is not answered yet.

        Raises:
            OSError: it was not written.
        """
        if self._is_open():
            return False
        wishes = {str(job_id): self._wish(job_id, number) for job_id, number in wanted.items()}
        if self._box is None:
            write(self._request, wishes)
        else:
            self._asked = self._box.send(Kind.REQUEST, wishes)
            self._lost_look_at = self._clock() + LOST_S
        self._is_asked, self._pause = True, FIRST_S
        self._look_at = self._clock() + FIRST_S
        return True

    def _is_open(self) -> bool:
        """Tell whether a request waits for its answer. One that is gone without an answer was answered, or is lost."""
        if self._box is None:
            self._is_asked = self._request.exists()
        elif self._asked is not None and self._clock() >= self._lost_look_at:
            self._lost_look_at = self._clock() + LOST_S
            if not self._box.lies_there(self._asked):
                self._asked, self._is_asked = None, False
        return self._is_asked

    def withdraw(self) -> None:
        """Ask for nothing any more.

        Raises:
            OSError: a request may still be there.
        """
        self._request.unlink(missing_ok=True)
        if self._box is not None and self._asked is not None:
            self._box.withdraw(self._asked)
        self._asked, self._is_asked = None, False

    def _wish(self, job_id: int, number: int) -> dict[str, Any]:
        job = self._jobs[job_id].job
        return {"pandaID": job_id, "taskID": job.get("taskID"), "jobsetID": job.get("jobsetID"), "nRanges": number}

    # -- results ----------------------------------------------------------------------------------

    def publish(self, items: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        """Hand results over, {job id: items}, never over an unread letter.

        Raises:
            OSError: not all was written.
        """
        if self._box is not None:
            number = self._box.send(Kind.OUTPUTS, {str(job_id): listed for job_id, listed in items.items()})
            self._sent[number] = sum(map(len, items.values()))
            return
        folders: dict[Path, dict[str, Sequence[Mapping[str, Any]]]] = {}
        for job_id, listed in items.items():
            folders.setdefault(self._jobs[job_id].folder, {})[str(job_id)] = listed
        for folder, content in folders.items():
            deliver(folder / NAMES.status_dump, content)
            self._delivered.append(sum(len(listed) for listed in content.values()))

    def unread(self) -> int:
        """Return how many results lie in letters that nobody has put away.

        Raises:
            OSError: the folders cannot be listed.
        """
        if self._box is not None:
            unread = self._box.unread(self._sent) if self._sent else set()
            self._sent = {number: results for number, results in self._sent.items() if number in unread}
            return sum(self._sent.values())
        letters = 0
        for folder in {assignment.folder for assignment in self._jobs.values()}:
            entries = [entry.name for entry in folder.iterdir() if entry.name.startswith(NAMES.status_dump)]
            letters += (NAMES.status_dump in entries) + len(taken_among(entries, NAMES.status_dump))
        while len(self._delivered) > letters:
            self._delivered.popleft()
        return sum(self._delivered)

    def published(self) -> Iterable[tuple[int, str, str]]:
        """Yield (job id, range id, status) of all letters of results that are still there, read or not."""
        for content in self._box.sent() if self._box else ():
            yield from _ranges_of(content)
        for folder in {assignment.folder for assignment in self._jobs.values()}:
            for path in sorted(folder.iterdir()):
                if path.name.startswith(NAMES.status_dump) and BAD not in path.name:
                    yield from _ranges_of(read_plain(path, LARGEST))


def _ranges_of(content: Mapping[str, Any]) -> Iterable[tuple[int, str, str]]:
    for key, listed in content.items():
        for item in listed if isinstance(listed, list) and key.isdigit() else ():
            if isinstance(item, dict) and isinstance(item.get("eventRangeID"), str):
                yield int(key), item["eventRangeID"], str(item.get("eventStatus"))
