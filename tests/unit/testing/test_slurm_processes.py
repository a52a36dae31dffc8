"""Only what is ours, and still the same process, gets a signal."""
from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.testing.slurm.processes import Process, Roster, descendants, kill_tree, process, spawn, until

FAMILY = """
import subprocess, sys, time
subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(1000)"])
time.sleep(1000)
"""


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Process]:
    """A process that does nothing for long."""
    one = spawn(["sleep", "1000"], dict(os.environ), tmp_path / "log")
    yield one
    one.end(signal.SIGKILL, 5)


def test_a_process_with_another_start_is_another_process(sleeper: Process) -> None:
    other = dataclasses.replace(sleeper, started=sleeper.started + 1)
    assert not other.alive()
    assert not other.send(signal.SIGKILL)
    assert sleeper.alive()


def test_a_process_of_another_boot_is_another_process(sleeper: Process) -> None:
    other = dataclasses.replace(sleeper, boot="another")
    assert not other.send(signal.SIGKILL)
    assert sleeper.alive()


def test_an_ended_process_is_not_alive_and_not_left_as_a_zombie(sleeper: Process) -> None:
    assert sleeper.end(signal.SIGTERM, 5)
    assert not sleeper.alive()
    assert not sleeper.send(signal.SIGTERM)
    assert not Path(f"/proc/{sleeper.pid}").exists()


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["sleep", "1000"]) as child:
        one = process(child.pid)
        assert one is not None
        child.kill()
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert process(child.pid) is None


def test_who_ignores_a_signal_is_killed(tmp_path: Path) -> None:
    stubborn = spawn(["sh", "-c", f"trap '' TERM; touch {tmp_path}/up; while :; do sleep 1; done"], dict(os.environ), tmp_path / "log")
    assert until((tmp_path / "up").exists, 20)
    children = descendants(stubborn)
    assert stubborn.end(signal.SIGTERM, 0.1)
    for child in children:
        child.end(signal.SIGKILL, 5)


def test_a_stopped_process_can_be_killed(sleeper: Process) -> None:
    sleeper.send(signal.SIGSTOP)
    assert sleeper.alive()
    assert sleeper.end(signal.SIGKILL, 5)


def test_a_handler_is_seen(tmp_path: Path, sleeper: Process) -> None:
    assert not sleeper.catches(signal.SIGHUP)
    program = "import signal, time; signal.signal(signal.SIGHUP, lambda *_: None); time.sleep(1000)"
    polite = spawn([sys.executable, "-S", "-c", program], dict(os.environ), tmp_path / "log")
    assert until(lambda: polite.catches(signal.SIGHUP), 20)
    assert not polite.catches(signal.SIGUSR1)
    polite.end(signal.SIGKILL, 5)


def test_a_tree_ends_from_the_leaves_and_nobody_else_with_it(tmp_path: Path, sleeper: Process) -> None:
    root = spawn([sys.executable, "-S", "-c", FAMILY], dict(os.environ), tmp_path / "log")
    assert until(lambda: len(descendants(root)) == 1, 20)
    family = [root, *descendants(root)]
    assert kill_tree(root)
    assert not any(one.alive() for one in family)
    assert sleeper.alive()


def test_the_program_is_found_in_the_path_of_its_environment(tmp_path: Path) -> None:
    tool = tmp_path / "only-here"
    tool.write_text(f"#!/bin/sh\necho found > {tmp_path}/answer\n")
    tool.chmod(0o755)
    spawn(["only-here"], {"PATH": f"{tmp_path}:/usr/bin:/bin"}, tmp_path / "log")
    assert until((tmp_path / "answer").exists, 20)
    with pytest.raises(OSError, match="only-here"):
        spawn(["only-here"], {"PATH": "/usr/bin:/bin"}, tmp_path / "log")


def test_the_roster_finds_living_processes_only(tmp_path: Path, sleeper: Process) -> None:
    roster = Roster(tmp_path)
    roster.record("n1", sleeper)
    assert Roster(tmp_path).living("n1") == sleeper
    assert roster.living("n2") is None
    sleeper.end(signal.SIGKILL, 5)
    assert roster.living("n1") is None


def test_waiting_ends_at_its_deadline() -> None:
    began = time.monotonic()
    assert not until(lambda: False, 0.05)
    assert time.monotonic() - began >= 0.05
    assert until(lambda: True, 0)
