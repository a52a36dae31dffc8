"""``logs`` and ``kill``."""
from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest

from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.logs import END_BYTES, last_lines
from harvester_hpc.model.job import JobState
from tests.unit.cli.rows_and_answers import Command, Stored


@pytest.mark.parametrize(("text", "number", "expected"), [
    (b"", 3, []), (b"a\nb\nc\n", 2, ["b", "c"]), (b"a\r\nb", 5, ["a", "b"]), (b"\xff\n", 1, ["�"]), (b"a\nb\n", 0, []),
])
def test_the_last_lines_are_the_last_lines(tmp_path: Path, text: bytes, number: int, expected: list[str]) -> None:
    file = tmp_path / "log"
    file.write_bytes(text)
    assert last_lines(file, number) == expected


def test_of_a_huge_log_only_the_end_is_read(tmp_path: Path) -> None:
    file = tmp_path / "log"
    file.write_bytes(b"x" * (3 * END_BYTES) + b"\nlast\n")
    lines = last_lines(file, 10)
    assert lines[-1] == "last"
    assert sum(map(len, lines)) < END_BYTES


@pytest.fixture
def worker(stored: Stored, tmp_path: Path) -> Path:
    point = tmp_path / "work" / "3"
    (point / "17").mkdir(parents=True)
    (point / "batch.log").write_text("batch says\n")
    (point / "17" / "payload.stderr").write_text("one\ntwo\nthree\n")
    stored.add_job(17)
    stored.add_worker(3, point, job_id=17)
    return point


def test_a_worker_and_its_job_have_the_same_logs(command: Command, worker: Path) -> None:
    of_worker, of_job = command("logs", 3, "--json"), command("logs", "--job", 17, "--json")
    assert of_worker.code == Exit.DONE
    assert of_worker.json == of_job.json
    assert [file["path"] for file in of_worker.json["files"]] == [str(worker / "batch.log"), str(worker / "17" / "payload.stderr")]


def test_logs_show_the_last_lines_or_only_the_paths(command: Command, worker: Path) -> None:
    assert "two\nthree\n" in command("logs", 3, "-n", 2).out
    assert "one" not in command("logs", 3, "-n", 2).out
    assert command("logs", 3, "--paths").out.splitlines() == [str(worker / "batch.log"), str(worker / "17" / "payload.stderr")]


def test_a_log_that_was_staged_out_is_told(command: Command, stored: Stored) -> None:
    stored.add_job(1, JobState.FINISHED)
    stored.sql("UPDATE file SET url = 'file:///far/1.log', state = 'finished' WHERE job_id = 1")
    said = command("logs", "--job", 1)
    assert (said.code, said.out) == (Exit.DONE, "staged out: file:///far/1.log\n")


@pytest.mark.parametrize("arguments", [[], ["3", "--job", "17"]])
def test_logs_want_a_worker_or_a_job(command: Command, stored: Stored, arguments: list[str]) -> None:
    assert command("logs", *arguments).code == Exit.USAGE


def test_logs_that_are_not_there_are_nothing(command: Command, stored: Stored, tmp_path: Path) -> None:
    stored.add_worker(1, tmp_path / "gone")
    said = command("logs", 1)
    assert (said.code, str(tmp_path / "gone") in said.err) == (Exit.NOTHING, True)
    assert command("logs", 99).code == Exit.NOTHING


def letters(home: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted((home / "state" / "commands").glob("*.json"))]


def test_kill_asks_the_instance_by_letter(command: Command, stored: Stored, home: Path) -> None:
    stored.add_job(1)
    stored.add_job(2, JobState.FINISHED)
    said = command("kill", 1, 2, "--yes", "--why", "wrong input", "--json")
    assert said.code == Exit.DONE
    assert (said.json["asked"], said.json["alive"], said.json["answer"]) == (2, 1, None)
    sent = letters(home)
    assert [(one["kind"], one["ids"], one["why"]) for one in sent] == [("kill_jobs", [1], "wrong input")]


def test_kill_takes_workers_too(command: Command, stored: Stored, home: Path, tmp_path: Path) -> None:
    stored.add_worker(1, tmp_path / "1")
    stored.add_worker(2, tmp_path / "2", "failed")
    assert command("kill", "--worker", 1, "--worker", 2, "--yes").code == Exit.DONE
    assert [(one["kind"], one["ids"]) for one in letters(home)] == [("kill_workers", [1])]


def test_kill_without_anybody_to_ask_wants_yes(command: Command, stored: Stored, home: Path) -> None:
    stored.add_job(1)
    said = command("kill", 1)
    assert (said.code, "--yes" in said.err, letters(home)) == (Exit.USAGE, True, [])


def test_what_has_ended_is_not_killed(command: Command, stored: Stored, home: Path, tmp_path: Path) -> None:
    stored.add_worker(1, tmp_path / "1", "finished")
    assert command("kill", "--worker", 1, "--yes").code == Exit.NOTHING
    assert letters(home) == []


@pytest.mark.parametrize("arguments", [["--yes"], ["1", "--worker", "1", "--yes"]])
def test_kill_wants_jobs_or_workers(command: Command, stored: Stored, arguments: list[str]) -> None:
    assert command("kill", *arguments).code == Exit.USAGE


def test_a_job_that_was_not_fetched_is_killed_in_the_workload_management_system(command: Command, home: Path) -> None:
    job_id = int(command("submit", "--exec", "true").out)
    assert command("kill", job_id, "--yes", "--json").json["not_fetched_yet"] == 1
    assert letters(home) == []
    assert command("kill", 4711, "--yes").code == Exit.NOTHING


@pytest.mark.parametrize(("answer", "code", "killed"), [("y", Exit.DONE, 1), ("n", Exit.NOTHING, 0), ("", Exit.NOTHING, 0)])
def test_kill_asks_a_person_first(
    command: Command, stored: Stored, home: Path, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, killed: int
) -> None:
    stored.add_job(1)
    terminal = StringIO(f"{answer}\n")
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    said = command("kill", 1)
    assert (said.code, len(letters(home))) == (code, killed)
    assert "kill 1 jobs (1 of them go on here)?" in said.out
