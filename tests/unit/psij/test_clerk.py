"""Clerks: many submit commands by one process, each at most once, whoever is killed."""
from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.testing.contracts.batch import wait_until
from harvester_psij import submit_once
from harvester_psij.clerk import Clerk, Clerks
from harvester_psij.records import Record

WITHIN_S = 30.0


@pytest.fixture
def clerk() -> Iterator[Clerk]:
    clerk = Clerk()
    yield clerk
    clerk.dismiss()


def record(folder: Path, name: str) -> Record:
    """Return a record whose attempt ``token`` may go ahead."""
    made = Record(folder / name)
    made.open()
    made.allow("token")
    return made


def order(at: Record, command: str) -> list[str]:
    """Return the arguments that run a shell command for a record."""
    return [str(at.folder), "token", "--", "/bin/sh", "-c", command]


def test_one_process_runs_one_command_after_the_other(clerk: Clerk, tmp_path: Path) -> None:
    records = [record(tmp_path, str(number)) for number in range(3)]
    assert [clerk.run(order(one, "echo $PPID"), tmp_path, WITHIN_S) for one in records] == [submit_once.ACCEPTED] * 3
    assert len({one.output for one in records}) == 1


def test_a_command_runs_in_the_folder_that_was_said(clerk: Clerk, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    at = record(tmp_path, "one")
    clerk.run(order(at, "pwd"), tmp_path / "there", WITHIN_S)
    assert at.output == f"{tmp_path}/there\n"


def test_a_folder_that_is_not_there_begins_nothing(clerk: Clerk, tmp_path: Path) -> None:
    at = record(tmp_path, "one")
    assert clerk.run(order(at, "echo 1"), tmp_path / "absent", WITHIN_S) not in (submit_once.ACCEPTED, submit_once.FAILED)
    assert at.began is None


def test_a_refusal_is_told_and_the_next_order_is_taken(clerk: Clerk, tmp_path: Path) -> None:
    bad, good = record(tmp_path, "bad"), record(tmp_path, "good")
    assert clerk.run(order(bad, "exit 3"), tmp_path, WITHIN_S) == submit_once.FAILED
    assert clerk.run(order(good, "echo 1"), tmp_path, WITHIN_S) == submit_once.ACCEPTED


def test_the_lock_is_free_when_the_command_has_ended(clerk: Clerk, tmp_path: Path) -> None:
    at = record(tmp_path, "one")
    clerk.run(order(at, "echo 1"), tmp_path, WITHIN_S)
    with at.locked(0.0):
        assert at.output == "1\n"


def test_a_command_that_takes_too_long_goes_on_and_the_next_one_does_not_wait_for_it(clerk: Clerk, tmp_path: Path) -> None:
    slow, quick = record(tmp_path, "slow"), record(tmp_path, "quick")
    assert clerk.run(order(slow, f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; echo late"), tmp_path, 0.2) is None
    assert clerk.run(order(quick, "echo 1"), tmp_path, WITHIN_S) == submit_once.ACCEPTED
    assert slow.output is None
    (tmp_path / "go").touch()
    wait_until(lambda: slow.output == "late\n", WITHIN_S, "the slow command is seen through")


def test_a_clerk_that_is_killed_in_the_middle_leaves_an_end_that_is_not_known(clerk: Clerk, tmp_path: Path) -> None:
    at = record(tmp_path, "one")
    code = clerk.run(order(at, "kill -9 $PPID; sleep 0.3; echo 1"), tmp_path, WITHIN_S)
    assert code == -signal.SIGKILL
    assert at.began is not None
    after = record(tmp_path, "two")
    assert clerk.run(order(after, "echo 2"), tmp_path, WITHIN_S) == submit_once.ACCEPTED


def test_a_clerk_that_was_killed_meanwhile_is_replaced(clerk: Clerk, tmp_path: Path) -> None:
    first, second = record(tmp_path, "one"), record(tmp_path, "two")
    clerk.run(order(first, "echo $PPID"), tmp_path, WITHIN_S)
    pid = int(first.output or 0)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: _has_ended(pid), WITHIN_S, "it has ended")
    assert clerk.run(order(second, "echo $PPID"), tmp_path, WITHIN_S) == submit_once.ACCEPTED
    assert second.output != first.output


def test_clerks_are_lent_to_one_at_a_time_and_used_again(tmp_path: Path) -> None:
    clerks = Clerks()
    with clerks.one() as first, clerks.one() as second:
        assert first is not second
    with clerks.one() as third:
        assert third in (first, second)
    clerks.dismiss()


ORDERING = """
import sys
from pathlib import Path
from harvester_psij.clerk import Clerk
folder, go, mark = map(Path, sys.argv[1:4])
clerk = Clerk()
print("ready", flush=True)
clerk.run([str(folder), "token", "--", "/bin/sh", "-c", f"touch {mark}; while [ ! -e {go} ]; do sleep 0.05; done; echo $PPID"], folder, 30)
clerk.run([str(folder), "token", "--", "/bin/sh", "-c", "echo twice"], folder, 30)
"""


def test_when_we_are_killed_the_clerk_sees_its_command_through_and_ends(tmp_path: Path) -> None:
    at, go, mark = record(tmp_path, "one"), tmp_path / "go", tmp_path / "mark"
    argv = [sys.executable, "-c", ORDERING, str(at.folder), str(go), str(mark)]
    with subprocess.Popen(argv, cwd=Path(__file__).parents[3], start_new_session=True) as ours:
        wait_until(mark.exists, WITHIN_S, "the command has begun")
        ours.kill()
    go.touch()
    wait_until(lambda: at.output is not None, WITHIN_S, "the command is seen through")
    pid = int(at.output or 0)
    wait_until(lambda: _has_ended(pid), WITHIN_S, "the clerk ends")


def _has_ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True
