"""Late binding inside the allocation: ask the login node for jobs, and see what it answers."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum, auto
from pathlib import Path

from harvester_hpc.messenger.doorbell import ring
from harvester_hpc.messenger.letter import Whole, read, write
from harvester_hpc.messenger.names import NAMES
from harvester_launch.assignment import Worker
from harvester_launch.telling import say

#: Seconds between two looks for an answer: at first, and in the end; each is so many times longer than the one before.
FIRST_S, LONGEST_S, LONGER = 0.1, 2.0, 1.4


class Answer(Enum):
    """What a look has found beside jobs."""

    NOT_YET = auto()
    NO_JOBS = auto()


class Asking:
    """Asks for jobs. Launchers of one worker share the request and the list: what one has asked for, any of them may take.

    Args:
        limit_s: seconds after which no answer is an answer: the login node does not live.
        known: jobs that need no asking.
    """

    def __init__(self, worker: Worker, limit_s: float, known: Iterable[int] = ()) -> None:
        self._worker = worker
        self._limit_s = limit_s
        self._known = set(known)
        self._asked: float | None = None
        self._blind: float | None = None
        self._pause_s = FIRST_S

    @property
    def pause_s(self) -> float:
        """Seconds until the next look; they grow."""
        return self._pause_s

    def look(self, number: int, now: float) -> Sequence[int] | Answer:
        """Return jobs that are new here, in order; else ask for ``number`` if nobody has, and tell whether to look again.

        Args:
            now: seconds of a clock that only goes forward.
        """
        try:
            found = self._look(number, now)
        except OSError as error:  # a file server that is away for a while; what runs here goes on
            self._blind = now if self._blind is None else self._blind
            say(f"cannot look for jobs: {error}")
            self._pause_s = LONGEST_S
            return Answer.NO_JOBS if now - self._blind > self._limit_s else Answer.NOT_YET
        self._blind = None
        return found

    def _look(self, number: int, now: float) -> Sequence[int] | Answer:
        # In this order: the login node writes the list first, and then takes the request away.
        lies_there = self._request.exists()
        jobs = [job_id for job_id in listed(self._worker) if job_id not in self._known]
        if jobs:
            self._known.update(jobs)
            self._asked, self._pause_s = None, FIRST_S
            return jobs
        if self._asked is None:
            self._ask(number, lies_there)
            self._asked, self._pause_s = now, FIRST_S
            return Answer.NOT_YET
        if not lies_there or now - self._asked > self._limit_s:
            return self._give_up(lies_there)
        self._pause_s = min(LONGEST_S, self._pause_s * LONGER)
        return Answer.NOT_YET

    @property
    def _request(self) -> Path:
        return self._worker.access_point / NAMES.job_request

    def _ask(self, number: int, lies_there: bool) -> None:
        if lies_there:
            return  # a neighbour's; its answer is for all
        try:
            write(self._request, {"nJobs": number})
        except OSError as error:
            say(f"cannot ask for jobs: {error}")
        if self._worker.root is not None and self._worker.worker_id.isdigit():
            ring(self._worker.root, int(self._worker.worker_id))

    def _give_up(self, lies_there: bool) -> Answer:
        self._asked, self._pause_s = None, FIRST_S
        if lies_there:
            say(f"no answer within {self._limit_s:.0f} s")
            self._request.unlink(missing_ok=True)
        return Answer.NO_JOBS


def listed(worker: Worker) -> list[int]:
    """Return the jobs of the worker as its list says; none while there is no list."""
    reading = read(worker.access_point / NAMES.panda_ids, expected=list)
    ids = reading.content if isinstance(reading, Whole) else []
    return [one for one in dict.fromkeys(ids) if isinstance(one, int) and not isinstance(one, bool)]
