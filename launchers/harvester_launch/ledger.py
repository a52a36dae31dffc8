"""The ledger: which range is where, how often it was tried, and since when. Pure: nothing here looks at a clock or a file."""
from __future__ import annotations

import json
import sys
from array import array
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from typing import Any, NamedTuple, TypeVar

from harvester_launch.index import Index

#: Ranges that were given back are looked through this far for one that the asking rank has not tried.
LOOK_AHEAD = 64
NOBODY = -1


Numbered = TypeVar("Numbered", bound=tuple[Any, ...])


class Place(IntEnum):
    """Where a range is."""

    WAITING = 0
    GIVEN = 1
    DONE = 2
    FAILED = 3
    RETURNED = 4


#: Plain numbers, for speed.
_WAITING, _GIVEN, _DONE = int(Place.WAITING), int(Place.GIVEN), int(Place.DONE)


class Verdict(IntEnum):
    """What a failure of a range means."""

    NOT_HELD = 0
    AGAIN = 1
    FINAL = 2


class Told(NamedTuple):
    """A range as its letter says. shared: all other keys, a JSON text, mostly the same for many ranges."""

    range_id: str
    start: int
    last: int
    shared: str


def told_range(entry: object) -> Told:
    """Return a range of ``JobsEventRanges.json``.

    Raises:
        ValueError: it is none; str() says why.
    """
    if not isinstance(entry, dict):
        raise ValueError("an event range is an object")
    rest = dict(entry)
    range_id = rest.pop("eventRangeID", None)
    if not isinstance(range_id, str) or not 0 < len(range_id) <= 250 or "\0" in range_id:
        raise ValueError("eventRangeID is no text of at most 250 characters")
    start, last = rest.pop("startEvent", 0), rest.pop("lastEvent", 0)
    for number in (start, last):
        if isinstance(number, bool) or not isinstance(number, int) or not 0 <= number < 2**62:
            raise ValueError(f"range {range_id}: startEvent and lastEvent are whole numbers")
    return Told(range_id, start, last, sys.intern(json.dumps(rest, sort_keys=True)))


class Ledger:
    """All ranges of a worker, each a number from 0 in the order of arrival; about 150 bytes each.

    Args:
        tries: how often a range is given before its failure is final.
    """

    def __init__(self, tries: int = 3) -> None:
        self.tries = tries
        self.ids: list[str] = []
        self.counts = [0] * len(Place)
        self._shared: dict[str, int] = {}
        self.shared_texts: list[str] = []
        self._jobs: list[int] = []
        self._job, self._share = array("i"), array("i")
        self._start, self._last = array("q"), array("q")
        self._index = Index(self.ids, self._job)
        self._place, self._tried = array("b"), array("B")
        self._rank, self._since = array("i"), array("d")
        self._next = 0
        self._back: deque[int] = deque()

    def add(self, job_id: int, ranges: Iterable[Told]) -> int:
        """Take ranges in, and return how many were new; one that is known already changes nothing, unless it was returned."""
        if job_id not in self._jobs:
            self._jobs.append(job_id)
        job, before, again = self._jobs.index(job_id), len(self.ids), 0
        for range_id, start, last, shared in ranges:
            known = self._index.find(job, range_id)
            if known >= 0:
                again += self._revived(known)
                continue
            self.ids.append(range_id)
            self._job.append(job)
            self._index.put(len(self.ids) - 1)
            self._share.append(self._shared_number(shared))
            self._start.append(start)
            self._last.append(last)
            self._place.append(Place.WAITING)
            self._tried.append(0)
            self._rank.append(NOBODY)
            self._since.append(0.0)
        self.counts[Place.WAITING] += len(self.ids) - before
        return len(self.ids) - before + again

    def _revived(self, number: int) -> bool:
        """Take a range in again that was returned to the login node; False for any other."""
        returned = self._place[number] == Place.RETURNED
        if returned:
            self._wait_again(number)
        return returned

    def _shared_number(self, shared: str) -> int:
        number = self._shared.get(shared)
        if number is None:
            number = self._shared[shared] = len(self.shared_texts)
            self.shared_texts.append(shared)
        return number

    def number_of(self, job_id: int, range_id: str) -> int | None:
        """Return the number of a range; None if it is unknown."""
        number = self._index.find(self._jobs.index(job_id), range_id) if job_id in self._jobs else -1
        return None if number < 0 else number

    def numbers_of(self, job_id: int) -> Iterable[int]:
        """Return the numbers of a job's ranges."""
        job = self._jobs.index(job_id) if job_id in self._jobs else -1
        return (number for number, one in enumerate(self._job) if one == job)

    def settle(self, number: int, place: Place) -> None:
        """Note what an earlier run of this worker has done, or what is returned: DONE, FAILED, RETURNED. Only for a range that waits."""
        if self._place[number] == Place.WAITING:
            self._move(number, place)

    def give(self, rank: int, most: int, now: float, *, others: bool = True) -> list[int]:
        """Give up to ``most`` waiting ranges to a rank, those that were given back first.

        Args:
            now: seconds, any zero.
            others: there are other ranks; a range then does not go to the one that had it last.
        """
        given = self._from_back(rank, most, others)
        place, at = self._place, self._next
        while len(given) < most and at < len(place):
            if place[at] == _WAITING and self._rank[at] == NOBODY:
                given.append(at)
            at += 1
        self._next = at
        for number in given:
            place[number] = _GIVEN
            self._tried[number] += 1
            self._rank[number] = rank
            self._since[number] = now
        self.counts[Place.WAITING] -= len(given)
        self.counts[Place.GIVEN] += len(given)
        return given

    def _from_back(self, rank: int, most: int, others: bool) -> list[int]:
        found: list[int] = []
        for _ in range(min(len(self._back), max(most, LOOK_AHEAD))):
            if len(found) == most:
                break
            number = self._back.popleft()
            if self._place[number] != Place.WAITING:
                continue
            if others and self._tried[number] and self._rank[number] == rank:
                self._back.append(number)
                continue
            found.append(number)
        return found

    def finish(self, results: Sequence[Numbered], rank: int) -> list[Numbered]:
        """Count ranges as done, and return the results that count; nothing changes for a range that this rank does not hold.

        Args:
            results: tuples that begin with the number of a range.
        """
        # Written out: this is the one step that is taken for every range.
        place, holder, size, counted = self._place, self._rank, len(self.ids), []
        for one in results:
            number = one[0]
            if 0 <= number < size and place[number] == _GIVEN and holder[number] == rank:
                place[number] = _DONE
                counted.append(one)
        self.counts[_GIVEN] -= len(counted)
        self.counts[_DONE] += len(counted)
        return counted

    def fail(self, number: int, rank: int) -> Verdict:
        """Note that a range has failed: it is tried again, elsewhere, until it was tried often enough."""
        if not self.held_by(number, rank):
            return Verdict.NOT_HELD
        if self._tried[number] >= self.tries:
            self._move(number, Place.FAILED)
            return Verdict.FINAL
        self._wait_again(number)
        return Verdict.AGAIN

    def take_back(self, number: int, rank: int) -> bool:
        """Note that a rank returns a range that it has not begun; that was no try."""
        if not self.held_by(number, rank):
            return False
        self._tried[number] -= 1
        self._wait_again(number)
        return True

    def interrupt(self, number: int, rank: int) -> bool:
        """Note that a range was ended in the middle, by no fault of its own; it has been begun."""
        if not self.held_by(number, rank):
            return False
        self._wait_again(number)
        return True

    def untried(self) -> list[int]:
        """Return the ranges that wait and that no rank has begun; looks at all of them."""
        return [number for number, place in enumerate(self._place) if place == _WAITING and not self._tried[number]]

    def lose(self, rank: int) -> list[int]:
        """A rank is gone: what it held waits again, or has failed for good; the latter is returned."""
        return [number for number in self.held(rank) if self.fail(number, rank) is Verdict.FINAL]

    def held(self, rank: int) -> list[int]:
        """Return the ranges that a rank holds; looks at all of them."""
        return [number for number, place in enumerate(self._place) if place == Place.GIVEN and self._rank[number] == rank]

    def held_by(self, number: int, rank: int) -> bool:
        """Tell whether a rank holds a range; False too for a number that was never one."""
        return 0 <= number < len(self.ids) and self._place[number] == Place.GIVEN and self._rank[number] == rank

    def _wait_again(self, number: int) -> None:
        self._move(number, Place.WAITING)
        self._back.append(number)

    def _move(self, number: int, place: Place) -> None:
        self.counts[self._place[number]] -= 1
        self.counts[place] += 1
        self._place[number] = place

    @property
    def waiting(self) -> int:
        """How many ranges wait."""
        return self.counts[Place.WAITING]

    @property
    def given(self) -> int:
        """How many ranges are with ranks."""
        return self.counts[Place.GIVEN]

    def place(self, number: int) -> Place:
        """Return where a range is."""
        return Place(self._place[number])

    def tried(self, number: int) -> int:
        """Return how often a range was given and begun."""
        return self._tried[number]

    def since(self, number: int) -> float:
        """Return when a range was given last."""
        return self._since[number]

    def job_of(self, number: int) -> int:
        """Return the job of a range."""
        return self._jobs[self._job[number]]

    def events_of(self, number: int) -> int:
        """Return how many events a range has."""
        return max(0, self._last[number] - self._start[number] + 1)

    def packed(self, numbers: Sequence[int]) -> list[tuple[int, str, list[tuple[int, str, int, int, int]]]]:
        """Return ranges as they travel: [(job id, shared keys as JSON, [(number, id, first event, last event, try), ...]), ...]."""
        # Column by column, which costs a fraction of a loop over ranges.
        keys = [(self._job[number], self._share[number]) for number in numbers]
        ids = [self.ids[number] for number in numbers]
        start, last, tried = ([column[number] for number in numbers] for column in (self._start, self._last, self._tried))
        rows = zip(numbers, ids, start, last, tried, strict=True)
        groups: dict[tuple[int, int], list[tuple[int, str, int, int, int]]] = {}
        if len(set(keys)) == 1:
            groups[keys[0]] = list(rows)
        else:
            for key, row in zip(keys, rows, strict=True):
                groups.setdefault(key, []).append(row)
        return [(self._jobs[one], self.shared_texts[other], rows) for (one, other), rows in groups.items()]


def unpacked(shared: str) -> Mapping[str, Any]:
    """Return the shared keys of ranges that have travelled."""
    found: Mapping[str, Any] = json.loads(shared)
    return found
