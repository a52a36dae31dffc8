"""Plugins that move many files of many jobs at once.

A preparator or stager that moves the files of one job when it is told to is in ``staging``. Here are those that are asked
to move batches: the core stores what is to be moved, sorts it into batches, verifies what has arrived, tries again, and wakes
the jobs. A plugin only says which way a file goes, and moves a batch.

A section may name several plugins in a row (``hops``): then a file goes over each of them in turn.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from harvester_hpc.model.transfer import Item, ItemId, Parcel, Progress, Route, Transfer
from harvester_hpc.ports.outcome import Failed, Retry


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large batches may be.

    Attributes:
        files, size: in one batch; bytes.
        wait_s: seconds for which the first file of a batch waits for others.
        active: batches under way at the same time.
        poll_s: seconds between two looks at what is under way.
        tries: of one file that does not arrive, before it has failed.
    """

    files: int = 10_000
    size: int = 1 << 40
    wait_s: float = 60.0
    active: int = 2
    poll_s: float = 30.0
    tries: int = 5


# -- what came of it ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Parked:
    """A person must act first: a consent, an expired session, a quota. It goes on by itself when that is mended.

    Attributes:
        why: what is wrong.
        remedy: what to do, in words (a command line if there is one).
    """

    why: str
    remedy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The service has the batch. task: its name there, by which it is asked for."""

    task: str


class ItemEnd(StrEnum):
    """What became of one file of a batch."""

    MOVED = "moved"    # it is at its destination
    AGAIN = "again"    # not this time; in another batch it may work
    FAILED = "failed"  # it will never work


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemNews:
    """What became of one file.

    Attributes:
        size: bytes at the destination; None if it is not known.
        checksum: of what lies at the destination; "" if it is not known.
        verified: whether source and destination were compared by a checksum, by the plugin or by the service. What is not,
            and can be read here, is verified by the core.
        url: the name by which others find it; "" for none.
        path: its path at the destination if that is another than the route said; "" if not.
    """

    item_id: ItemId
    end: ItemEnd
    why: str = ""
    size: int | None = None
    checksum: str = ""
    verified: bool = False
    url: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """It goes on. why: what holds it up, "" if nothing does."""

    progress: Progress = field(default_factory=Progress)
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """The service is through with the batch. An item of which nothing is said has not arrived and is tried again."""

    items: tuple[ItemNews, ...]
    progress: Progress = field(default_factory=Progress)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The service clearly does not know the batch: it is submitted again."""

    why: str = ""


Submitted = Accepted | Retry | Failed | Parked
Seen = Moving | Ended | Parked | Gone


# -- the ports ----------------------------------------------------------------------------------------


class Mover(Protocol):
    """What carriers and copiers have in common."""

    def limits(self) -> Limits:
        """Tell how large batches may be."""
        ...

    def route(self, parcels: Sequence[Parcel]) -> Sequence[Route | Retry | Failed | Parked]:
        """Tell which way each file goes, in the order of ``parcels``; many at once, for a service may have to be asked.

        The same parcel gets the same route again.

        Raises:
            Unavailable: nothing is known.
        """
        ...


class Carrier(Mover, Protocol):
    """Hands a batch to a service that moves it, and asks later what became of it."""

    def token(self, transfer: Transfer) -> str:
        """Return what makes the submission of this batch unique; "" if ``transfer.key`` does. Stored before ``submit``.

        Raises:
            Unavailable: not now.
        """
        ...

    def submit(self, transfer: Transfer, items: Sequence[Item]) -> Submitted:
        """Hand over the batch. May be called again for the same ``token`` or ``key``: the service must not do it twice.

        Failed: it will never be taken as it is; a batch of several files is then split.

        Raises:
            Unavailable: no answer: it may have been taken. The same is submitted again later.
        """
        ...

    def look(self, transfers: Sequence[Transfer], items: Callable[[Transfer], Sequence[Item]]) -> Sequence[Seen]:
        """Tell how they go on, in the order of ``transfers``, in as few calls to the service as possible.

        Args:
            items: gives the items of one of them; ask for those that have ended only.

        Raises:
            Unavailable: nothing is known.
        """
        ...

    def cancel(self, transfer: Transfer) -> None:
        """Nobody wants the batch any more: end it. Harmless when repeated, and for one that has ended.

        Raises:
            Unavailable: not now; asked again later.
        """
        ...


class Copier(Mover, Protocol):
    """Moves a batch itself; the core runs it in a thread of its own, and again from the start after a crash."""

    def copy(
        self, transfer: Transfer, items: Sequence[Item], tell: Callable[[ItemNews], None], stopped: Callable[[], bool]
    ) -> Parked | None:
        """Move all items; ``tell`` of each as it is done. Items that lie there whole and right already are told as moved.

        A file is put beside its destination, brought to disk and renamed: it is there whole or not at all. Ends soon, with
        what it has, once ``stopped()`` is true.

        Returns:
            Parked if a person must act before the rest can go on; None otherwise.

        Raises:
            Unavailable: the rest cannot be moved now.
        """
        ...
