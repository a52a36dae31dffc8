"""Event ranges on their way to a worker: written behind what it has not read yet, never over it."""
from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.dump import BadItem, job_number
from harvester_hpc.messenger.letter import Absent, Unfit, Whole, put_aside, read, write
from harvester_hpc.messenger.values import AccessPoint

#: Suffix of ranges that wait until the worker has taken the letter before them.
NEXT = ".next"

Ranges = Mapping[int, Sequence[Mapping[str, Any]]]


class RangeQueue:
    """Writes ``JobsEventRanges.json``. This process is its only writer; the lock keeps its threads apart."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._lock = threading.Lock()

    def feed(self, point: AccessPoint, ranges: Ranges) -> None:
        """Hand ranges to the worker, {job id: ranges}; [] says that there are no more.

        Raises:
            OSError: they were not written; feed them again.
        """
        letter, waiting = point.path / self._name, point.path / f"{self._name}{NEXT}"
        with self._lock:
            write(waiting, _merged(_waiting_in(waiting), ranges))
            _promote(waiting, letter)

    def promote(self, point: AccessPoint) -> None:
        """Let the ranges that wait become the letter, if the worker has taken the one before."""
        with self._lock:
            _promote(point.path / f"{self._name}{NEXT}", point.path / self._name)


def _promote(waiting: Path, letter: Path) -> None:
    # Only we ever make this letter, so it cannot appear between the look and the rename.
    if waiting.exists() and not letter.exists():
        waiting.replace(letter)


def _waiting_in(path: Path) -> Mapping[str, Any]:
    match read(path):
        case Whole(content=content):
            return {key: ranges for key, ranges in content.items() if isinstance(ranges, list)}
        case Absent():
            return {}
        case Unfit(why=why):
            # Only a damaged disk can do this; whoever looks after it finds the ranges.
            put_aside(path, why)
            return {}


def _merged(waiting: Mapping[str, Any], ranges: Ranges) -> dict[str, list[Any]]:
    merged = {key: list(before) for key, before in waiting.items()}
    for job_id, more in ranges.items():
        before = merged.setdefault(str(job_id), [])
        known = {one.get("eventRangeID") for one in before if isinstance(one, dict)}
        before.extend(dict(one) for one in more if one.get("eventRangeID") not in known)
    return merged


def requests_of(content: Mapping[str, Any], path: Path) -> dict[int, Mapping[str, Any]]:
    """Return {job id: request} of ``worker_requestevents.json``; a bad one is put aside by itself."""
    requests: dict[int, Mapping[str, Any]] = {}
    for key, request in content.items():
        try:
            job_id = job_number(key)
        except BadItem as error:
            put_aside(path, str(error), {key: request})
            continue
        if isinstance(request, dict):
            requests[job_id] = request
        else:
            put_aside(path, "a request for events is an object with nRanges", {key: request})
    return requests
