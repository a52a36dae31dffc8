"""``submit`` and ``retry``, with the embedded workload management system."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc import app
from harvester_hpc.cli.exits import Exit
from harvester_hpc.config.load import load
from tests.unit.cli.rows_and_answers import Command


def handed_out(home: Path, site: str = "Q", number: int = 10) -> list[Any]:
    return list(app.communicator(load(home)).get_jobs(site, "node", "managed", "", number, {}))


def test_a_job_of_options_arrives_as_it_was_said(command: Command, home: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.txt"
    source.write_text("x")
    said = command("submit", "--exec", "/bin/echo", "--in", source, "--out", "out.{PandaID}.txt", "--env", "A=b=c", "--cores", 2,
                   "--walltime", 60, "--", "--flag", "two words")
    assert (said.code, said.out) == (Exit.DONE, "1\n")
    (job,) = handed_out(home)
    assert (job["transformation"], job["jobPars"]) == ("/bin/echo", "--flag 'two words'")
    assert (job["inFiles"], job["outFiles"].split(",")[0], job["coreCount"], job["maxWalltime"]) == ("in.txt", "out.1.txt", 2, 60)
    assert job["environment"] == {"A": "b=c"}


def test_a_relative_program_is_made_absolute_and_a_bare_name_stays(command: Command, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home)
    command("submit", "--exec", "./run.sh")
    command("submit", "--exec", "python3")
    assert [job["transformation"] for job in handed_out(home)] == [str(home / "run.sh"), "python3"]


def test_count_makes_as_many(command: Command) -> None:
    assert command("submit", "--exec", "true", "-n", 3, "--json").json == {"jobs": [1, 2, 3]}


def test_files_hold_one_job_or_a_list(command: Command, home: Path, tmp_path: Path) -> None:
    one, several = tmp_path / "one.json", tmp_path / "several.json"
    one.write_text(json.dumps({"executable": "a"}))
    several.write_text(json.dumps([{"executable": "b"}, {"executable": "c"}]))
    assert command("submit", one, several).out.split() == ["1", "2", "3"]
    assert [job["transformation"] for job in handed_out(home)] == ["a", "b", "c"]


def test_one_bad_job_keeps_all_out(command: Command, home: Path, tmp_path: Path) -> None:
    file = tmp_path / "jobs.json"
    file.write_text(json.dumps([{"executable": "b"}, {"executabel": "c"}]))
    said = command("submit", file)
    assert said.code == Exit.ERROR
    assert "did you mean 'executable'?" in said.err
    assert handed_out(home) == []


@pytest.mark.parametrize("text", ["", "\0" * 100, "[" * 100_000])
def test_what_is_no_json_is_said_to_be_none(command: Command, home: Path, tmp_path: Path, text: str) -> None:
    file = tmp_path / "jobs.json"
    file.write_text(text)
    said = command("submit", file)
    assert said.code == Exit.ERROR
    assert "is no JSON" in said.err
    assert handed_out(home) == []


def test_a_queue_is_sent_to_by_its_name_here_or_there(command: Command, home: Path) -> None:
    command("submit", "--exec", "a", "--queue", "R")
    command("submit", "--exec", "b", "--queue", "SITE_R")
    assert handed_out(home, "Q") == []
    assert len(handed_out(home, "SITE_R")) == 2


def test_a_queue_that_nobody_serves_is_refused(command: Command) -> None:
    said = command("submit", "--exec", "a", "--queue", "q")
    assert said.code == Exit.ERROR
    assert "no queue 'q'; there is: Q, R (did you mean 'Q'?)" in said.err


@pytest.mark.parametrize("arguments", [
    [], ["--exec", "a", "--env", "A"], ["x.json", "--cores", "2"], ["--exec", "a", "--in", "/no/such/file"],
])
def test_what_cannot_be_meant_is_refused(command: Command, arguments: list[str]) -> None:
    assert command("submit", *arguments).code == Exit.USAGE


@pytest.mark.parametrize("content", [None, "{", "[]"])
def test_a_file_that_is_none_is_an_error(command: Command, tmp_path: Path, content: str | None) -> None:
    file = tmp_path / "job.json"
    if content is not None:
        file.write_text(content)
    said = command("submit", file)
    assert said.code == Exit.ERROR
    assert said.err.startswith("error: ")


def test_retry_makes_a_new_attempt_of_what_did_not_succeed(command: Command) -> None:
    command("submit", "--exec", "a")
    assert command("retry", 1).code == Exit.NOTHING
    command("kill", 1, "--yes")
    assert command("retry", 1, 99, "--json").json == {"asked": 2, "new": {"1": 2}}


def test_work_is_refused_where_the_system_takes_none(command: Command, home: Path) -> None:
    (home / "harvester.json").write_text(json.dumps({
        "extends": "local", "queues": {"Q": {}}, "communicator": {"name": "Deaf", "module": "tests.unit.cli.deaf_communicator"},
    }))
    said = command("submit", "--exec", "a")
    assert said.code == Exit.ERROR
    assert "takes no work from the command line" in said.err


@pytest.mark.parametrize("words", [("submit", "--exec", "true"), ("run", "--once", "--quiet"), ("stop",), ("kill", "--yes", "1")])
def test_whoever_makes_the_state_folder_closes_it_to_others(command: Command, home: Path, words: tuple[str, ...]) -> None:
    (home / "state").rmdir()
    command(*words)
    assert not (home / "state").exists() or (home / "state").stat().st_mode & 0o077 == 0
