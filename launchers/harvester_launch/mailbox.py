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
from harvester_launch.assignment import Assignment
from harvester_launch.ledger import Told, told_range

#: Seconds for which a letter that cannot be read must not change before it is a bad one.
SETTLE_S = 10.0

#: {job id: its ranges}; []: there are no more.
Arrived = dict[int, list[Told]]


class Mailbox:
    """The letters of a worker that eats event ranges. clock: seconds, monotonic."""

    def __init__(self, access_point: Path, jobs: Mapping[int, Assignment], clock: Callable[[], float] = time.monotonic) -> None:
        self._access_point, self._jobs, self._clock = access_point, jobs, clock
        self._ranges = access_point / NAMES.event_ranges
        self._request = access_point / NAMES.event_request
        self._unfit: tuple[Shape, float] | None = None
        self._delivered: deque[int] = deque()

    # -- event ranges -----------------------------------------------------------------------------

    def earlier(self) -> Iterable[Arrived]:
        """Yield what an earlier run of this worker has taken; those letters stay as long as the access point."""
        names = taken_among((entry.name for entry in self._access_point.iterdir()), NAMES.event_ranges)
        for name in names:
            yield self._content(self._access_point / name, again=True)

    def arrived(self) -> Arrived:
        """Take the ranges that have come; {} if there are none.

        Raises:
            OSError: the file system gives no answer.
        """
        reading = read(self._ranges)
        if isinstance(reading, Whole):
            self._unfit = None
            taken = take(self._ranges)
            return self._content(taken) if taken is not None else {}
        if isinstance(reading, Unfit) and self._is_hopeless(reading):
            self._unfit = None
            put_aside(self._ranges, reading.why)
        return {}

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
        found: Arrived = {}
        for key, listed in reading.content.items():
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
        if not again:
            put_aside(path, why, content)

    def request(self, wanted: Mapping[int, int]) -> bool:
        """Ask for ranges, {job id: number}; False if an earlier request is not answered yet.

        Raises:
            OSError: it was not written.
        """
        if self._request.exists():
            return False
        write(self._request, {str(job_id): self._wish(job_id, number) for job_id, number in wanted.items()})
        return True

    def _wish(self, job_id: int, number: int) -> dict[str, Any]:
        job = self._jobs[job_id].job
        return {"pandaID": job_id, "taskID": job.get("taskID"), "jobsetID": job.get("jobsetID"), "nRanges": number}

    # -- results ----------------------------------------------------------------------------------

    def publish(self, items: Mapping[int, Sequence[Mapping[str, Any]]]) -> None:
        """Hand results over, {job id: items}; one letter a folder, never over an unread one.

        Raises:
            OSError: not all was written.
        """
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
        letters = 0
        for folder in {assignment.folder for assignment in self._jobs.values()}:
            entries = [entry.name for entry in folder.iterdir() if entry.name.startswith(NAMES.status_dump)]
            letters += (NAMES.status_dump in entries) + len(taken_among(entries, NAMES.status_dump))
        while len(self._delivered) > letters:
            self._delivered.popleft()
        return sum(self._delivered)

    def published(self) -> Iterable[tuple[int, str, bool]]:
        """Yield (job id, range id, finished) of all letters of results that are still there, read or not."""
        for folder in {assignment.folder for assignment in self._jobs.values()}:
            for path in sorted(folder.iterdir()):
                if path.name.startswith(NAMES.status_dump) and BAD not in path.name:
                    yield from _ranges_of(read_plain(path, LARGEST))


def _ranges_of(content: Mapping[str, Any]) -> Iterable[tuple[int, str, bool]]:
    for key, listed in content.items():
        for item in listed if isinstance(listed, list) and key.isdigit() else ():
            if isinstance(item, dict) and isinstance(item.get("eventRangeID"), str):
                yield int(key), item["eventRangeID"], item.get("eventStatus") == "finished"
