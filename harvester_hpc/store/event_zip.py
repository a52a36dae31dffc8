"""Zips of event outputs in the store: planned, packed, brought away."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from harvester_hpc.model.event import EventId
from harvester_hpc.model.file import File, FileId, FileKind, FileState
from harvester_hpc.model.turn import STAGER
from harvester_hpc.store import event as events
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class Zip:
    """A zip on its way. ``packed``: it lies there whole."""

    file_id: FileId
    job_id: int
    packed: bool
    tries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """An output that is to be in a zip."""

    event_id: EventId
    range_id: str
    path: str


def waiting(connection: sqlite3.Connection, job_id: int, limit: int) -> list[tuple[EventId, int]]:
    """Return (row, bytes) of done ranges whose output is in no zip yet; 0 bytes if nobody said."""
    return [(EventId(row[0]), row[1]) for row in connection.execute(sentences("event")["waiting_outputs"], (job_id, limit))]


def plan(write: Write, job_id: int, members: Sequence[EventId], name: Callable[[int], tuple[str, str]]) -> None:
    """Store the intent to make a zip.

    Args:
        name: number of the zip, never the same twice -> its lfn and path.
    """
    run, sql = write.connection.execute, sentences("event")
    run(sql["reserve_zip"])
    lfn, path = name(run(sql["reserved_zip"]).fetchone()[0])
    run(sql["add_zip_file"], (job_id, lfn, FileState.EXPECTED, None, "", path))
    file_id = run(sql["zip_file"], (job_id, lfn)).fetchone()[0]
    write.connection.executemany(sql["put_into"], [(file_id, event_id) for event_id in members])
    run(sql["add_zip"], (file_id, job_id, 0, write.now))
    write.ring(STAGER)


def members(connection: sqlite3.Connection, one: Zip) -> list[Member]:
    """Return what is to be in a planned zip."""
    rows = connection.execute(sentences("event")["members"], (one.file_id,))
    return [Member(event_id=EventId(row[0]), range_id=row[1], path=row[2]) for row in rows]


def packed(write: Write, one: Zip, size: int, into: Iterable[Member], lost: Iterable[tuple[Member, str]]) -> None:
    """The zip lies at its place with these members; the others are lost, each with a reason. Without any member it is given up."""
    run, sql = write.connection.execute, sentences("event")
    for member, why in lost:
        if run(sql["output_lost"], (member.event_id,)).rowcount:
            run(sql["add_trouble"], (member.event_id, why))
            run(sql["drop_output"], (member.event_id,))
            events.hurry_tell(write, one.job_id)
    write.connection.executemany(sql["drop_output"], [(member.event_id,) for member in into])
    if run(sql["zipped"], (one.file_id,)).rowcount:
        run(sql["packed_file"], (size, one.file_id))
        run(sql["packed"], (write.now, one.file_id))
    else:
        run(sql["zip_over"], (one.file_id,))
        run("DELETE FROM file WHERE file_id = ?", (one.file_id,))
    write.ring(STAGER)


def staged(write: Write, one: Zip) -> None:
    """The zip is at its destination: its ranges can be told."""
    write.connection.execute(sentences("event")["staged"], (one.file_id,))
    write.connection.execute(sentences("event")["zip_over"], (one.file_id,))
    events.hurry_tell(write, one.job_id)


def lost(write: Write, one: Zip, why: str) -> None:
    """The zip will never be at its destination: its ranges have failed."""
    run, sql = write.connection.execute, sentences("event")
    rows = run(sql["in_zip"], (one.file_id,)).fetchall()
    write.connection.executemany(sql["add_trouble"], [(row[0], f"stage-out: {why}") for row in rows])
    run(sql["zip_lost"], (one.file_id,))
    run(sql["zip_over"], (one.file_id,))
    events.hurry_tell(write, one.job_id)


def again(write: Write, one: Zip, due: float, tries: int) -> None:
    """Look at the zip again at ``due``."""
    write.connection.execute(sentences("event")["zip_again"], (due, tries, one.file_id))


def pack_again(write: Write, job_id: int, due: float | None) -> None:
    """Look at the outputs of a job again at ``due``; None: when there are more."""
    write.connection.execute(sentences("event")["pack_again"], (due, job_id))


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[Zip]:
    """Return zips that want looking at."""
    return [
        Zip(file_id=FileId(row[0]), job_id=row[1], packed=bool(row[2]), tries=row[3])
        for row in connection.execute(sentences("event")["zips"], (now, limit))
    ]


def to_pack(connection: sqlite3.Connection, now: float, limit: int) -> list[int]:
    """Return jobs with outputs that are to be looked at."""
    return [row[0] for row in connection.execute(sentences("event")["to_pack"], (now, limit))]


def next_due(connection: sqlite3.Connection) -> float | None:
    """Return when a zip, or a job's outputs, want looking at next; None: nothing waits."""
    times = [connection.execute(sentences("event")[name]).fetchone()[0] for name in ("next_zip", "next_pack")]
    return min((time for time in times if time is not None), default=None)


def files(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, File]:
    """Return zips as files, by their rows."""
    return {
        row[0]: File(
            id=FileId(row[0]), job_id=row[1], kind=FileKind(row[2]), lfn=row[3], state=FileState(row[4]), scope=row[5], dataset=row[6],
            endpoint=row[7], guid=row[8], size=row[9], checksum=row[10], path=row[11], url=row[12], tries=row[13], why=row[14],
        )
        for row in connection.execute(sentences("event")["files"], (json.dumps(list(ids)),))
    }
