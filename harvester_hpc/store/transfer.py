"""Batches of files in the store: planned, handed over, looked at, ended."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from harvester_hpc.model.transfer import Direction, Item, ItemId, Parcel, Place, Progress, Route, Transfer, TransferId, TransferState
from harvester_hpc.model.turn import CONVEYOR
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mover:
    """Who moves: the plugin of one hop of one direction of a queue."""

    queue: str
    direction: Direction
    hop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heap:
    """Files that wait and may share a batch.

    Attributes:
        source, destination: names of the places.
        options: as they are stored.
        since: when the first of them began to wait.
    """

    source: str
    destination: str
    options: str
    files: int
    size: int
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """A file of a batch, for those who look."""

    item_id: int
    lfn: str
    job_id: int
    state: str
    size: int | None
    tries: int
    why: str
    source_path: str
    destination_path: str


# -- what wants to move -------------------------------------------------------------------------------


def unrouted(connection: sqlite3.Connection, mover: Mover, now: float, limit: int, *, last: bool) -> list[tuple[Parcel, float]]:
    """Return (file, since when it wants to move) of those of which nobody has asked the way.

    Args:
        last: it is the last hop: an input goes to its place in the cache.
    """
    rows = connection.execute(sentences("transfer")["unrouted"], (*_of(mover), now, limit))
    return [(_parcel(row, last=last), row[15]) for row in rows]


def put_routes(write: Write, routes: Iterable[tuple[ItemId, Route]]) -> None:
    """Keep which way files go."""
    write.connection.executemany(
        sentences("transfer")["route"],
        [(route.source.name, route.source.path, route.destination.name, route.destination.path, route.readable, stored(route.options),
          item_id) for item_id, route in routes],
    )


def heaps(connection: sqlite3.Connection, mover: Mover, now: float) -> list[Heap]:
    """Return what waits for a mover, by what may share a batch."""
    return [
        Heap(source=row[0], destination=row[1], options=row[2], files=row[3], size=row[4], since=row[5])
        for row in connection.execute(sentences("transfer")["piles"], (*_of(mover), now))
    ]


def oldest(connection: sqlite3.Connection, mover: Mover, heap: Heap, now: float, limit: int) -> list[tuple[ItemId, int | None]]:
    """Return (row, bytes) of the files of a heap that have waited longest."""
    values = (*_of(mover), now, heap.source, heap.destination, heap.options, limit)
    return [(ItemId(row[0]), row[1]) for row in connection.execute(sentences("transfer")["pile"], values)]


def plan(write: Write, mover: Mover, heap: Heap, chosen: Iterable[tuple[ItemId, int | None]], key: Callable[[int], str]) -> TransferId:
    """Store the intent to move these files in one batch; return its number.

    Args:
        key: number of the batch, never the same twice -> its unique name.
    """
    run, sql = write.connection.execute, sentences("transfer")
    listed = list(chosen)
    run(sql["reserve"])
    number = run(sql["reserved"]).fetchone()[0]
    size = sum(size or 0 for _, size in listed)
    run(sql["plan"], (number, key(number), *_of(mover), heap.source, heap.destination, heap.options, len(listed), size, write.now))
    write.connection.executemany(sql["put_into"], [(number, item_id) for item_id, _ in listed])
    write.ring(CONVEYOR)
    return TransferId(number)


def later(write: Write, item_id: ItemId, due: float, tries: int, why: str) -> None:
    """A file that waits is looked at again at ``due``."""
    write.connection.execute(sentences("transfer")["later"], (due, tries, why, item_id))


# -- the life of a batch ------------------------------------------------------------------------------


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[tuple[Transfer, bool]]:
    """Return (batch, whether it is to be cancelled) of those that want looking at."""
    return [(_transfer(row), bool(row[25])) for row in connection.execute(sentences("transfer")["due"], (now, limit))]


def next_due(connection: sqlite3.Connection, now: float) -> float | None:
    """Return when a batch wants looking at next, or a file that is put off may go on after ``now``; None: neither."""
    sql = sentences("transfer")
    times = [connection.execute(sql["next_due"]).fetchone()[0], connection.execute(sql["next_parcel"], (now,)).fetchone()[0]]
    return min((time for time in times if time is not None), default=None)


def under_way(connection: sqlite3.Connection, mover: Mover) -> int:
    """Return how many batches of a mover are under way."""
    number: int = connection.execute(sentences("transfer")["under_way"], _of(mover)).fetchone()[0]
    return number


def items(connection: sqlite3.Connection, transfer_id: TransferId, *, last: bool) -> list[Item]:
    """Return the files of a batch that have no end yet."""
    return [_item(row, last=last) for row in connection.execute(sentences("transfer")["items"], (transfer_id,))]


def is_empty(connection: sqlite3.Connection, transfer_id: TransferId) -> bool:
    """Tell whether each file of a batch has its end."""
    return not connection.execute(sentences("transfer")["count_moving"], (transfer_id,)).fetchone()[0]


def set_token(write: Write, transfer_id: TransferId, token: str) -> None:
    """Keep what makes the submission unique."""
    write.connection.execute(sentences("transfer")["set_token"], (token, transfer_id))


def submitted(write: Write, transfer_id: TransferId, task: str, due: float) -> None:
    """The outside has it."""
    write.connection.execute(sentences("transfer")["submitted"], (task, write.now, due, transfer_id))


def again(write: Write, one: Transfer, due: float, why: str, remedy: str = "", *, tries: int) -> None:
    """It does not go on for now: look at it again at ``due``."""
    write.connection.execute(sentences("transfer")["again"], (due, tries, why, remedy, write.now, one.id))


def look_again(write: Write, one: Transfer, due: float) -> None:
    """Look at it at ``due``; nothing has changed."""
    write.connection.execute(sentences("transfer")["look_again"], (due, one.id))


def hurry_parked(write: Write, mover: Mover) -> None:
    """What a person had to mend may be mended: look at all that waited for it, and at files that have found no way."""
    for name in ("hurry_parked", "hurry_unrouted"):
        write.connection.execute(sentences("transfer")[name], (write.now, *_of(mover)))


def progress(write: Write, transfer_id: TransferId, so_far: Progress, why: str, due: float) -> None:
    """It goes on."""
    values = (so_far.files, so_far.size, so_far.event[:500], so_far.faults, why, due, transfer_id)
    write.connection.execute(sentences("transfer")["progress"], values)


def planned_again(write: Write, transfer_id: TransferId, why: str) -> None:
    """The outside has lost it."""
    write.connection.execute(sentences("transfer")["planned_again"], (why, write.now, write.now, transfer_id))


def end(write: Write, transfer_id: TransferId, state: TransferState, why: str = "") -> None:
    """It is over."""
    write.connection.execute(sentences("transfer")["ended"], (state, why, write.now, transfer_id))
    write.ring(CONVEYOR)  # there is room for another one


def cancel(write: Write, ids: Iterable[TransferId]) -> None:
    """Nobody wants these any more."""
    write.connection.executemany(sentences("transfer")["cancel"], [(write.now, transfer_id) for transfer_id in ids])


def any_over(connection: sqlite3.Connection, before: float) -> bool:
    """Tell whether a batch ended before a time."""
    return connection.execute(sentences("transfer")["any_over"], (before,)).fetchone() is not None


def forget(write: Write, before: float, limit: int) -> int:
    """Drop batches that ended before a time; return how many."""
    return write.connection.execute(sentences("transfer")["forget"], (before, limit)).rowcount


# -- for those who look -------------------------------------------------------------------------------


def by_ids(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Transfer]:
    """Return the batches that exist, by number."""
    rows = connection.execute(sentences("transfer")["by_ids"], (json.dumps(list(ids)),))
    return {row[0]: _transfer(row) for row in rows}


def contents(connection: sqlite3.Connection, transfer_id: int, limit: int) -> list[Content]:
    """Return the files that are, or were last, in a batch."""
    return [
        Content(item_id=row[0], lfn=row[1] or "", job_id=row[2], state=row[3], size=row[4], tries=row[5], why=row[6], source_path=row[7],
                destination_path=row[8])
        for row in connection.execute(sentences("transfer")["contents"], (transfer_id, limit))
    ]


def waiting(connection: sqlite3.Connection) -> dict[Mover, tuple[int, int, float]]:
    """Return {mover: (files, bytes, since when)} of what waits for a batch."""
    return {
        Mover(queue=row[0], direction=Direction(row[1]), hop=row[2]): (row[3], row[4], row[5])
        for row in connection.execute(sentences("transfer")["waiting_counts"])
    }


def whys_of_job(connection: sqlite3.Connection, job_id: int) -> dict[int, tuple[int, str]]:
    """Return {file: (tries, why)} of the files of a job that are on their way and did not arrive so far."""
    return {row[0]: (row[1], row[2]) for row in connection.execute(sentences("transfer")["whys_of_job"], (job_id,))}


def stored(options: tuple[tuple[str, str], ...]) -> str:
    """Return options as the store has them."""
    return json.dumps(options)


def _of(mover: Mover) -> tuple[str, str, int]:
    return mover.queue, mover.direction, mover.hop


def _parcel(row: Row, *, last: bool) -> Parcel:
    return Parcel(
        item_id=ItemId(row[0]), direction=Direction(row[1]), job_id=row[2], task_id=row[3], lfn=row[4] or "", scope=row[5] or "",
        dataset=row[6], endpoint=row[7], guid=row[8], size=row[9], checksum=row[10], hop=row[11],
        source=Place(name=row[12], path=row[13]), target=row[14] if last else "",
    )


def _item(row: Row, *, last: bool) -> Item:
    route = Route(
        source=Place(name=row[15], path=row[16]), destination=Place(name=row[17], path=row[18]), readable=row[19],
        options=tuple((key, value) for key, value in json.loads(row[20])),
    )
    return Item(parcel=_parcel(row, last=last), route=route, tries=row[21])


def _transfer(row: Row) -> Transfer:
    return Transfer(
        id=TransferId(row[0]), key=row[1], queue=row[2], direction=Direction(row[3]), hop=row[4], state=TransferState(row[5]),
        source=row[6], destination=row[7], options=tuple((key, value) for key, value in json.loads(row[8])), token=row[9], task=row[10],
        why=row[11], remedy=row[12], files=row[13], size=row[14],
        progress=Progress(files=row[15], size=row[16], event=row[17], faults=row[18]), submissions=row[19], tries=row[20],
        created=row[21], changed=row[22], submitted=row[23], due=row[24], stuck=row[26],
    )
