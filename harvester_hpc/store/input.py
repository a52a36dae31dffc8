"""Inputs that jobs share, in the store: who wants them, and whether they lie in their cache."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from typing import Any

from harvester_hpc.model.file import FileId
from harvester_hpc.model.input import Identity, Input, InputId, InputState
from harvester_hpc.model.turn import CONVEYOR
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

Row = tuple[Any, ...]

#: Stands for an unknown size in the store, where NULL would be different from NULL.
UNKNOWN = -1


def known(connection: sqlite3.Connection, identity: Identity) -> Input | None:
    """Return an input; None if no job has ever wanted it, or it has left."""
    row = connection.execute(sentences("input")["known"], _key(identity)).fetchone()
    return None if row is None else _input(row)


def want(write: Write, queue: str, job_id: int, file_id: FileId, identity: Identity) -> Input:
    """A job wants an input: note the use, and let it be fetched unless it lies there or is on its way.

    Returns:
        The input; in state leaving it is just being removed: want it again later.
    """
    run, sql = write.connection.execute, sentences("input")
    run(sql["want"], (*_key(identity), identity.place(), max(identity.size or 0, 0), write.now))
    one = known(write.connection, identity)
    assert one is not None
    if one.state is InputState.LEAVING:
        return one
    run(sql["use"], (file_id, job_id, one.id))
    if one.state is InputState.WANTED:
        _bring(write, queue, job_id, one)
    return one


def lost(write: Write, queue: str, job_id: int, one: Input) -> None:
    """What was ready is not there, or not the same any more: it is fetched again."""
    if write.connection.execute(sentences("input")["lost"], (one.id,)).rowcount:
        _bring(write, queue, job_id, one)


def _bring(write: Write, queue: str, job_id: int, one: Input) -> None:
    identity = one.identity
    write.connection.execute(
        sentences("transfer")["bring"], (queue, one.id, job_id, identity.origin, identity.size, identity.checksum, write.now)
    )
    write.ring(CONVEYOR)


def uses(connection: sqlite3.Connection, job_ids: Iterable[int]) -> dict[int, dict[FileId, Input]]:
    """Return {job number: {file row: input}} of some jobs; a job without a use stands as a key too."""
    found: dict[int, dict[FileId, Input]] = {job_id: {} for job_id in job_ids}
    for row in connection.execute(sentences("input")["uses"], (json.dumps(list(found)),)):
        found[row[0]][FileId(row[1])] = _input(row[2:])
    return found


def held(connection: sqlite3.Connection, root: str) -> tuple[int, int]:
    """Return (files, bytes) that a cache holds or is about to hold."""
    files, size = connection.execute(sentences("input")["held"], (root,)).fetchone()
    return files, size


def idle(connection: sqlite3.Connection, root: str, spared: Iterable[int], limit: int) -> list[Input]:
    """Return what lies in a cache and no job wants, the longest unused first; not those that are spared."""
    return [_input(row) for row in connection.execute(sentences("input")["idle"], (root, json.dumps(list(spared)), limit))]


def idle_amount(connection: sqlite3.Connection, root: str, spared: Iterable[int]) -> tuple[int, int]:
    """Return (files, bytes) that lie in a cache and no job wants; without those that are spared."""
    files, size = connection.execute(sentences("input")["idle_amount"], (root, json.dumps(list(spared)))).fetchone()
    return files, size


def rescue(write: Write, job_ids: Iterable[int], queues: Iterable[str]) -> int:
    """Let inputs come for which jobs wait and which nobody moves, or a queue that is none of ``queues``; return how many."""
    stranded = {row[0]: row for row in write.connection.execute(
        sentences("input")["stranded"], (json.dumps(list(job_ids)), json.dumps(list(queues)))
    )}
    for input_id, row in stranded.items():
        write.connection.execute(sentences("input")["let_go"], (input_id,))
        _bring(write, row[13], row[12], _input(row))
    return len(stranded)


def leave(write: Write, ids: Iterable[InputId]) -> None:
    """These are about to be removed; who wants one of them meanwhile waits until it is gone."""
    for input_id in ids:
        if write.connection.execute(sentences("input")["leave"], (input_id,)).rowcount:
            write.connection.execute(sentences("input")["detach"], (input_id,))


def leaving(connection: sqlite3.Connection, root: str, limit: int) -> list[Input]:
    """Return what is to be removed from a cache."""
    return [_input(row) for row in connection.execute(sentences("input")["leaving"], (root, limit))]


def gone(write: Write, ids: Iterable[InputId]) -> None:
    """The files of these are removed."""
    write.connection.executemany(sentences("input")["gone"], [(input_id,) for input_id in ids])


def forget_unwanted(write: Write, root: str) -> int:
    """Let inputs leave that never came and that no job names any more; return how many."""
    return write.connection.execute(sentences("input")["over"], (root,)).rowcount


def paths(connection: sqlite3.Connection, root: str) -> set[str]:
    """Return where everything lies, or will, that belongs into a cache."""
    return {row[0] for row in connection.execute(sentences("input")["paths"], (root,))}


def _key(identity: Identity) -> tuple[str, str, str, str, int, str]:
    size = UNKNOWN if identity.size is None else identity.size
    return identity.root, identity.scope, identity.lfn, identity.checksum, size, identity.origin


def _input(row: Row) -> Input:
    size = None if row[5] == UNKNOWN else row[5]
    return Input(
        id=InputId(row[0]), identity=Identity(root=row[1], scope=row[2], lfn=row[3], checksum=row[4], size=size, origin=row[6]),
        path=row[7], state=InputState(row[8]), bytes=row[9], why=row[10], used=row[11],
    )
