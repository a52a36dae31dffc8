"""The command line with a real instance: real processes, the embedded workload management system, PSI/J on this machine."""
from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.clock import SystemClock
from harvester_hpc.store import schema
from harvester_hpc.store.migrate import migrate

PROGRAM = [sys.executable, "-m", "harvester_hpc.cli"]
LIMIT_S = 60.0


class CommandLine:
    """Commands for one instance."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.environment = {**os.environ, "HARVESTER_HPC_HOME": str(home)}

    def __call__(self, *arguments: object, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*PROGRAM, *map(str, arguments)], env=self.environment, capture_output=True, text=True, timeout=LIMIT_S, check=False,
            stdin=subprocess.DEVNULL,
        )
        assert code is None or done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
        return done

    def json(self, *arguments: object, code: int | None = 0) -> Any:
        return json.loads(self(*arguments, "--json", code=code).stdout)

    def job_states(self) -> list[str]:
        return sorted(job["state"] for job in self.json("jobs", "-a", code=None)["jobs"])


def until(true: Callable[[], bool], what: str) -> None:
    end = time.monotonic() + LIMIT_S
    pause = threading.Event()
    while not true():
        assert time.monotonic() < end, what
        pause.wait(0.1)


@pytest.fixture
def line(tmp_path: Path) -> Iterator[CommandLine]:
    command = CommandLine(tmp_path / "home")
    command("init", command.home, "--queue", "Q")
    (command.home / "harvester.json").write_text('{"extends": "local", "queues": {"Q": {"pollInterval": 0.5}}}')
    yield command
    command("stop", code=None)


def test_a_job_goes_through_a_started_instance(line: CommandLine, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("input\n")
    line("start")
    assert line.json("status")["status"] == "fine"
    line("submit", "--exec", "/bin/cp", "--in", tmp_path / "in.txt", "--out", "out.txt", "--", "in.txt", "out.txt")
    until(lambda: line.job_states() == ["finished"], "the job has not finished")
    job = line.json("jobs", "show", 1)
    output = next(file for file in job["files"] if file["kind"] == "output")
    assert Path(output["url"].removeprefix("file://")).read_text() == "input\n"
    assert line.json("logs", "--job", 1)["staged_out"]
    line("stop")
    assert line.json("status", code=4)["running"] is False


def test_what_fails_is_told_with_its_reason_and_tried_again(line: CommandLine) -> None:
    line("start")
    line("submit", "--exec", "/bin/sh", "--", "-c", "echo broken >&2; exit 7")
    until(lambda: line.job_states() == ["failed"], "the job has not failed")
    assert "7" in line.json("jobs", "show", 1)["why"]
    assert ["broken"] in [file["lines"] for file in line.json("logs", "--job", 1)["files"]]
    assert line.json("retry", 1)["new"] == {"1": 2}
    until(lambda: line.job_states() == ["failed", "failed"], "the second attempt has not failed")


def test_a_running_job_is_killed(line: CommandLine) -> None:
    line("start")
    line("submit", "--exec", "/bin/sleep", "--", "300")
    until(lambda: line.job_states() == ["running"], "the job does not run")
    answer = line.json("kill", 1, "--yes", "--why", "enough")
    assert answer["answer"] == "killed 1 of 1 jobs"
    until(lambda: line.job_states() == ["cancelled"], "the job was not cancelled")
    assert line.json("jobs", "show", 1)["why"] == "enough"


def test_stopping_leaves_workers_alone_and_the_next_start_finds_them(line: CommandLine, tmp_path: Path) -> None:
    go = tmp_path / "go"
    line("start")
    line("submit", "--exec", "/bin/sh", "--", "-c", f"until [ -e {go} ]; do sleep 0.1; done")
    until(lambda: line.job_states() == ["running"], "the job does not run")
    line("stop")
    assert line.job_states() == ["running"]
    go.touch()
    line("start")
    until(lambda: line.job_states() == ["finished"], "the job has not finished")
    assert len(line.json("workers", "-a")["workers"]) == 1


def test_a_second_start_says_where_it_runs_and_a_second_run_is_refused(line: CommandLine) -> None:
    line("start")
    pid = line.json("status")["holder"]["pid"]
    assert f"process {pid}" in line("start").stdout
    refused = line("run", code=75)
    assert f"process {pid}" in refused.stderr
    assert line.json("status")["holder"]["pid"] == pid


def test_of_several_starts_at_once_one_starts_and_the_others_say_so(line: CommandLine) -> None:
    with ThreadPoolExecutor(4) as starts:
        said = sorted(done.stdout.split(":")[0] for done in starts.map(lambda _: line("start"), range(4)))
    assert said == ["it runs already"] * 3 + ["started"]


def test_a_start_that_fails_prints_why(line: CommandLine) -> None:
    (line.home / "harvester.json").write_text('{"extends": "local", "queues": {"Q": {"maxWorker": 3}}}')
    refused = line("start", code=1)
    assert "maxWorkers" in refused.stderr
    assert "exit code 1" in refused.stderr


def test_after_a_kill_the_next_start_takes_over_at_once(line: CommandLine) -> None:
    line("start")
    pid = line.json("status")["holder"]["pid"]
    os.kill(pid, signal.SIGKILL)
    until(lambda: not line.json("status", code=None)["running"], "a dead process is said to run")
    assert "without a word" in line("status", code=4).stdout
    line("start")
    assert line.json("status")["holder"]["pid"] != pid


def test_rounds_by_cron_bring_a_job_through(line: CommandLine) -> None:
    line("submit", "--exec", "/bin/true")

    def round_and_look() -> bool:
        line("run", "--once", "--quiet")
        assert line.json("status", code=4)["running"] is False
        return line.job_states() == ["finished"]

    until(round_and_look, "the job has not finished")


def test_it_is_seen_and_stopped_from_another_login_node(line: CommandLine) -> None:
    line("start")
    elsewhere = CommandLine(line.home)
    elsewhere.environment["HARVESTER_HPC_HOST"] = "login02"
    assert elsewhere.json("status")["running"] is True
    assert "it runs already" in elsewhere("start").stdout
    elsewhere("stop")
    assert line.json("status", code=4)["holder"]["released"] is True
    assert list((line.home / "state" / "commands").iterdir()) == []
    line("start")
    line("submit", "--exec", "/bin/true")
    until(lambda: line.job_states() == ["finished"], "something that was left has ended the next instance")


def test_stop_without_an_instance_says_so(line: CommandLine) -> None:
    line("stop", code=4)
    assert list((line.home / "state").glob("commands/*")) == []


def test_the_demo_shows_real_events(tmp_path: Path) -> None:
    pytest.importorskip("chromo", reason="the extra demo is not installed")
    pytest.importorskip("matplotlib", reason="the extra demo is not installed")
    done = subprocess.run(
        [*PROGRAM, "demo", "--dir", str(tmp_path / "demo"), "--jobs", "2", "--events", "50", "--ranges", "120", "--timeout", "100"],
        capture_output=True, text=True, timeout=2 * LIMIT_S, check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert ["events", "100"] in [line.split() for line in done.stdout.splitlines()]
    assert ["ranges,", "each", "counted", "once", "120"] in [line.split() for line in done.stdout.splitlines()]
    assert (tmp_path / "demo" / "multiplicity.png").read_bytes().startswith(b"\x89PNG")


def test_a_start_brings_a_store_of_an_older_program_up_to_date(line: CommandLine, tmp_path: Path) -> None:
    older = tmp_path / "older"
    older.mkdir()
    for path in sorted(schema.MIGRATIONS.glob("*.sql"))[:2]:
        (older / path.name).write_text(path.read_text())
    migrate(line.home / "state" / "store.db", SystemClock(), folder=older)
    line("start")
    assert line.json("status")["running"]
