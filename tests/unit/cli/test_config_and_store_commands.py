"""``config`` and ``store``."""
from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from harvester_hpc.cli.exits import Exit
from harvester_hpc.clock import SystemClock
from harvester_hpc.config.load import load
from harvester_hpc.config.show import show
from harvester_hpc.store.lease import acquire
from harvester_hpc.store.schema import newest
from tests.unit.cli.rows_and_answers import Command, Stored


def test_a_good_configuration_is_usable(command: Command) -> None:
    said = command("config", "check")
    assert said.code == Exit.DONE
    assert said.out.startswith("usable: instance test at local (local), queues Q, R")
    told = command("config", "check", "--json").json
    assert [file.rpartition("/")[2] for file in told.pop("files")] == ["harvester.json", "local.json"]
    assert told == {"usable": True, "problems": [], "warnings": []}


def test_problems_of_files_and_of_plugins_come_together(command: Command, home: Path) -> None:
    (home / "harvester.json").write_text(json.dumps({
        "extends": "local", "agents": {"monitr": {"period": 1}}, "queues": {"Q": {"stager": {"name": "local", "linq": True}}},
    }))
    said = command("config", "check")
    assert said.code == Exit.ERROR
    assert "did you mean 'monitor'?" in said.err
    problems = command("config", "check", "--json").json["problems"]
    assert [problem for problem in problems if "monitr" in problem]
    assert len(problems) == len(said.err.splitlines()) - 1


def test_a_plugin_that_is_not_there_is_answered_with_the_nearest(command: Command, home: Path) -> None:
    (home / "harvester.json").write_text('{"extends": "local", "queues": {"Q": {"submitter": {"name": "psji"}}}}')
    said = command("config", "check")
    assert (said.code, "did you mean 'psij'?" in said.err) == (Exit.ERROR, True)


def test_show_prints_the_file_or_what_it_comes_to(command: Command, home: Path) -> None:
    assert command("config", "show").out == (home / "harvester.json").read_text()
    assert command("config", "show", "--resolved").json == json.loads(json.dumps(show(load(home))))


@pytest.mark.parametrize("kind", ["harvester", "facility"])
def test_the_schema_is_json_and_names_the_queues(command: Command, kind: str) -> None:
    assert "queues" in command("config", "schema", kind).json["properties"]


def test_the_store_is_made_checked_copied_and_shrunk(command: Command, home: Path, tmp_path: Path) -> None:
    assert command("store", "migrate").out == f"schema 0 -> {newest()}\n"
    assert command("store", "migrate").out == f"schema {newest()} already\n"
    assert command("store", "check", "--json").json["usable"] is True
    assert command("store", "check").out.endswith("usable\n")
    assert command("store", "backup", tmp_path / "copy.db").code == Exit.DONE
    assert (tmp_path / "copy.db").read_bytes().startswith(b"SQLite format 3")
    assert command("store", "backup").code == Exit.DONE
    assert len(list((home / "state").glob("store.db.*Z"))) == 1
    assert command("store", "compact").code == Exit.DONE


def test_a_copy_never_overwrites(command: Command, stored: Stored, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    assert command("store", "backup", tmp_path / "precious").code != Exit.DONE
    assert (tmp_path / "precious").read_text() == "x"


def test_a_store_in_use_is_not_compacted(command: Command, stored: Stored) -> None:
    acquire(stored.path, clock=SystemClock(), wait=threading.Event().wait)
    said = command("store", "compact")
    assert (said.code, str(os.getpid()) in said.err) == (Exit.BUSY, True)


def test_a_store_that_is_not_there_is_said(command: Command, home: Path) -> None:
    said = command("store", "compact")
    assert (said.code, str(home / "state" / "store.db") in said.err) == (Exit.ERROR, True)
    assert command("store", "check").code == Exit.ERROR
