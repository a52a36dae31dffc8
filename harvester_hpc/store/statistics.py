"""What the workload management system was told of the numbers of workers, and what it has said of itself."""
from __future__ import annotations

import json
import sqlite3
from dataclasses import dataclass
from typing import Any

from harvester_hpc.model.turn import PROPAGATOR
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteStatistics:
    """What was told of one site.

    Attributes:
        numbers: as JSON; "" if nothing was told yet.
        told: when, seconds since 1970.
        hurried: somebody asks for them.
    """

    numbers: str
    told: float
    hurried: bool


def known(connection: sqlite3.Connection) -> dict[str, SiteStatistics]:
    """Return what was told, by site."""
    rows = connection.execute(sentences("statistics")["known"])
    return {row[0]: SiteStatistics(numbers=row[1], told=row[2], hurried=row[3] is not None) for row in rows}


def hurry(write: Write, site: str) -> None:
    """Tell the numbers of a site at once, changed or not."""
    write.connection.execute(sentences("statistics")["hurry"], (site, write.now))
    write.ring(PROPAGATOR)


def is_hurried(connection: sqlite3.Connection) -> bool:
    """Tell whether numbers of a site are to be told at once."""
    return bool(connection.execute(sentences("statistics")["hurried"]).fetchone()[0])


def told(write: Write, site: str, numbers: str) -> None:
    """The system has taken these numbers of a site."""
    write.connection.execute(sentences("statistics")["told"], (site, numbers, write.now))


def forget(write: Write, site: str) -> None:
    """Nothing more is told of a site."""
    write.connection.execute(sentences("statistics")["forget"], (site,))


def put_fact(write: Write, name: str, value: Any) -> None:
    """Keep what the system says of itself; ``value`` can be written as JSON."""
    write.connection.execute(sentences("statistics")["put_fact"], (name, json.dumps(value), write.now))


def fact(connection: sqlite3.Connection, name: str) -> tuple[Any, float] | None:
    """Return (what the system said of itself, when); None if it was not asked yet."""
    row = connection.execute(sentences("statistics")["fact"], (name,)).fetchone()
    return None if row is None else (json.loads(row[0]), row[1])
