"""``transfers``: what goes on, what waits, who must act, and how fast."""
from __future__ import annotations

import pytest

from harvester_hpc.cli.exits import Exit
from harvester_hpc.model.file import File, FileId, FileKind, FileState
from harvester_hpc.model.job import JobState
from harvester_hpc.model.transfer import Direction, Place, Progress, Route, Transfer, TransferId, TransferState
from harvester_hpc.store import parcel as parcels
from harvester_hpc.store import transfer as transfers
from harvester_hpc.store.database import Database
from harvester_hpc.store.parcel import Miss
from harvester_hpc.store.transfer import Mover
from tests.unit.cli.rows_and_answers import Command, Stored

MOVER = Mover(queue="Q", direction=Direction.OUT, hop=0)
KEYS = {
    "transfer", "key", "queue", "direction", "hop", "state", "source", "destination", "task", "why", "remedy", "files", "bytes",
    "files_done", "bytes_done", "bytes_per_second", "last_event", "faults", "submissions", "tries", "created", "submitted", "changed",
    "due", "stuck_since",
}


@pytest.fixture
def batch(stored: Stored) -> Stored:
    """A batch of one file under way, and a file that waits for the next one."""
    for number in (1, 2):
        stored.add_job(number, JobState.TRANSFERRING)
    with Database(stored.path, stored.clock) as database, database.write() as write:
        for number in (1, 2):
            log = File(id=FileId(number), job_id=number, kind=FileKind.LOG, lfn=f"{number}.log", state=FileState.DEFINED,
                       path=f"/scratch/{number}.log", size=4_000_000)
            parcels.send(write, "Q", [log])
        now = write.now
        (first, _), _ = transfers.unrouted(write.connection, MOVER, now, 10, last=True)
        route = Route(source=Place(path=first.source.path), destination=Place(name="DEPOT", path="/depot/1.log"))
        transfers.put_routes(write, [(first.item_id, route)])
        (heap,) = transfers.heaps(write.connection, MOVER, now)
        chosen = transfers.oldest(write.connection, MOVER, heap, now, 10)
        number_of = transfers.plan(write, MOVER, heap, chosen, lambda number: f"abcde-t{number}")
        transfers.submitted(write, number_of, "task-7", now)
        transfers.progress(write, number_of, Progress(files=0, size=1_000_000, event="STARTED"), "", now)
    return stored


def state(stored: Stored) -> Transfer:
    with Database(stored.path, stored.clock) as database, database.read() as connection:
        return transfers.by_ids(connection, [1])[1]


def test_a_batch_under_way_shows_how_far_it_is(command: Command, batch: Stored) -> None:
    said = command("transfers", "--json")
    (one,) = said.json["transfers"]
    assert set(one) == KEYS
    assert (one["key"], one["state"], one["destination"], one["files"], one["bytes"], one["bytes_done"], one["last_event"]) == (
        "abcde-t1", "active", "DEPOT", 1, 4_000_000, 1_000_000, "STARTED",
    )
    assert one["bytes_per_second"] > 0
    assert [(row["queue"], row["files"], row["bytes"]) for row in said.json["waiting"]] == [("Q", 1, 4_000_000)]


def test_the_table_has_both(command: Command, batch: Stored) -> None:
    text = command("transfers").out
    assert "STARTED" in text
    assert "0/1" in text
    assert "files waiting" in text


def test_a_batch_is_shown_with_its_files(command: Command, batch: Stored) -> None:
    shown = command("transfers", "show", 1, "--json").json
    assert set(shown) == KEYS | {"contents"}
    assert [(file["file"], file["job"], file["state"], file["destination"]) for file in shown["contents"]] == [
        ("1.log", 1, "moving", "/depot/1.log")
    ]
    assert "1.log" in command("transfers", "1").out


def test_a_parked_batch_says_what_to_do(command: Command, batch: Stored) -> None:
    with Database(batch.path, batch.clock) as database, database.write() as write:
        transfers.again(write, state(batch), write.now + 300, "consent required", "run `harvester-hpc globus login`", tries=0)
    text = command("transfers").out
    assert "parked" in text
    assert "harvester-hpc globus login" in text


def test_what_has_ended_is_shown_when_asked_for(command: Command, batch: Stored) -> None:
    with Database(batch.path, batch.clock) as database, database.write() as write:
        transfers.end(write, state(batch).id, TransferState.ENDED)
    assert command("transfers", "--json").json["transfers"] == []
    assert [one["state"] for one in command("transfers", "-a", "--json").json["transfers"]] == ["ended"]


def test_nothing_is_an_answer_of_its_own(command: Command, stored: Stored) -> None:
    assert command("transfers").code == command("transfers", "show", 1).code == Exit.NOTHING


def test_a_file_that_did_not_arrive_and_is_tried_again_is_told_with_its_reason(command: Command, batch: Stored) -> None:
    with Database(batch.path, batch.clock) as database, database.write() as write:
        ((item_id,),) = write.connection.execute("SELECT parcel_id FROM parcel WHERE transfer_id = 1").fetchall()
        parcels.missed(write, TransferId(1), [Miss(item_id=item_id, why="the depot is full", tries=2, due=write.now + 60.0)])
    (told,) = command("status", "--json").json["tried_again"]
    assert (told["state"], told["queue"], told["jobs"], told["tries"], told["why"]) == ("transferring", "Q", 1, 2, "the depot is full")
    assert [(file["tries"], file["why"]) for file in command("jobs", "show", 1, "--json").json["files"]] == [(2, "the depot is full")]
    assert [(file["tries"], file["why"]) for file in command("jobs", "show", 2, "--json").json["files"]] == [(0, "")]
