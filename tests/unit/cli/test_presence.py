"""Whether an instance runs: processes here are looked at, elsewhere signs of life must do."""
from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harvester_hpc.cli.presence import LIMIT_S, lease_limit_s, presence
from harvester_hpc.store.lease import Holder
from harvester_hpc.store.process import boot_name, host_name, process_started

NOW = 1_000_000.0


def of_process(pid: int) -> Holder:
    return Holder(
        host=host_name(), pid=pid, process_started=process_started(pid) or 0.0, boot=boot_name(), since=NOW - 1000, beat=NOW - 1, beats=5,
        generation=1, released=False, program="test",
    )


HERE = of_process(os.getpid())
ELSEWHERE = replace(HERE, host="login02", boot="another/boot")


def test_nobody_is_not_running() -> None:
    assert not presence(None, NOW).running


def test_a_living_process_here_runs_however_silent() -> None:
    assert presence(HERE, NOW).running
    silent = presence(replace(HERE, beat=NOW - 10 * LIMIT_S), NOW)
    assert (silent.running, silent.here, silent.silent) == (True, True, True)


def test_a_dead_process_here_does_not_run_however_fresh() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    holder = of_process(child.pid)
    assert presence(holder, NOW).running
    child.communicate(b"\n")
    assert not presence(holder, NOW).running


def test_another_process_with_the_same_number_is_not_the_holder() -> None:
    assert not presence(replace(HERE, process_started=HERE.process_started - 100), NOW).running


def test_who_gave_the_lease_back_does_not_run() -> None:
    assert not presence(replace(HERE, released=True), NOW).running
    assert not presence(replace(ELSEWHERE, released=True), NOW).running


@pytest.mark.parametrize(("age_s", "running"), [(0.0, True), (-50.0, True), (LIMIT_S, True), (LIMIT_S + 1, False)])
def test_elsewhere_a_sign_of_life_must_be_young(age_s: float, running: bool) -> None:
    found = presence(replace(ELSEWHERE, beat=NOW - age_s), NOW)
    assert (found.running, found.here) == (running, False)


def test_a_host_that_was_started_again_runs_nothing_of_before() -> None:
    assert not presence(replace(HERE, boot="another/boot"), NOW).running


@pytest.mark.parametrize("holder", [None, HERE, ELSEWHERE, replace(HERE, released=True), replace(ELSEWHERE, beat=0.0)])
def test_every_case_has_a_remark_that_agrees(holder: Holder | None) -> None:
    found = presence(holder, NOW)
    assert found.remark.startswith("running" if found.running else "not running")


@pytest.mark.parametrize(("content", "limit_s"), [
    ({}, LIMIT_S), ({"agents": {"leaseLimit": 45}}, 45.0), ({"agents": {"leaseLimit": "x"}}, LIMIT_S), ({"agents": 3}, LIMIT_S),
])
def test_the_limit_is_read_without_judging_the_file(tmp_path: Path, content: object, limit_s: float) -> None:
    (tmp_path / "harvester.json").write_text(json.dumps(content))
    assert lease_limit_s(tmp_path) == limit_s
