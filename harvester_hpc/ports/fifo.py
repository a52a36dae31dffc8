"""A priority queue outside the store: what an agent looks at next, so that the store need not be asked."""
from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from harvester_hpc.model.fifo import Entry


class Fifo(Protocol):
    """A priority queue; several threads and processes may use it at once.

    What ``get`` has given is out of the queue. What ``hold`` has given (protective dequeue) comes back by itself at its time, unless it was
    deleted before: whoever dies with it loses nothing.

    Every method raises Unavailable if the back end does not answer, and FifoLost if it has begun a new life meanwhile.
    """

    @property
    def life(self) -> str:
        """Name of this life of the queue: another one if it was lost or cleared and made anew, by whomever."""
        ...

    def put(self, entries: Iterable[tuple[float, Any]]) -> Sequence[int]:
        """Put (score, item) pairs in, all or none; return their numbers.

        Raises:
            ValueError: a score is no finite number, or JSON cannot say an item; nothing was put in.
        """
        ...

    def get(self, count: int = 1, most: float | None = None) -> Sequence[Entry]:
        """Take at most ``count`` entries out, the first ones first; only those whose score is at most ``most``, if it is given."""
        ...

    def hold(self, until: float, count: int = 1, most: float | None = None) -> Sequence[Entry]:
        """As ``get``, but what is given comes back at ``until`` (seconds since 1970) under its old score, if it was not deleted."""
        ...

    def release(self, ids: Iterable[int]) -> int:
        """Put entries that are held back at once; return how many."""
        ...

    def delete(self, ids: Iterable[int]) -> int:
        """Take entries out, held or not; return how many there were."""
        ...

    def peek(self, count: int = 1, skip: int = 0) -> Sequence[Entry]:
        """Return the first entries after ``skip`` others, and leave them in; what is held is not seen."""
        ...

    def size(self) -> int:
        """Return how many entries there are, held ones included."""
        ...

    def held(self) -> int:
        """Return how many are held."""
        ...

    def clear(self) -> int:
        """Take everything out; return how many there were. A new life begins."""
        ...

    def close(self) -> None:
        """Let go of the back end; the queue stays."""
        ...


class Fifos(Protocol):
    """A back end: opens the queues of an instance."""

    def open(self, title: str) -> Fifo:
        """Open the queue of this title (``monitor``); made if there is none.

        Raises:
            Unavailable: the back end does not answer, or cannot be used.
        """
        ...
