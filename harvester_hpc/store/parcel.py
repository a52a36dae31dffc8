"""Files on their way, in the store: sent, arrived, tried again, failed; and who is woken by it."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from harvester_hpc.model.file import File, FileId, FileState
from harvester_hpc.model.transfer import Direction, Item, ItemId, Place, TransferId
from harvester_hpc.model.turn import CONVEYOR, PREPARATOR, STAGER
from harvester_hpc.ports.outcome import FileNews
from harvester_hpc.store import job as jobs
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A file that is at the end of a hop.

    Attributes:
        at: where it is, as the next hop sees it.
        size, checksum: None and "" leave what is known.
        url: the name by which others find it.
        last: there is no further hop.
    """

    item: Item
    at: Place
    size: int | None
    checksum: str
    url: str
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A file that did not arrive.

    Attributes:
        due: when it is tried again, seconds since 1970; None: never.
        tries: how often it was tried so far.
    """

    item_id: ItemId
    why: str
    tries: int
    due: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """What a file on its way belongs to: an output (file_id) or an input (input_id)."""

    item_id: ItemId
    file_id: FileId | None
    input_id: int | None
    job_id: int


@dataclass(slots=True)
class Ends:
    """Outputs (with their jobs) and inputs that have come to an end."""

    outputs: list[tuple[int, FileNews]] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)


def send(write: Write, queue: str, files: Iterable[File]) -> None:
    """Outputs want to move away; a file that is on its way already stays there."""
    rows = [(queue, file.id, file.job_id, file.path, file.size, file.checksum, write.now) for file in files]
    write.connection.executemany(sentences("transfer")["send"], rows)
    if rows:
        write.ring(CONVEYOR)


def arrived(write: Write, transfer_id: TransferId, arrivals: Sequence[Arrival]) -> None:
    """These files have arrived: at the end of the last hop their jobs are woken."""
    run, sql = write.connection.execute, sentences("transfer")
    final: list[Arrival] = []
    for one in arrivals:
        item_id = one.item.parcel.item_id
        if one.last:
            if run(sql["moved"], (one.size, one.checksum, item_id, transfer_id)).rowcount:
                final.append(one)
        elif run(sql["next_hop"], (one.at.name, one.at.path, one.size, one.checksum, write.now, item_id, transfer_id)).rowcount:
            write.ring(CONVEYOR)
    _tell_arrived(write, final)


def _tell_arrived(write: Write, final: Sequence[Arrival]) -> None:
    by_item = {one.item.parcel.item_id: one for one in final}
    ends = Ends()
    for owner in _owners(write.connection, by_item):
        one = by_item[owner.item_id]
        if owner.file_id is not None:
            news = FileNews(file_id=owner.file_id, state=FileState.FINISHED, url=one.url, size=one.size, checksum=one.checksum)
            ends.outputs.append((owner.job_id, news))
        elif owner.input_id is not None:
            write.connection.execute(sentences("input")["arrived"], (one.size, owner.input_id))
            ends.inputs.append(owner.input_id)
    _tell(write, ends)


def missed(write: Write, transfer_id: TransferId, misses: Iterable[Miss]) -> None:
    """These files did not arrive: they are tried again in another batch, or have failed."""
    sql = sentences("transfer")
    listed = list(misses)
    write.connection.executemany(
        sql["try_again"], [(one.tries, one.why, one.due, one.item_id, transfer_id) for one in listed if one.due is not None]
    )
    fail(write, {one.item_id: one.why for one in listed if one.due is None})


def fail(write: Write, whys: Mapping[ItemId, str]) -> None:
    """These files will never arrive: their jobs are told."""
    ends = Ends()
    for owner in _owners(write.connection, whys):
        why = whys[owner.item_id]
        if not write.connection.execute(sentences("transfer")["failed"], (why, owner.item_id)).rowcount:
            continue
        if owner.file_id is not None:
            ends.outputs.append((owner.job_id, FileNews(file_id=owner.file_id, state=FileState.FAILED, why=why)))
        elif owner.input_id is not None:
            write.connection.execute(sentences("input")["failed"], (why, owner.input_id))
            ends.inputs.append(owner.input_id)
    _tell(write, ends)


def open_items(connection: sqlite3.Connection, after: int, limit: int) -> list[ItemId]:
    """Return files on their way, in the order of their rows, beginning behind row ``after``."""
    return [ItemId(row[0]) for row in connection.execute(sentences("transfer")["open"], (after, limit))]


def unwanted(connection: sqlite3.Connection, ids: Sequence[ItemId]) -> list[tuple[ItemId, TransferId | None]]:
    """Return (file, its batch) of those among ``ids`` that no job wants any more."""
    listed = json.dumps(list(ids))
    rows = [row for name in ("unwanted_outputs", "unwanted_inputs") for row in connection.execute(sentences("transfer")[name], (listed,))]
    return [(ItemId(row[0]), None if row[1] is None else TransferId(row[1])) for row in rows]


def drop(write: Write, ids: Iterable[ItemId]) -> None:
    """Nobody wants these any more."""
    rows = [(item_id,) for item_id in ids]
    write.connection.executemany(sentences("transfer")["drop"], rows)
    write.connection.executemany(sentences("transfer")["drop_input"], rows)


def begin_again(write: Write, queue: str, direction: Direction, hops: int) -> int:
    """Let files on a hop that there is no more begin at the first one again; return how many.

    Args:
        hops: that there are; 0: the files are nobody's, and stay where they are.
    """
    if not hops:
        return 0
    values, sql = (write.now, queue, direction, hops), sentences("transfer")
    return sum(write.connection.execute(sql[name], values).rowcount for name in ("begin_again_waiting", "begin_again_moving"))


def wake_settled(write: Write, job_ids: Iterable[int]) -> None:
    """Look at once at jobs that were just put off, and whose files had come to their end before that."""
    listed = json.dumps(list(job_ids))
    for name, agent in (("wake_prepared", PREPARATOR), ("wake_transferred", STAGER)):
        if write.connection.execute(sentences("transfer")[name], (write.now, listed)).rowcount:
            write.ring(agent)


def wake_settled_zip(write: Write, file_id: FileId) -> None:
    """The same of a zip of event outputs."""
    if write.connection.execute(sentences("transfer")["wake_ended_zip"], (write.now, file_id)).rowcount:
        write.ring(STAGER)


def _owners(connection: sqlite3.Connection, ids: Iterable[ItemId]) -> list[Owner]:
    rows = connection.execute(sentences("transfer")["ends"], (json.dumps(list(ids)),))
    return [Owner(item_id=ItemId(row[0]), file_id=row[1], input_id=row[2], job_id=row[3]) for row in rows]


def _tell(write: Write, ends: Ends) -> None:
    """Take what became of files, and wake who waits for them."""
    run, sql = write.connection.execute, sentences("transfer")
    jobs.take_file_news(write, [news for _, news in ends.outputs])
    woken = {job_id for job_id, _ in ends.outputs}
    if ends.inputs:
        woken |= {row[0] for row in run(sentences("input")["jobs_of"], (json.dumps(ends.inputs),))}
        write.ring(PREPARATOR)
    if ends.outputs:
        run(sql["wake_zips"], (write.now, json.dumps([news.file_id for _, news in ends.outputs])))
        write.ring(STAGER)
    if woken:
        run(sql["wake_jobs"], (write.now, json.dumps(sorted(woken))))
