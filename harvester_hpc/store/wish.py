"""Wishes: how many more workers of a kind the workload management system wants of a queue (runMode slave)."""
from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping

from harvester_hpc.model.turn import SUBMITTER
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

#: (job type, resource type)
Kind = tuple[str, str]
#: Seconds after which a wish is none any more: who wished it would have said so again.
LASTS_S = 86400.0


def put(write: Write, queue: str, wishes: Mapping[Kind, int], command_id: str) -> None:
    """Keep what is wished of a queue in place of all that was wished before."""
    write.connection.execute(sentences("wish")["clear"], (queue,))
    rows = [(queue, *kind, number, command_id, write.now) for kind, number in wishes.items()]
    write.connection.executemany(sentences("wish")["put"], rows)
    write.ring(SUBMITTER)


def of_queue(connection: sqlite3.Connection, queue: str, now: float) -> dict[Kind, int]:
    """Return {(job type, resource type): how many more workers}; what is fulfilled is left out."""
    rows = connection.execute(sentences("wish")["of_queue"], (queue, now - LASTS_S))
    return {(row[0], row[1]): row[2] for row in rows}


def use_up(write: Write, queue: str, kinds: Iterable[Kind]) -> None:
    """Workers of these kinds are made, one each."""
    write.connection.executemany(sentences("wish")["use_up"], [(queue, *kind) for kind in kinds])


def everywhere(connection: sqlite3.Connection, now: float) -> list[tuple[str, str, str, int]]:
    """Return (queue, job type, resource type, how many more workers) of all queues."""
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(sentences("wish")["all"], (now - LASTS_S,))]
