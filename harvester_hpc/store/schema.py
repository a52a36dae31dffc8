"""What marks a file as one of our stores, and which schemas this program knows."""
from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harvester_hpc.errors import StoreCorrupt, StoreMissing, StoreTooNew, StoreUnusable

#: "HHPC", in the header of every store (``file store.db`` shows it).
APPLICATION_ID = 0x48485043

#: INSERT ... ON CONFLICT DO UPDATE. The system Python of RHEL 8 brings 3.26, that of RHEL 9 3.34.
OLDEST_SQLITE = (3, 24, 0)

#: Above every schema version: the caller takes a newer store too.
ANY_VERSION = 2**31

MIGRATIONS = Path(__file__).parent / "migrations"
_NAME = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema: ``path`` brings a store from ``number - 1`` to ``number``."""

    number: int
    path: Path


@cache
def migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """Return the migrations of ``folder`` in their order; the nth has number n + 1.

    Raises:
        StoreUnusable: names or numbers are wrong: the program is badly installed.
    """
    found = [path for path in sorted(folder.glob("*.sql")) if _NAME.fullmatch(path.name)]
    numbers = [int(path.name[:4]) for path in found]
    if not found or numbers != list(range(1, len(found) + 1)):
        raise StoreUnusable(
            f"the migrations in {folder} are not numbered 0001, 0002, and so on",
            why=f"there is: {', '.join(path.name for path in found) or 'none'}", remedy="install the program again",
        )
    return tuple(Migration(number=number, path=path) for number, path in zip(numbers, found, strict=True))


def newest(folder: Path = MIGRATIONS) -> int:
    """Return the schema version that the migrations of ``folder`` lead to."""
    return migrations(folder)[-1].number


def marks(connection: sqlite3.Connection) -> tuple[int, int]:
    """Return the application id and the schema version in the header of the file; both 0 in an empty one."""
    row = connection.execute("SELECT application_id, user_version FROM pragma_application_id, pragma_user_version").fetchone()
    return int(row[0]), int(row[1])


def is_empty(connection: sqlite3.Connection) -> bool:
    """Tell whether the file holds nothing: it was made, and the first migration has not been run."""
    return marks(connection) == (0, 0) and connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchone() is None


def check(connection: sqlite3.Connection, path: Path, *, oldest: int, newest: int) -> int:
    """Return the schema version of our store at ``path``.

    Args:
        oldest, newest: versions that the caller can work with, inclusive.

    Raises:
        StoreMissing: the file is empty.
        StoreCorrupt: a database of another program.
        StoreTooNew: above ``newest``.
        StoreUnusable: below ``oldest``.
    """
    application, version = marks(connection)
    if application == APPLICATION_ID and oldest <= version <= newest:
        return version
    if is_empty(connection):
        raise StoreMissing(f"the store {path} is empty", remedy="`harvester-hpc store migrate` fills it; so does `harvester-hpc start`")
    if application != APPLICATION_ID:
        raise StoreCorrupt(
            f"{path} is a database, but none of our stores",
            why=f"its application id is {application:#x}, ours is {APPLICATION_ID:#x}",
            remedy="move it away, or name another state_dir in the configuration",
        )
    if version > newest:
        raise StoreTooNew(
            f"the store {path} has schema {version}; this program knows schemas up to {newest}",
            remedy=f"use the newer program, or go back to the copy {path.name}.v{newest}.* that was put aside beside it",
        )
    raise StoreUnusable(
        f"the store {path} has schema {version}; this program needs schema {oldest}",
        remedy="`harvester-hpc store migrate` brings it up to date; so does `harvester-hpc start`",
    )
