"""The one desk at which all queues of an instance ask their batch system."""
from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.context import Context
from harvester_psij.rows import NOTHING_TOLD, Listing
from harvester_psij.scheduler import Scheduler, at_scheduler

#: Seconds between two questions, if no queue says how many.
EVERY_S = 30.0
LONGEST_S = 600.0
#: Seconds that an answer may take without being called slow.
SLOW_S = 1.0
#: A slow batch system is asked for this part of the time at most: one that takes 12 s for an answer is left alone for a minute.
SHARE = 0.2
#: The pause is spread by this part of it, so that many instances do not ask at once.
SPREAD = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An answer of the queue.

    Attributes:
        at: when the question was put, seconds since 1970; what was submitted later may not be in the answer.
        ids: the batch jobs that were asked about; None: all of ours.
        next_at: when the next question may be put.
    """

    listing: Listing
    at: float
    ids: frozenset[str] | None
    next_at: float

    def covers(self, batch_id: str, since: float) -> bool:
        """Tell whether its silence about a batch job that is there since ``since`` (seconds since 1970) means something."""
        return since < self.at and (self.ids is None or batch_id in self.ids)


class Desk:
    """One batch system, asked by one at a time and none too often.

    Args:
        clock: seconds since 1970.
        draw: a random number in [0, 1).
    """

    def __init__(
        self, scheduler: Scheduler, clock: Callable[[], float] = time.time, draw: Callable[[], float] = random.random
    ) -> None:
        self.scheduler = scheduler
        self._clock, self._draw = clock, draw
        self._asking = threading.Lock()
        self._answer: Asked | None = None
        self._every_s: float | None = None
        self._left: frozenset[str] = frozenset()
        self._accounted = NOTHING_TOLD
        self._slots: threading.BoundedSemaphore | None = None

    def __str__(self) -> str:
        """The batch system's name."""
        return self.scheduler.name

    def hurry(self, every_s: float) -> None:
        """Ask as often as the queue in the greatest hurry wants: every ``every_s`` seconds; 0: whenever somebody wants to know."""
        self._every_s = every_s if self._every_s is None else min(self._every_s, every_s)

    def queue(self, since: Mapping[str, float]) -> Asked:
        """Return what the queue knows of batch jobs: the last answer, or a new one if its time has come.

        Args:
            since: {batch job: when it was submitted, seconds since 1970}. Of those that the last answer is older than nothing is asked
                before the next one; of those that it was not about, all the same.

        Raises:
            Unavailable: the batch system does not answer.
        """
        with self._asking:
            now = self._clock()
            last = self._answer
            if last is not None and last.at <= now < last.next_at:
                self._answer = self._with_others(last, since)
                return self._answer
            self._answer = None  # what went before is of no use once a question fails
            listing = self._listing(sorted(since))
            self._left, self._accounted = frozenset(), NOTHING_TOLD
            self._answer = Asked(
                listing=listing, at=now, ids=None if self.scheduler.lists_all else frozenset(since),
                next_at=now + self._pause_s(self._clock() - now),
            )
            return self._answer

    def _with_others(self, last: Asked, since: Mapping[str, float]) -> Asked:
        """Ask about those that were there and were not asked about: more than one round takes, or known by their claims only."""
        ids = last.ids
        others = [] if ids is None else sorted(one for one, at in since.items() if at < last.at and one not in ids)
        if ids is None or not others:
            return last
        return replace(last, listing=last.listing + self._listing(others), ids=ids | frozenset(others))

    def also(self, asked: Asked, since: Mapping[str, float]) -> Asked:
        """Return an answer that is about these too.

        Raises:
            Unavailable: the batch system does not answer.
        """
        with self._asking:
            whole = self._with_others(asked, since)
            if self._answer is asked:
                self._answer = whole
            return whole

    def next_answer(self) -> float:
        """Return when the queue will be asked next, seconds since 1970; what is past means at any time."""
        answer = self._answer
        return answer.next_at if answer is not None else 0.0

    def accounting(self, ids: Sequence[str]) -> Listing:
        """Return what is known of batch jobs that have left the queue; asked about each once between two answers of the queue.

        Raises:
            Unavailable: the batch system does not answer.
        """
        with self._asking:
            new = [one for one in ids if one not in self._left]
            if new:
                with self._blamed():
                    self._accounted += self.scheduler.accounting(new)
                self._left |= frozenset(new)
            return self._accounted

    def named(self, keys: Sequence[str]) -> Listing:
        """Return the batch jobs of these names.

        Raises:
            Unavailable: the batch system does not answer.
        """
        with self._asking, self._blamed():
            return self.scheduler.named(keys)

    def cancel(self, *, ids: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        """Cancel batch jobs by number and by name.

        Raises:
            Unavailable: the batch system does not answer, or will not.
        """
        with self._blamed():
            self.scheduler.cancel(ids=ids, keys=keys)

    def slots(self, parallel: int) -> threading.BoundedSemaphore:
        """Return what bounds the submissions of all queues together.

        Args:
            parallel: at the same time; what the first queue says counts.
        """
        with self._asking:
            if self._slots is None:
                self._slots = threading.BoundedSemaphore(parallel)
            return self._slots

    def _pause_s(self, took_s: float) -> float:
        every_s = EVERY_S if self._every_s is None else self._every_s
        pause_s = max(every_s, took_s / SHARE) if took_s > SLOW_S and every_s else every_s
        return min(LONGEST_S, pause_s) * (1.0 + SPREAD * self._draw())

    def _listing(self, ids: Sequence[str]) -> Listing:
        with self._blamed():
            return self.scheduler.queue(ids)

    @contextmanager
    def _blamed(self) -> Iterator[None]:
        """Say whose outage it is: that of all queues that ask here."""
        try:
            yield
        except Unavailable as error:
            raise Unavailable(error.what, why=error.why, remedy=error.remedy, of=self.scheduler.name) from error


def desk_of(context: Context, timeout_s: float) -> Desk | None:
    """Return the desk of the facility's batch system, the same for all plugins of the instance; None for this machine.

    Args:
        timeout_s: seconds for one command; plugins that differ in it have desks of their own.
    """
    name = context.facility.scheduler
    scheduler = at_scheduler(name, timeout_s)
    return context.commons.one(("harvester_psij", name, timeout_s), lambda: Desk(scheduler)) if scheduler else None
