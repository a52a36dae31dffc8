"""Event ranges in the store: leased, fed, done, told."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.model.event import EVENT_TOLD_AS, UNDER_WAY, EventId, EventRange, EventState, EventWord
from harvester_hpc.model.file import FileState
from harvester_hpc.model.turn import EVENT_FEEDER, PROPAGATOR, STAGER
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Untold:
    """A range that is to be told. ``file_id``: the zip with its output; None for none."""

    id: EventId
    range_id: str
    state: EventState
    file_id: int | None
    cores: int | None
    cpu_s: float | None
    why: str = ""


def open_job(write: Write, job_id: int) -> None:
    """Note that a job works on event ranges."""
    write.connection.execute(sentences("event")["open_job"], (job_id,))


def jobs(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, bool]:
    """Return {job number: whether the system has no more ranges} of those that work on event ranges."""
    return {row[0]: bool(row[1]) for row in connection.execute(sentences("event")["jobs"], (json.dumps(list(ids)),))}


def set_dry(write: Write, job_id: int, *, dry: bool) -> None:
    """Note whether the system has no more ranges for a job."""
    write.connection.execute(sentences("event")["set_dry"], (int(dry), job_id))


# -- leased and fed -----------------------------------------------------------------------------------


def lease(write: Write, job_id: int, ranges: Iterable[EventRange]) -> int:
    """Store ranges that the system has leased to a job; return how many of them are new."""
    run, sql = write.connection.execute, sentences("event")
    origins: dict[str, int] = {}
    new = 0
    for one in ranges:
        origin = json.dumps(dict(one.origin), separators=(",", ":"), sort_keys=True)
        if origin not in origins:
            run(sql["add_origin"], (job_id, origin))
            origins[origin] = run(sql["origin"], (job_id, origin)).fetchone()[0]
        new += run(sql["lease"], (job_id, one.range_id, origins[origin], one.first, one.last)).rowcount
    return new


def lease_lost(write: Write, job_id: int, names: Iterable[str]) -> int:
    """Store ranges that are leased to a job although their lease never arrived: they go back as failed. Return how many are new."""
    run, sql = write.connection.execute, sentences("event")
    new = 0
    for name in names:
        if run(sql["lease_lost"], (job_id, name)).rowcount:
            new += 1
            run(sql["add_trouble"], (run(sql["number_of"], (job_id, name)).fetchone()[0], "its lease did not arrive"))
    if new:
        hurry_tell(write, job_id)
    return new


def hand(write: Write, worker_id: int, job_id: int, number: int) -> list[EventRange]:
    """Give at most ``number`` leased ranges of a job to a worker, in the store; return them."""
    sql = sentences("event")
    rows = write.connection.execute(sql["leased"], (job_id, number)).fetchall()
    write.connection.executemany(sql["feed"], [(worker_id, row[0]) for row in rows])
    return [_range(row) for row in rows]


def by_ids(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, list[EventRange]]:
    """Return {job number: ranges} of some rows."""
    found: dict[int, list[EventRange]] = {}
    for row in connection.execute(sentences("event")["by_ids"], (json.dumps(list(ids)),)):
        found.setdefault(row[5], []).append(_range(row))
    return found


def number_in(connection: sqlite3.Connection, job_id: int, state: EventState) -> int:
    """Return how many ranges of a job are in ``state``."""
    number: int = connection.execute(sentences("event")["number_in"], (job_id, state)).fetchone()[0]
    return number


def tally(connection: sqlite3.Connection, job_id: int) -> dict[EventState, int]:
    """Return {state: number of ranges} of a job."""
    return {EventState(state): number for state, number in connection.execute(sentences("event")["tally"], (job_id,))}


def done_by_worker(connection: sqlite3.Connection, job_id: int) -> dict[int, int]:
    """Return {worker number: ranges of a job that it has done and that are told}."""
    return {row[0]: row[1] for row in connection.execute(sentences("event")["done_by_worker"], (job_id,))}


def any_in(connection: sqlite3.Connection, job_id: int, states: Iterable[EventState]) -> bool:
    """Tell whether a job has ranges in one of ``states``."""
    return bool(connection.execute(sentences("event")["any_in"], (job_id, json.dumps(list(states)))).fetchone()[0])


def is_open(connection: sqlite3.Connection, job_id: int) -> bool:
    """Tell whether a job has ranges that are not told yet."""
    return any_in(connection, job_id, (*UNDER_WAY, *EVENT_TOLD_AS))


def known(connection: sqlite3.Connection, job_id: int, names: Sequence[str]) -> set[str]:
    """Return those of ``names`` that the job has."""
    return {row[0] for row in connection.execute(sentences("event")["known"], (job_id, json.dumps(names)))}


# -- what becomes of them -----------------------------------------------------------------------------


def take_words(write: Write, worker_id: int, job_id: int, words: Iterable[EventWord]) -> list[str]:
    """Take what a worker says of ranges that it has, or had last; return the names that it cannot speak on (unknown, foreign).

    The first word counts. Another on the same range changes nothing and is no fault: letters are read again until they are put away.
    """
    idle = [word.range_id for word in words if not _take_word(write, worker_id, job_id, word)]
    return [name for name in idle if write.connection.execute(sentences("event")["own"], (job_id, name, worker_id)).fetchone() is None]


def _take_word(write: Write, worker_id: int, job_id: int, word: EventWord) -> bool:
    run, sql = write.connection.execute, sentences("event")
    if word.after is EventState.LEASED:
        write.ring(EVENT_FEEDER)
        return run(sql["word_back"], (job_id, word.range_id, worker_id)).rowcount == 1
    row = run(sql["held"], (job_id, word.range_id, worker_id)).fetchone()
    if row is None:
        return False
    after, file_id = _own_zip(write, job_id, word) if word.zip_path else (word.after, None)
    run(sql["word"], (after, file_id, word.cores, word.cpu_s, row[0]))
    if word.path:
        run(sql["add_output"], (row[0], word.path, word.size))
        hurry_pack(write, job_id, write.now)
    if after in EVENT_TOLD_AS:
        if word.why and after is not EventState.STAGED:
            run(sql["add_trouble"], (row[0], word.why))
        hurry_tell(write, job_id)
    return True


def _own_zip(write: Write, job_id: int, word: EventWord) -> tuple[EventState, int | None]:
    """Return what becomes of a range in a zip that the worker has made, and the zip's row; it is stored with the first range in it."""
    run, sql = write.connection.execute, sentences("event")
    lfn = Path(word.zip_path).name
    run(sql["add_zip_file"], (job_id, lfn, FileState.DEFINED, word.size, word.checksum, word.zip_path))
    file_id, state, path = run(sql["zip_file"], (job_id, lfn)).fetchone()
    if path != word.zip_path or state == FileState.FAILED:
        return EventState.FAILED, None  # another zip has that name, or it is lost
    if state == FileState.FINISHED:
        return EventState.STAGED, file_id
    run(sql["add_zip"], (file_id, job_id, 1, write.now))
    write.ring(STAGER)
    return EventState.ZIPPED, file_id


def give_back(write: Write, worker_id: int, job_ids: Iterable[int], most_feeds: int) -> int:
    """Take back what an ended worker held; ranges that ``most_feeds`` workers have held in vain have failed. Return how many came back."""
    run, sql = write.connection.execute, sentences("event")
    back = 0
    for job_id in job_ids:
        if run(sql["give_up_held"], (job_id, worker_id, most_feeds)).rowcount:
            hurry_tell(write, job_id)
        back += run(sql["give_back"], (job_id, worker_id)).rowcount
    if back:
        write.ring(EVENT_FEEDER)
    return back


def end_of_job(write: Write, job_id: int, *, wanted: bool) -> None:
    """No worker will touch the ranges of a job any more.

    Args:
        wanted: what was done is brought away and told; False for a cancelled job: the system takes back all that is not told.

    Ranges that a worker has held are told as failed: it may have begun them. Those that nobody has held go back by the end of the job.
    """
    if not jobs(write.connection, [job_id]):
        return  # an ordinary job
    run, sql = write.connection.execute, sentences("event")
    held = (EventState.FED, EventState.LEASED)
    if wanted:
        for state in held:
            if run(sql["end_tried"], (job_id, state)).rowcount:
                hurry_tell(write, job_id)
    for state in held if wanted else UNDER_WAY:
        run(sql["end_untried"], (job_id, state))
    if not wanted:
        run(sql["give_up_zips"], (job_id,))
    elif any_in(write.connection, job_id, (EventState.FINISHED,)):
        hurry_pack(write, job_id, write.now)


# -- told ---------------------------------------------------------------------------------------------


def untold(connection: sqlite3.Connection, job_id: int, state: EventState, after: int, limit: int) -> list[Untold]:
    """Return ranges of a job that are to be told, in the order of their rows, beginning behind row ``after``."""
    rows = connection.execute(sentences("event")["untold"], (job_id, state, after, limit)).fetchall()
    troubles: Mapping[int, str] = {}
    if state is not EventState.STAGED:
        troubles = dict(connection.execute(sentences("event")["troubles"], (json.dumps([row[0] for row in rows]),)))
    return [
        Untold(id=EventId(row[0]), range_id=row[1], state=EventState(row[2]), file_id=row[3], cores=row[4], cpu_s=row[5],
               why=troubles.get(row[0], ""))
        for row in rows
    ]


def told(write: Write, taken: Iterable[tuple[Untold, EventState]]) -> int:
    """Make the last step of ranges that were told, each with the state it ends in; return how many were made."""
    sql = sentences("event")
    listed = list(taken)
    made = write.connection.executemany(sql["told"], [(end, one.id, one.state) for one, end in listed]).rowcount
    write.connection.executemany(sql["drop_trouble"], [(one.id,) for one, _ in listed if one.why])
    return made


def hurry_tell(write: Write, job_id: int) -> None:
    """There is something to tell of a job's ranges."""
    write.connection.execute(sentences("event")["hurry_tell"], (write.now, job_id))
    write.ring(PROPAGATOR)


def hurry_pack(write: Write, job_id: int, due: float) -> None:
    """There are outputs of a job's ranges: the stager looks at ``due``."""
    write.connection.execute(sentences("event")["hurry_pack"], (due, job_id))
    write.ring(STAGER)


def tell_again(write: Write, job_id: int, due: float | None) -> None:
    """The propagator looks at a job again at ``due``; None: when it is called."""
    write.connection.execute(sentences("event")["tell_again"], (due, job_id))


def to_tell(connection: sqlite3.Connection, now: float, limit: int) -> list[int]:
    """Return jobs whose ranges are to be told."""
    return [row[0] for row in connection.execute(sentences("event")["to_tell"], (now, limit))]


def next_tell(connection: sqlite3.Connection) -> float | None:
    """Return when ranges are to be told next; None if nothing waits."""
    time: float | None = connection.execute(sentences("event")["next_tell"]).fetchone()[0]
    return time


def forget(write: Write, job_id: int, limit: int) -> int:
    """Drop at most ``limit`` ranges of a job that is over; return how many."""
    rows = write.connection.execute(sentences("event")["some_of_job"], (job_id, limit)).fetchall()
    write.connection.executemany(sentences("event")["forget"], rows)
    return len(rows)


def _range(row: Row) -> EventRange:
    return EventRange(id=EventId(row[0]), range_id=row[1], first=row[2], last=row[3], origin=json.loads(row[4]))
