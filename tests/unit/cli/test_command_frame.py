"""The frame: commands load when called, errors come in three lines, and exit codes mean what is written."""
from __future__ import annotations

import errno
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

import harvester_hpc
from harvester_hpc import app, errors
from harvester_hpc.cli import exits, frame
from harvester_hpc.cli.exits import MEANING, Exit, exit_code_of
from harvester_hpc.cli.instance import Instance
from harvester_hpc.errors import AnswerLost, ConfigurationError, CredentialRefused, HarvesterError, LeaseHeld, StoreUnusable, Unavailable

DOCUMENT = Path(harvester_hpc.__file__).parents[1] / "docs" / "operations.md"


@pytest.mark.parametrize("name", frame.COMMANDS)
def test_every_command_loads_and_explains_itself(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run([name, "--help"]) == Exit.DONE
    assert f"Usage: {frame.PROGRAM} {name}" in capsys.readouterr().out


def test_every_module_with_a_command_is_in_the_list() -> None:
    folder = Path(frame.__file__).parent
    modules = [path.stem for path in folder.glob("*.py")] + [path.parent.name for path in folder.glob("*/__init__.py")]
    loaded = {name: importlib.import_module(f"harvester_hpc.cli.{name}") for name in modules if not name.startswith("__")}
    found = {name for name, module in loaded.items() if hasattr(module, "command")}
    assert found == set(frame.COMMANDS)


def test_an_unknown_command_is_answered_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert frame.run(["statsu"]) == Exit.USAGE
    assert "did you mean 'status'?" in capsys.readouterr().err


def test_help_imports_no_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame, "import_module", lambda name: pytest.fail(f"{name} was imported"))
    assert frame.run(["--help"]) == Exit.DONE
    text = capsys.readouterr().out
    assert [name for name in frame.COMMANDS if f"\n  {name} " not in text] == []


def _failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    @click.command()
    def fails() -> None:
        raise error

    monkeypatch.setattr(frame.Commands, "get_command", lambda self, context, name: fails)


def test_an_error_says_what_why_and_what_to_do(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _failing(monkeypatch, HarvesterError("the thing is broken", why="slurm says no", remedy="mend it"))
    assert frame.run(["status"]) == Exit.ERROR
    said = capsys.readouterr()
    assert said.err.splitlines() == ["error: the thing is broken", "why: slurm says no", "what to do: mend it"]
    assert said.out == ""


@pytest.mark.parametrize(
    ("number", "remedy"), [(errno.EROFS, "read-only"), (errno.ENOSPC, "free some space"), (errno.EACCES, "permissions")]
)
def test_a_file_that_cannot_be_used_is_named_with_the_remedy(
    number: int, remedy: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _failing(monkeypatch, OSError(number, os.strerror(number), "/state/log"))
    assert frame.run(["status"]) == Exit.ERROR
    what, to_do = capsys.readouterr().err.splitlines()
    assert what == f"error: /state/log: {os.strerror(number)}"
    assert to_do.startswith("what to do: ")
    assert remedy in to_do


def test_every_problem_of_a_configuration_has_its_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _failing(monkeypatch, ConfigurationError("two problems", ("first", "second")))
    assert frame.run(["status"]) == Exit.ERROR
    assert capsys.readouterr().err.splitlines() == ["error: two problems", "  first", "  second"]


def test_debug_shows_where_an_error_comes_from(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _failing(monkeypatch, HarvesterError("broken"))
    frame.run(["--debug", "status"])
    assert "Traceback" in capsys.readouterr().err


def test_a_defect_is_called_one_and_raised_under_debug(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _failing(monkeypatch, KeyError("oops"))
    assert frame.run(["status"]) == Exit.ERROR
    assert "defect" in capsys.readouterr().err
    with pytest.raises(KeyError):
        frame.run(["--debug", "status"])


def test_ctrl_c_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    _failing(monkeypatch, KeyboardInterrupt())
    assert frame.run(["status"]) == Exit.INTERRUPTED


def test_what_may_pass_by_itself_ends_with_75_and_nothing_else_does() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, HarvesterError)]
    busy = {kind for kind in kinds if exit_code_of(kind("x")) is Exit.BUSY}
    assert busy == {Unavailable, AnswerLost, CredentialRefused, StoreUnusable, LeaseHeld}
    assert {exit_code_of(kind("x")) for kind in set(kinds) - busy} == {Exit.ERROR}


def test_the_document_lists_every_exit_code_with_its_meaning() -> None:
    assert set(MEANING) == set(Exit)
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE))
    assert rows == {str(int(code)): text for code, text in exits.MEANING.items()}


def test_the_store_lies_where_the_program_says(home: Path) -> None:
    instance = Instance(home_option=str(home), environ={})
    assert instance.store == app.store_path(instance.state_dir)


def test_a_pipe_that_is_closed_early_is_no_error() -> None:
    script = f"{sys.executable} -m harvester_hpc.cli config schema | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, "")
