"""``status``: right without a running instance, cheap, and honest in its exit code."""
from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harvester_hpc.cli import status
from harvester_hpc.cli.exits import Exit
from harvester_hpc.clock import SystemClock
from harvester_hpc.model.job import JobState
from harvester_hpc.model.worker import WorkerState
from harvester_hpc.store import health, holdback
from harvester_hpc.store.database import Database
from harvester_hpc.store.lease import acquire
from tests.unit.cli.rows_and_answers import Command, Stored

FORBIDDEN = ("pydantic", "psij", "asyncio", "http", "rich", "filelock", "harvester_psij", "harvester_local", "psutil")
KEYS = {
    "status", "home", "state_dir", "time", "running", "holder", "jobs", "workers", "troubles", "tried_again", "held_back", "agents",
    "untold_reports", "lost_answers", "credentials",
}


@contextmanager
def lease_held(stored: Stored) -> Iterator[None]:
    lease = acquire(stored.path, clock=SystemClock(), wait=threading.Event().wait)
    with Database(stored.path, SystemClock(), lease=lease) as database:
        yield
        with database.write() as write:
            lease.release(write.connection)


def test_it_knows_every_state_in_the_order_of_the_model() -> None:
    assert list(JobState) == list(status.JOB_STATES)
    assert list(WorkerState) == list(status.WORKER_STATES)


def test_before_anything_has_run_it_says_so(command: Command) -> None:
    said = command("status")
    assert said.code == Exit.NOT_RUNNING
    assert "nothing has run here yet" in said.out
    assert len(said.err.splitlines()) == 1


def test_a_living_holder_is_running(command: Command, stored: Stored) -> None:
    with lease_held(stored):
        said = command("status", "--json")
    assert (said.code, said.json["running"], said.json["status"]) == (Exit.DONE, True, "fine")
    assert said.json["holder"]["pid"] == os.getpid()


def test_a_lease_that_was_given_back_is_not_running(command: Command, stored: Stored) -> None:
    with lease_held(stored):
        pass
    said = command("status")
    assert said.code == Exit.NOT_RUNNING
    assert "has ended properly" in said.out
    assert said.err.count("\n") == 1


def test_trouble_of_a_running_instance_is_degraded(command: Command, stored: Stored) -> None:
    with lease_held(stored):
        with Database(stored.path, SystemClock()) as database, database.write() as write:
            health.trouble(write, "monitor", "Q", write.now + 30, "squeue: Socket timed out")
        said = command("status", "--json")
        plain = command("status")
    assert said.code == plain.code == Exit.DEGRADED
    assert said.json["status"] == "degraded"
    assert said.json["troubles"][0]["why"] == "squeue: Socket timed out"
    assert "squeue: Socket timed out" in plain.out


def test_what_the_site_holds_back_is_told_and_no_trouble(command: Command, stored: Stored) -> None:
    with lease_held(stored):
        with Database(stored.path, SystemClock()) as database, database.write() as write:
            holdback.hold(write, "Q", "16 of 16 eligible in batch queue 'batch'")
        said = command("status", "--json")
        plain = command("status")
    assert said.code == plain.code == Exit.DONE
    assert [one["why"] for one in said.json["held_back"]] == ["16 of 16 eligible in batch queue 'batch'"]
    assert "held back" in plain.out
    assert "16 of 16 eligible in batch queue 'batch'" in plain.out


def test_jobs_and_workers_are_counted_by_queue_and_state(command: Command, stored: Stored, tmp_path: Path) -> None:
    for number in range(1, 4):
        stored.add_job(number, JobState.RUNNING)
    stored.add_job(4, JobState.FAILED, "R")
    stored.add_worker(1, tmp_path / "1")
    facts = command("status", "--json").json
    assert facts["jobs"] == {"Q": {"running": 3}, "R": {"failed": 1}}
    assert facts["workers"] == {"Q": {"running": 1}}
    assert facts["untold_reports"]["number"] == 4
    rows = [line.split() for line in command("status").out.splitlines()]
    assert ["jobs", "running", "failed"] in rows
    assert ["all", "3", "1"] in rows


def test_json_keeps_its_keys(command: Command, stored: Stored) -> None:
    assert set(command("status", "--json").json) == KEYS


def test_a_store_of_another_kind_is_an_error_with_a_remedy(command: Command, home: Path) -> None:
    (home / "state" / "store.db").write_bytes(b"this is no SQLite file at all, but it is long enough to be looked at" * 20)
    said = command("status")
    assert said.code == Exit.ERROR
    assert "what to do:" in said.err


@pytest.mark.parametrize("arguments", [["status"], ["status", "--json"], ["jobs"], ["workers", "list"], ["jobs", "show", "1"],
                                       ["logs", "1"], ["kill", "1", "--yes", "--no-wait"]])
def test_looking_and_killing_import_nothing_heavy(home: Path, stored: Stored, tmp_path: Path, arguments: list[str]) -> None:
    stored.add_job(1)
    stored.add_worker(1, tmp_path / "1", job_id=1)
    script = (
        "import sys, json; from harvester_hpc.cli.frame import run; "
        "code = run(sys.argv[1:]); print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, "--home", str(home), *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    code, modules = json.loads(done.stderr.splitlines()[-1])
    assert code in (Exit.DONE, Exit.NOTHING, Exit.NOT_RUNNING), done.stderr
    heavy = [name for name in modules if name.split(".")[0] in FORBIDDEN]
    assert heavy == []


@pytest.mark.parametrize(("state", "code"), [
    (JobState.FETCHED, Exit.DONE), (JobState.TO_TRANSFER, Exit.DEGRADED), (JobState.TRANSFERRING, Exit.DEGRADED),
])
def test_staging_that_is_tried_again_is_told_with_its_reason(command: Command, stored: Stored, state: JobState, code: Exit) -> None:
    for number, tries in ((1, 0), (2, 1), (3, 4)):
        stored.add_job(number, state, why=f"why {number}")
        stored.sql("UPDATE job SET tries = ? WHERE job_id = ?", tries, number)
    with lease_held(stored):
        said, facts = command("status"), command("status", "--json")
    assert said.code == code
    assert "why 3" in said.out
    (told,) = facts.json["tried_again"]
    assert (told["state"], told["queue"], told["jobs"], told["tries"], told["why"]) == (state, "Q", 2, 4, "why 3")


def test_a_full_disk_of_the_store_is_said(command: Command, stored: Stored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status, "ROOM_B", 1 << 80)
    with lease_held(stored):
        said = command("status", "--json")
    assert said.code == Exit.DEGRADED
    assert [(one["agent"], "is full" in one["why"]) for one in said.json["troubles"]] == [("store", True)]
