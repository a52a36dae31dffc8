"""A transfer: a batch of files on their way between two places, and the items in it."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from harvester_hpc.model.lifecycle import Lifecycle

TransferId = NewType("TransferId", int)
"""Number of a transfer row in the store; never used twice."""

ItemId = NewType("ItemId", int)
"""Number of an item row in the store."""


class Direction(StrEnum):
    """Towards the workers, or away from them."""

    IN = "in"
    OUT = "out"


class TransferState(StrEnum):
    """The life of a batch. It is stored before the outside hears of it."""

    PLANNED = "planned"      # the intent is stored, the outside may or may not know it
    ACTIVE = "active"        # the outside has it
    ENDED = "ended"          # each of its items has an end of its own
    CANCELLED = "cancelled"  # nobody wants any of its items any more


class ItemState(StrEnum):
    """The life of one file on one way."""

    WAITING = "waiting"  # for a batch
    MOVING = "moving"    # in a batch
    MOVED = "moved"      # verified at its destination
    FAILED = "failed"    # for good
    DROPPED = "dropped"  # nobody wants it any more


TRANSFER_LIFECYCLE: Lifecycle[TransferState] = Lifecycle(
    "transfer",
    {
        TransferState.PLANNED: frozenset({TransferState.ACTIVE, TransferState.ENDED, TransferState.CANCELLED}),
        # back to planned: the outside has lost it, and it is submitted again under the same name
        TransferState.ACTIVE: frozenset({TransferState.PLANNED, TransferState.ENDED, TransferState.CANCELLED}),
        TransferState.ENDED: frozenset(),
        TransferState.CANCELLED: frozenset(),
    },
)

ITEM_LIFECYCLE: Lifecycle[ItemState] = Lifecycle(
    "transfer item",
    {
        ItemState.WAITING: frozenset({ItemState.MOVING, ItemState.FAILED, ItemState.DROPPED}),
        # back to waiting: it did not arrive and is tried again in another batch
        ItemState.MOVING: frozenset({ItemState.WAITING, ItemState.MOVED, ItemState.FAILED, ItemState.DROPPED}),
        ItemState.MOVED: frozenset(),
        ItemState.FAILED: frozenset(),
        ItemState.DROPPED: frozenset(),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a file lies, or is to lie.

    Attributes:
        name: the service's own name of the place: a Globus collection, a Rucio RSE; "" for the file systems of this machine.
        path: the path as that place has it; absolute on this machine.
    """

    name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """One file that wants moving over one hop, and all that a plugin may need to find its way.

    Attributes:
        job_id: a job that wants it (of several, the first).
        task_id: of the workload management system; None if it said nothing.
        size: bytes; None if unknown.
        checksum: ``ad:`` + 8 hex digits or ``md:`` + 32; "" if unknown.
        hop: 0 for the first.
        source: where it lies now: after the first hop what that one has said; for the first hop of an output its path on this
            machine; for the first hop of an input what the job says (``inFileSources``), "" if it says nothing.
        target: absolute path on this machine where the last hop of an input is to put it; "" for outputs and other hops.
    """

    item_id: ItemId
    direction: Direction
    job_id: int
    task_id: int | None = None
    lfn: str
    scope: str = ""
    dataset: str = ""
    endpoint: str = ""
    guid: str = ""
    size: int | None = None
    checksum: str = ""
    hop: int = 0
    source: Place = Place()
    target: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way of one file over one hop. Files with the same names of places and the same options may share a batch.

    Attributes:
        readable: the destination as an absolute path of this machine; "" if it cannot be read here. What can be read is verified.
        options: what the batch is done with, (key, value).
    """

    source: Place
    destination: Place
    readable: str = ""
    options: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A parcel with its way, as part of a batch."""

    parcel: Parcel
    route: Route
    tries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a batch is.

    Attributes:
        files, size: moved so far, and bytes.
        event: the last thing that happened, in the words of the service; "" if nothing.
        faults: errors so far from which the service goes on by itself.
    """

    files: int = 0
    size: int = 0
    event: str = ""
    faults: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """One row of the store.

    Attributes:
        key: unique name, made of the instance's tag and the number; the outside may show it (a label).
        queue: PanDA queue whose plugin moves it.
        direction, hop, source, destination, options: what all its items have in common; places without paths.
        token: what the plugin has got from the service to make the submission unique; stored before the submission.
        task: the service's name of it; "" before it is known.
        why: the last thing that went wrong; "" if nothing.
        remedy: what a person must do before it goes on; "" if nobody must.
        files, size: of all its items together; bytes as far as they are known.
        submissions: how often it was handed over.
        due: when it is looked at next, seconds since 1970; None once it has ended.
        stuck: since when it does not go on; None if it does.
    """

    id: TransferId = TransferId(0)
    key: str = ""
    queue: str
    direction: Direction
    hop: int = 0
    state: TransferState = TransferState.PLANNED
    source: str = ""
    destination: str = ""
    options: tuple[tuple[str, str], ...] = ()
    token: str = ""
    task: str = ""
    why: str = ""
    remedy: str = ""
    files: int = 0
    size: int = 0
    progress: Progress = Progress()
    submissions: int = 0
    tries: int = 0
    created: float = 0.0
    changed: float = 0.0
    submitted: float | None = None
    due: float | None = None
    stuck: float | None = None
