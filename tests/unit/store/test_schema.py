"""The schema knows the states, every query parses, and none that is run often scans a table."""
from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

import harvester_hpc.store
from harvester_hpc.model.command import CommandKind
from harvester_hpc.model.credential import CredentialState
from harvester_hpc.model.dialog import Level
from harvester_hpc.model.event import EventState
from harvester_hpc.model.file import FileKind, FileState
from harvester_hpc.model.input import InputState
from harvester_hpc.model.job import JobState, Outcome
from harvester_hpc.model.transfer import Direction, ItemState, TransferState
from harvester_hpc.model.worker import MapType, WorkerState
from harvester_hpc.model.worker_log import LogKind, LogState
from harvester_hpc.store.event_request import Call
from harvester_hpc.store.sql import QUERIES, sentences

MIGRATIONS = Path(harvester_hpc.store.__file__).parent / "migrations"
AGGREGATES = sorted(path.stem for path in QUERIES.glob("*.sql"))

#: Queries that read a whole table or index on purpose, and why they may.
MAY_SCAN = {
    ("health", "troubles"): "a handful of rows",
    ("health", "beats"): "one row an agent",
    ("health", "no_trouble_at_all"): "a handful of rows",
    ("health", "credential_changed"): "a handful of rows",
    ("holdback", "all"): "one row a queue",
    ("configuration", "under_way"): "once a start, and when the configuration changes",
    ("configuration", "unused"): "once a start, and when the configuration changes",
    ("configuration", "last"): "the last entry of the primary key",
    ("holdback", "release_all"): "one row a queue",
    ("job", "counts"): "an index of states, once a status",
    ("worker", "counts"): "an index of states",
    ("report", "next_due"): "the first entry of an index",
    ("report", "untold"): "once a status",
    ("worker", "next_kill"): "the first entry of a partial index",
    ("worker", "next_look"): "the first entry of a partial index",
    ("worker", "next_tell"): "the first entry of a partial index",
    ("worker_log", "next_due"): "the first entry of a partial index",
    ("transfer", "next_due"): "the first entry of a partial index",
    ("transfer", "waiting_counts"): "a partial index of what waits, once a status",
    ("transfer", "tried_again"): "a partial index of what waits, once a status",
    ("dialog", "next_due"): "the first entry of a partial index",
    ("dialog", "newest"): "so many entries of an index, for people",
    ("job_call", "under_way"): "one row a queue, once a start",
    ("credential", "all"): "a handful of rows",
    ("credential", "standing"): "a handful of rows",
    ("credential", "only"): "a handful of rows, once a start",
    ("command", "newest"): "few commands, for people",
    ("statistics", "known"): "one row a site",
    ("wish", "all"): "a few rows a queue",
    ("command", "open"): "a partial index of open commands",
    ("command", "to_acknowledge"): "few commands",
    ("command", "forget"): "few commands",
    ("command", "drop_stops"): "open commands, once a start",
}


@pytest.fixture
def schema() -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    for path in sorted(MIGRATIONS.glob("*.sql")):
        connection.executescript(path.read_text())
    yield connection
    connection.close()


@pytest.mark.parametrize(("table", "column", "states"), [
    ("job", "state", JobState), ("job", "outcome", Outcome), ("worker", "state", WorkerState), ("worker", "map_type", MapType),
    ("file", "kind", FileKind), ("file", "state", FileState), ("report", "state", JobState), ("command", "kind", CommandKind),
    ("event", "state", EventState), ("event_call", "what", Call), ("input", "state", InputState), ("transfer", "state", TransferState),
    ("transfer", "direction", Direction), ("parcel", "state", ItemState), ("parcel", "direction", Direction),
    ("worker_log", "state", LogState), ("log_copy", "kind", LogKind),
    ("dialog", "level", Level), ("credential", "state", CredentialState),
])
def test_a_check_holds_exactly_the_states_of_the_model(schema: sqlite3.Connection, table: str, column: str, states: type[StrEnum]) -> None:
    text = schema.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
    listed = re.search(rf"CHECK \({column} IN \(([^)]*)\)\)", text)
    assert listed is not None
    assert re.findall(r"'([^']*)'", listed.group(1)) == [str(state) for state in states]


def all_queries() -> list[tuple[str, str]]:
    return [(aggregate, name) for aggregate in AGGREGATES for name in sentences(aggregate)]


@pytest.mark.parametrize(("aggregate", "name"), all_queries())
def test_no_frequent_query_scans_a_table(schema: sqlite3.Connection, aggregate: str, name: str) -> None:
    if (aggregate, name) in MAY_SCAN or aggregate == "look":
        return
    sql = sentences(aggregate)[name]
    positions = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    plain = len(re.findall(r"\?(?!\d)", sql))
    names = re.findall(r"(?<![:\w]):([a-z_]+)", sql)
    parameters: object = dict.fromkeys(names) if names else [None] * max([plain, plain + (max(positions) if positions else 0)])
    plan = _plan(schema, sql, parameters)
    scans = [line for line in plan if line.startswith("SCAN") and not any(word in line for word in ("json_each", "CONSTANT", "wanted"))]
    assert scans == [], f"{sql}\n{plan}"


def _plan(schema: sqlite3.Connection, sql: str, parameters: object) -> list[str]:
    if isinstance(parameters, dict):
        return [row[3] for row in schema.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
    assert isinstance(parameters, list)
    while True:  # the number of bindings is SQLite's to say
        try:
            return [row[3] for row in schema.execute(f"EXPLAIN QUERY PLAN {sql}", parameters)]
        except sqlite3.ProgrammingError as error:
            uses = re.search(r"uses (\d+)", str(error))
            assert uses is not None
            parameters = [None] * int(uses.group(1))


def test_every_sentence_says_what_it_does() -> None:
    for aggregate in AGGREGATES:
        for name, sql in sentences(aggregate).items():
            assert sql, f"{aggregate}.{name} is empty"
            assert ";" not in sql, f"{aggregate}.{name} is more than one sentence"
