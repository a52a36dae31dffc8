"""Logs of workers in the store: which are to be shown, and where they are."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from harvester_hpc.model.turn import LOG_EXPOSER, PROPAGATOR
from harvester_hpc.model.worker import Worker, WorkerId, WorkerState
from harvester_hpc.model.worker_log import LogCopy, LogKind, LogState, WorkerLog
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

#: What a worker's new state makes of its logs.
WANTED_AS: Mapping[WorkerState, LogState] = {
    WorkerState.RUNNING: LogState.LIVE,
    WorkerState.FINISHED: LogState.WANTED,
    WorkerState.FAILED: LogState.WANTED,
    WorkerState.CANCELLED: LogState.WANTED,
}
#: Seconds after the end of a worker until its logs are read: the last lines come by way of a shared file system.
SETTLE_S = 5.0


def want(write: Write, worker: WorkerId, state: WorkerState) -> None:
    """Store the intent to show the logs of a worker that is now in ``state``."""
    if state not in WANTED_AS:
        return
    wanted = WANTED_AS[state]
    due = write.now + (SETTLE_S if wanted is LogState.WANTED else 0.0)
    if write.connection.execute(sentences("worker_log")["want"], (worker, wanted, write.now, due)).rowcount:
        write.ring(LOG_EXPOSER)


def due(connection: sqlite3.Connection, now: float, limit: int) -> list[WorkerLog]:
    """Return the logs that want looking at, with what is shown of them."""
    return _with_copies(connection, connection.execute(sentences("worker_log")["due"], (now, limit)).fetchall())


def by_ids(connection: sqlite3.Connection, workers: Iterable[int]) -> dict[int, WorkerLog]:
    """Return the logs of workers, by the worker's number; those that are not to be shown are left out."""
    rows = connection.execute(sentences("worker_log")["by_ids"], (json.dumps(list(workers)),)).fetchall()
    return {log.worker_id: log for log in _with_copies(connection, rows)}


def next_due(connection: sqlite3.Connection) -> float | None:
    """Return when the next log wants looking at."""
    time: float | None = connection.execute(sentences("worker_log")["next_due"]).fetchone()[0]
    return time


def wanted(connection: sqlite3.Connection, workers: Iterable[int]) -> dict[int, float]:
    """Return which of these workers have logs that are still to be shown: {number: when they are looked at}."""
    return {row[0]: row[1] for row in connection.execute(sentences("worker_log")["wanted"], (json.dumps(list(workers)),))}


def with_addresses(connection: sqlite3.Connection, workers: Sequence[Worker]) -> list[Worker]:
    """Return the workers with the addresses of their logs."""
    copies = _copies(connection, [worker.id for worker in workers])
    return [
        replace(worker, logs={one.kind: one.url for one in copies[worker.id] if one.url}) if worker.id in copies else worker
        for worker in workers
    ]


def keep(write: Write, log: WorkerLog, copies: Sequence[LogCopy]) -> None:
    """Store what is shown of a worker now; if that is new, the workload management system is told."""
    before = {one.kind: one for one in log.copies}
    now = {one.kind: one for one in copies}
    for kind in before.keys() - now.keys():
        write.connection.execute(sentences("worker_log")["drop_copy"], (log.worker_id, kind))
    for one in copies:
        if before.get(one.kind) != one:
            row = (log.worker_id, one.kind, one.name, one.url, one.size, one.stamp)
            write.connection.execute(sentences("worker_log")["keep"], row)
    if {kind: one.url for kind, one in before.items()} != {kind: one.url for kind, one in now.items()}:
        write.connection.execute(sentences("worker_log")["tell"], (write.now, log.worker_id))
        write.ring(PROPAGATOR)


def step(write: Write, log: WorkerLog, state: LogState, due: float | None, *, tries: int = 0, why: str = "") -> bool:
    """Go on to ``state``, unless the worker has ended since; tell whether it was done."""
    row = (state, due, tries, why, log.worker_id, log.state)
    return write.connection.execute(sentences("worker_log")["step"], row).rowcount == 1


def forget(write: Write, log: WorkerLog) -> None:
    """Nothing is shown any more, and nothing is to be."""
    write.connection.execute(sentences("worker_log")["forget"], (log.worker_id, log.state))


def _with_copies(connection: sqlite3.Connection, rows: Sequence[tuple[int, str, str, float, int, str]]) -> list[WorkerLog]:
    copies = _copies(connection, [row[0] for row in rows])
    return [
        WorkerLog(
            worker_id=WorkerId(row[0]), queue=row[1], state=LogState(row[2]), since=row[3], tries=row[4], why=row[5],
            copies=tuple(copies.get(row[0], ())),
        )
        for row in rows
    ]


def _copies(connection: sqlite3.Connection, workers: Sequence[int]) -> dict[int, list[LogCopy]]:
    found: dict[int, list[LogCopy]] = {}
    for number, kind, name, url, size, stamp in connection.execute(sentences("worker_log")["copies"], (json.dumps(workers),)):
        found.setdefault(number, []).append(LogCopy(kind=LogKind(kind), name=name, url=url, size=size, stamp=stamp))
    return found
