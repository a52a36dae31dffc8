"""An agent's whole base: select, act, commit; and how it waits when something outside does not work."""
from __future__ import annotations

import logging
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from types import UnionType
from typing import ClassVar, TypeVar

from harvester_hpc.agents.answers import checked
from harvester_hpc.agents.side_by_side import as_ready, parts
from harvester_hpc.clock import Clock
from harvester_hpc.errors import CredentialRefused, LeaseLost, StoreError, Unavailable
from harvester_hpc.model.facility import Facility
from harvester_hpc.policy.backoff import LONGEST_WITH_SPREAD_S, pause_s
from harvester_hpc.policy.credential import Rules
from harvester_hpc.ports.communicator import Communicator
from harvester_hpc.ports.credential import CredentialManager
from harvester_hpc.ports.plugins import QueuePlugins
from harvester_hpc.store import credential as credentials
from harvester_hpc.store import health
from harvester_hpc.store.database import Database

log = logging.getLogger(__name__)

#: At most so many jobs in one call to the workload management system.
BUNCH = 100
#: From this try on the pause is the longest.
SELDOM = 8

Item = TypeVar("Item")
Answer = TypeVar("Answer")


def _pass_by(point: str) -> None:
    """Do nothing: the fault points matter to the crash tests only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A credential that is looked after: who does it, and what the user wants."""

    manager: CredentialManager
    rules: Rules


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """All that an agent works with; made once, by the app.

    Attributes:
        queues: PanDA queue -> its plugins.
        credentials: name in the section ``credentials`` -> who keeps it.
        instance, tag: as in ``ports.context.Context``.
        inbox: folder into which the command line drops commands.
        rows: at most so many rows in one look at the store.
        bunch: at most so many jobs in one call to the workload management system.
        parallel: threads for slow calls to the outside, for each agent.
        heartbeat_s: seconds between two reports of an unchanged job.
        keep_jobs_s: seconds for which an ended and told job stays visible.
        reached: called at the named fault points.
        draw: a random number in [0, 1).
        facility: the computing centre, whose limits are kept; None: it has none.
    """

    database: Database
    queues: Mapping[str, QueuePlugins]
    communicator: Communicator
    clock: Clock
    instance: str
    tag: str
    node_name: str
    inbox: Path
    rows: int = 500
    bunch: int = BUNCH
    parallel: int = 4
    heartbeat_s: float = 1800.0
    keep_jobs_s: float = 72 * 3600.0
    reached: Callable[[str], None] = _pass_by
    draw: Callable[[], float] = random.random
    credentials: Mapping[str, Kept] = field(default_factory=dict)
    facility: Facility | None = None


@dataclass(slots=True)
class Waiting:
    """How long this agent leaves one queue alone.

    Attributes:
        refused: (name, mark) of the credential content that was refused: another one ends the waiting.
    """

    count: int
    until: float
    refused: tuple[str, str] | None = None


class Agent(ABC):
    """One agent. ``run_once`` is one bounded round; the daemon calls it when the bell rings or time has come."""

    name: ClassVar[str]

    def __init__(self, house: Surroundings, period_s: float) -> None:
        self.house = house
        self.period_s = period_s
        self.clock = house.clock
        self.database = house.database
        self._waiting: dict[str, Waiting] = {}
        self._shared: dict[str, str] = {}  # queue -> what it waits for together with others
        self._pool: ThreadPoolExecutor | None = None

    @abstractmethod
    def run_once(self) -> int:
        """Do one bounded round; return how many things changed (0: nothing to do now).

        Raises:
            StoreError, LeaseLost: the store cannot be used.
        """

    def next_due(self) -> float | None:
        """Return when the store next has work for this agent; None if only the bell can tell."""
        return None

    @property
    def longest_pause_s(self) -> float:
        """Longest time for which a thing that goes on is put off on purpose, in seconds."""
        polls = (plugins.queue.poll_s for plugins in self.house.queues.values())
        return max(self.period_s, self.house.heartbeat_s, LONGEST_WITH_SPREAD_S, *polls)

    def is_busy(self) -> bool:
        """Tell whether threads of this agent are at something of which it has to take the result."""
        return False

    def hangs(self) -> bool:
        """Tell, after ``close``, whether a thread has not ended."""
        return False

    def close(self) -> None:
        """Wait for the calls under way and end the agent's threads."""
        if self._pool is not None:
            self._pool.shutdown(wait=True)

    # -- calls to the outside ---------------------------------------------------------------------

    def attempt(
        self, queue: str, call: Callable[[], Answer], on_defect: Callable[[Exception], Answer | None] = lambda error: None, *,
        ends_trouble: bool = True,
    ) -> Answer | None:
        """Call the outside for one queue ("" for the agent as a whole); None if it did not work.

        Then the queue is left alone for a growing while, and ``status`` says since when and why. An answer ends that.
        What several queues ask (``Unavailable.of``) is one trouble, in which each of them is from its own next question on.

        Args:
            on_defect: what to return if the plugin raises something else than it may.
            ends_trouble: an answer proves that the outside works; not so where only files of ours were read.
        """
        try:
            answer = call()
        except (StoreError, LeaseLost):
            raise
        except CredentialRefused as error:
            self.wait_for_credential(queue, error)
            return None
        except Unavailable as error:
            if error.of:
                self._shared[queue] = error.of
            if not error.of or not self.waits(error.of):
                self.begin_to_wait(error.of or queue, str(error))
            return None
        except Exception as error:
            log.exception("defect in a plugin agent=%s queue=%s", self.name, queue)
            self.begin_to_wait(queue, f"{type(error).__name__}: {error}")
            return on_defect(error)
        if not ends_trouble:
            return answer
        if (shared := self._shared.pop(queue, None)) is not None:
            Agent.works(self, shared)  # it answers, whatever it says to this queue
        self.works(queue)
        return answer

    def attempt_each(
        self, queue: str, items: Sequence[Item], call: Callable[[], Sequence[Answer]], kind: UnionType | type, *,
        ends_trouble: bool = True,
    ) -> list[tuple[Item, Answer]] | None:
        """Call the outside for many items; return each with its answer, or None if it did not work.

        Answers that are too few, too many or not of ``kind`` are a defect of the plugin: its queue's trouble, and nobody else's.
        """
        return self.attempt(
            queue, lambda: [(item, checked(answer, kind)) for item, answer in zip(items, call(), strict=True)], ends_trouble=ends_trouble,
        )

    def waits(self, queue: str) -> bool:
        """Tell whether the queue is left alone at the moment."""
        now = self.clock.now()
        return any(self._is_on(waiting, now) for waiting in self._waits_of(queue))

    def _is_on(self, waiting: Waiting, now: float) -> bool:
        # Longer than any pause of ours: the clock was set back.
        if not 0.0 < waiting.until - now <= LONGEST_WITH_SPREAD_S:
            return False
        return waiting.refused is None or not self._is_renewed(*waiting.refused)

    def waits_until(self, queue: str) -> float:
        """Return until when the queue is left alone; now if it is not."""
        return max(waiting.until for waiting in self._waits_of(queue)) if self.waits(queue) else self.clock.now()

    def _waits_of(self, queue: str) -> list[Waiting]:
        names = dict.fromkeys((queue, self._shared.get(queue, queue)))
        return [self._waiting[name] for name in names if name in self._waiting]

    def wait_together(self, queue: str, others: Iterable[str]) -> None:
        """Let others wait for what ``queue`` has just found away, if they ask the same."""
        shared = self._shared.get(queue)
        self._shared.update({other: shared for other in others if shared is not None})

    def works(self, queue: str) -> None:
        """The outside has answered: the trouble, if there was one, is over."""
        waiting = self._waiting.get(queue)
        if waiting is None:
            return
        log.info("works again agent=%s queue=%s", self.name, queue or "-")
        if waiting.refused is not None:
            with self.database.write() as write:
                credentials.accepted(write, *waiting.refused)
        self.forget_trouble(queue)

    def forget_trouble(self, queue: str) -> None:
        """Take a trouble out of ``status``: it is over, or it is nobody's trouble any more."""
        self._waiting.pop(queue, None)
        with self.database.write() as write:
            health.no_trouble(write, self.name, queue)

    def wait_for_credential(self, queue: str, error: CredentialRefused) -> None:
        """Say that a credential was refused, and leave the queue alone until there is another one.

        The server is not asked often in the meantime: what it does not take now it will not take in a second.
        """
        if not error.credential:
            self.begin_to_wait(queue, str(error))
            return
        with self.database.write() as write:
            credentials.refused(write, error.credential, error.mark, str(error))
        before = self._waiting.get(queue)
        self.begin_to_wait(queue, str(error), max(SELDOM, before.count + 1 if before else 1), (error.credential, error.mark))

    def _is_renewed(self, name: str, mark: str) -> bool:
        with self.database.read() as connection:
            return credentials.is_another(connection, name, mark)

    def begin_to_wait(self, queue: str, why: str, count: int | None = None, refused: tuple[str, str] | None = None) -> None:
        """Leave the queue alone for a while that grows with ``count`` (one more than last time if not given).

        Args:
            refused: (name, mark) of a credential content; another one ends the waiting.
        """
        now = self.clock.now()
        before = self._waiting.get(queue)
        if count is None:
            count = before.count + 1 if before else 1
        until = now + pause_s(count, self.house.draw())
        self._waiting[queue] = Waiting(count, until, refused)
        log.log(
            logging.WARNING if count == 1 else logging.INFO,
            "waits agent=%s queue=%s seconds=%.0f try=%d why=%s", self.name, queue or "-", until - now, count, why,
        )
        with self.database.write() as write:
            health.trouble(write, self.name, queue, until, why, refused[0] if refused else "")

    def in_parallel(self, items: Sequence[Item], act: Callable[[Sequence[Item]], Sequence[Answer]]) -> Iterator[list[Answer]]:
        """Yield what ``act`` says of parts of ``items`` as it is ready, with at most ``parallel`` threads.

        What is ready at the same time is yielded together, so that it can be stored together: a commit waits for the disk.
        What one part raises is raised after all others were yielded; no call is under way any more when this ends.
        """
        groups = list(parts(items, self.house.parallel))
        if len(groups) <= 1:
            yield from (list(act(part)) for part in groups)
            return
        if self._pool is None:
            self._pool = ThreadPoolExecutor(self.house.parallel, thread_name_prefix=self.name)
        futures = [self._pool.submit(act, part) for part in groups]
        try:
            yield from as_ready(futures)
        finally:
            for future in futures:
                future.cancel()
            wait(futures)
        for future in futures:
            future.result()

    def pause_s(self, tries: int) -> float:
        """Return how long to wait after the ``tries``-th failure in a row of one item, in seconds."""
        return pause_s(tries, self.house.draw())


def by_queue(items: Iterable[Item], queue_of: Callable[[Item], str]) -> dict[str, list[Item]]:
    """Return {queue: items of it}, in the order of ``items``."""
    groups: dict[str, list[Item]] = {}
    for item in items:
        groups.setdefault(queue_of(item), []).append(item)
    return groups
