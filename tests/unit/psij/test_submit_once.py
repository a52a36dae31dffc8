"""The wrapper of the submit command, as a process, with small scripts in place of sbatch."""
from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harvester_hpc.testing.contracts.batch import wait_until
from harvester_psij import submit_once
from harvester_psij.records import Record, StillHeld
from harvester_psij.refusal import Verdict, verdict
from harvester_psij.slurm_refusals import SLURM_VERDICTS

TOKEN = "attempt-1"


@pytest.fixture
def record(tmp_path: Path) -> Record:
    record = Record(tmp_path / "record of one")
    record.open()
    record.allow(TOKEN)
    return record


def command(record: Record, *submit: str, token: str = TOKEN, options: tuple[str, ...] = ()) -> list[str]:
    return [sys.executable, "-I", "-S", submit_once.__file__, str(record.folder), token, *options, "--", *submit]


def run(record: Record, *submit: str, token: str = TOKEN) -> int:
    return subprocess.run(command(record, *submit, token=token), timeout=60, check=False).returncode


def counted(record: Record, rest: str) -> tuple[str, ...]:
    """A submit command that counts its runs."""
    return ("/bin/sh", "-c", f"echo run >> '{record.folder}/runs'; {rest}")


def runs(record: Record) -> int:
    path = record.folder / "runs"
    return len(path.read_text().splitlines()) if path.exists() else 0


def test_the_answer_is_kept(record: Record) -> None:
    assert run(record, *counted(record, "echo 12")) == submit_once.ACCEPTED
    assert record.output == "12\n"
    assert record.began is not None


def test_a_command_that_succeeded_is_not_run_again(record: Record) -> None:
    run(record, *counted(record, "echo 12"))
    record.allow("attempt-2")
    assert run(record, *counted(record, "echo 13"), token="attempt-2") == submit_once.ACCEPTED
    assert (runs(record), record.output) == (1, "12\n")


def test_a_refusal_is_kept_and_the_command_is_not_run_again_by_itself(record: Record) -> None:
    assert run(record, *counted(record, "echo out; echo no such queue >&2; exit 4")) == submit_once.FAILED
    refusal = record.refusal
    assert refusal is not None
    assert refusal.exit_code == 4
    assert "no such queue" in refusal.output
    assert "out" in refusal.output
    assert run(record, *counted(record, "echo 12")) == submit_once.UNCERTAIN
    assert runs(record) == 1


def test_after_a_refusal_is_forgotten_a_new_attempt_may_begin(record: Record) -> None:
    run(record, *counted(record, "exit 4"))
    with record.locked(1.0):
        record.forget_attempt()
    assert run(record, *counted(record, "echo 12")) == submit_once.SUPERSEDED
    record.allow("attempt-2")
    assert run(record, *counted(record, "echo 12"), token="attempt-2") == submit_once.ACCEPTED
    assert (runs(record), record.refusal) == (2, None)


def test_an_attempt_that_comes_late_is_superseded(record: Record) -> None:
    record.allow("attempt-2")
    assert run(record, *counted(record, "echo 12")) == submit_once.SUPERSEDED
    assert runs(record) == 0
    assert record.began is None


def test_a_command_that_does_not_exist_is_a_refusal(record: Record) -> None:
    assert run(record, "/no/such/sbatch") == submit_once.FAILED
    refusal = record.refusal
    assert refusal is not None
    assert refusal.exit_code == 127


def test_a_folder_that_was_swept_stops_a_late_attempt(record: Record) -> None:
    with record.locked(1.0):
        record.remove()
    marker = record.folder.parent / "ran"
    assert run(record, "/bin/sh", "-c", f"touch '{marker}'") not in (submit_once.ACCEPTED, submit_once.FAILED)
    assert not marker.exists()


def test_the_lock_lives_as_long_as_the_command_even_if_the_wrapper_is_killed(record: Record) -> None:
    gate = record.folder / "gate"
    script = f"touch '{record.folder}/up'; while [ ! -e '{gate}' ]; do sleep 0.05; done; echo 12"
    with subprocess.Popen(command(record, *counted(record, script))) as wrapper:
        wait_until((record.folder / "up").exists, 30, "the command runs")
        with pytest.raises(StillHeld), record.locked(0.0):
            pass
        os.kill(wrapper.pid, signal.SIGKILL)
    with pytest.raises(StillHeld), record.locked(0.2):
        pass
    gate.touch()
    with record.locked(30.0):
        assert record.output is None
        assert record.began is not None
    assert run(record, *counted(record, "echo 13")) == submit_once.UNCERTAIN
    assert runs(record) == 1


def test_two_attempts_at_once_run_the_command_once(record: Record) -> None:
    argv = command(record, *counted(record, "sleep 0.2; echo 12"))
    both = [subprocess.Popen(argv) for _ in range(4)]
    codes = {process.wait(60) for process in both}
    assert codes == {submit_once.ACCEPTED}
    assert runs(record) == 1


def test_becoming_the_command_leaves_its_process_in_the_record_and_frees_the_lock(record: Record, tmp_path: Path) -> None:
    log = tmp_path / "log"
    script = 'read -r stat < /proc/$$/stat; stat=(${stat##*)}); echo "$$.${stat[19]}@$(uname -n)"; ps -o sid= -p $$; sleep 1'
    with subprocess.Popen(command(record, "/bin/bash", "-c", script, options=("--become", str(log)))) as process:
        assert process.wait(60) == 0
        named, session = log.read_text().split()
        assert record.output is not None
        assert record.output.strip() == named
        assert int(session) == process.pid
        with record.locked(0.0):
            pass


def test_a_command_that_cannot_be_become_leaves_no_record(record: Record, tmp_path: Path) -> None:
    argv = command(record, "/no/such/shell", options=("--become", str(tmp_path / "log")))
    assert subprocess.run(argv, timeout=60, check=False).returncode == submit_once.FAILED
    assert record.output is None
    assert record.refusal is not None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"exit_code": "x"}', "null"])
def test_a_torn_refusal_is_a_refusal_that_says_nothing(record: Record, text: str) -> None:
    (record.folder / "failed").write_text(text)
    refusal = record.refusal
    assert refusal is not None
    assert (refusal.exit_code, refusal.output) == (-1, "")


def test_the_first_empty_answer_is_remembered(record: Record) -> None:
    assert record.first_empty_answer(100.0) == 100.0
    assert record.first_empty_answer(150.0) == 100.0
    with record.locked(1.0):
        record.forget_attempt()
    assert record.first_empty_answer(200.0) == 200.0


def test_a_lock_that_is_held_is_told_after_the_patience(record: Record) -> None:
    descriptor = os.open(record.folder / "lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with pytest.raises(StillHeld), record.locked(0.0):
            pass
    finally:
        os.close(descriptor)
    with record.locked(0.0):
        assert json.dumps(record.attempt) == f'"{TOKEN}"'


def test_a_command_that_never_ends_is_killed_and_its_end_is_in_doubt(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit_once, "LONGEST_S", 0.2)
    assert submit_once.main([str(record.folder), TOKEN, "--", "/bin/sh", "-c", "exec sleep 3600"]) == submit_once.FAILED
    refusal = record.refusal
    assert refusal is not None
    assert verdict(refusal.exit_code, refusal.output, SLURM_VERDICTS) is Verdict.UNCERTAIN
    assert "had not ended after 0.2 s" in refusal.output
    with record.locked(5.0):
        assert record.output is None
