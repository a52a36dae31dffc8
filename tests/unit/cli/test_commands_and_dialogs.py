"""``commands`` and ``dialogs``, and a command that is put into the embedded system."""
from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from harvester_hpc.cli.exits import Exit
from harvester_hpc.errors import ConfigurationError
from harvester_hpc.model.dialog import Level
from harvester_hpc.ports.orders import command_of
from harvester_hpc.store import command as commands
from harvester_hpc.store import dialog as dialogs
from harvester_hpc.store.database import Database
from harvester_local.cli import command as wms
from harvester_local.served.system import made
from tests.unit.cli.rows_and_answers import Command, Stored


@pytest.mark.parametrize("noun", ["commands", "dialogs"])
def test_an_empty_list_is_nothing(command: Command, stored: Stored, noun: str) -> None:
    assert command(noun).code == Exit.NOTHING
    assert command(noun, "--json").json == {noun: []}


@pytest.mark.parametrize("noun", ["commands", "dialogs"])
def test_without_a_store_there_is_nothing(command: Command, noun: str) -> None:
    assert command(noun).code == Exit.NOTHING


def test_commands_are_shown_with_what_became_of_them_and_those_that_nobody_knows_too(command: Command, stored: Stored) -> None:
    with Database(stored.path, stored.clock) as database, database.write() as write:
        commands.insert(write, [
            command_of(1, "SYNC_WORKERS_KILL", [4, 5], ack=True), command_of(2, "MAKE_COFFEE:Q", {"sugar": 2}, ack=True),
        ])
        commands.done(write, "wms-1", "killed 1 of 2 workers")
    second, first = command("commands", "--json").json["commands"]
    assert (first["name"], first["done"], first["result"]) == ("SYNC_WORKERS_KILL", True, "killed 1 of 2 workers")
    assert (second["kind"], second["params"], second["done"]) == ("unknown", '{"sugar": 2}', False)
    said = command("commands")
    assert said.code == Exit.DONE
    assert "MAKE_COFFEE:Q" in said.out
    assert "waits" in said.out


def test_dialogs_are_shown_with_how_often_and_whether_they_were_told(command: Command, stored: Stored) -> None:
    with Database(stored.path, stored.clock) as database, database.write() as write:
        for _ in range(3):
            dialogs.add(write, "stager", "queue Q", Level.ERROR, "no space left")
    (one,) = command("dialogs", "--json").json["dialogs"]
    assert (one["identifier"], one["times"], one["told"], one["level"]) == ("queue Q", 3, None, "ERROR")
    assert "no space left" in command("dialogs").out


def test_a_command_is_put_into_the_embedded_system_and_an_unknown_one_with_a_warning(tmp_path: Path) -> None:
    made(tmp_path).summary()
    run = CliRunner()
    assert run.invoke(wms, ["command", str(tmp_path), "SYNC_WORKERS_KILL", "[3]"], standalone_mode=False).output == (
        "command 1: SYNC_WORKERS_KILL\n")
    assert "none that an instance knows" in run.invoke(wms, ["command", str(tmp_path), "MAKE_COFFEE"], standalone_mode=False).output
    assert [one.ids for one in made(tmp_path).get_commands(5)] == [(3,), ()]


@pytest.mark.parametrize("words", [["X", "{"], ["X"]])
def test_a_command_for_nobody_or_with_bad_words_is_refused(tmp_path: Path, words: list[str]) -> None:
    answer = CliRunner().invoke(wms, ["command", str(tmp_path), *words], standalone_mode=False)
    assert isinstance(answer.exception, ConfigurationError)
    assert answer.exception.remedy
