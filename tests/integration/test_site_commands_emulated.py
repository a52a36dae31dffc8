"""``site`` at emulated PBS, Torque and LSF: from nothing to a running job, and planted differences."""
from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.testing.schedulers.emulated import Emulated
from tests.integration.instance import FINAL, Instance, shell, until

RUNNING, DIALECTS, DOWN = ("lsf", "pbs"), ("lsf", "pbs", "pbs_classic"), ("pbs",)


@pytest.fixture
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Emulated]:
    with Emulated(tmp_path / "system", request.param) as emulated:
        yield emulated


@pytest.fixture
def home(system: Emulated, tmp_path: Path) -> Iterator[Instance]:
    with Instance(tmp_path / "home", {**system.environment, "HOME": str(tmp_path)}) as instance:
        instance.environment.pop("SLURM_CONF", None)
        yield instance


def found(instance: Instance, *words: object, code: int) -> dict[str, Any]:
    return {one["where"]: one for one in instance.json("site", "check", *words, code=code)["differences"]}


@pytest.mark.parametrize("system", RUNNING, indirect=True)
def test_an_instance_for_an_unknown_batch_system_runs_a_job_unchanged(home: Instance, system: Emulated) -> None:
    home("init", home.home)
    assert found(home, code=0) == {}
    (site,) = (home.home / "site_configs").glob("*.json")
    queue = f'"{site.stem.upper().replace("-", "_")}": {{'
    file = home.home / "harvester.json"
    file.write_text(file.read_text().replace(queue, f'{queue}"pollInterval": 1,'))
    (shown,) = home.json("submit", "--dry-run", "-", stdin=json.dumps(shell("hostname")))
    job = home.shell("hostname")
    home.serve()
    until(lambda: home.state(job) in FINAL, lambda: home.log)
    assert home.state(job) == "finished", home.log
    (submitted,) = (home.home / "state" / "submitter-psij").glob("*/*.job")
    assert submitted.read_text() == shown["script"]


@pytest.mark.parametrize("system", DIALECTS, indirect=True)
def test_planted_differences_are_found(home: Instance, system: Emulated) -> None:
    detected = home.json("site", "detect")
    assert [one["scheduler"] for one in detected["batch_systems"] if one["answers"]] == [system.behaviour.dialect]
    home("site", "generate", "here")
    file = home.home / "site_configs" / "here.json"
    text = file.read_text()
    planted = {
        "queues.batch.maxWalltime": ('"maxWalltime": "24:00:00"', '"maxWalltime": "30:00:00"'),
        "queues.batch.maxNodes": ('"maxNodes": 2', '"maxNodes": 5'),
        "node.cores": ('"cores": 4', '"cores": 5'),
    }
    false = text
    for where, (old, new) in planted.items():
        assert old in false, where
        false = false.replace(old, new)
    file.write_text(false)
    differences = found(home, "here", code=1)
    assert {where for where, one in differences.items() if one["fails"]} == planted.keys()


@pytest.mark.parametrize("system", DOWN, indirect=True)
def test_a_batch_system_that_is_down_is_told(home: Instance, system: Emulated) -> None:
    system.kill_server()
    assert not any(one["answers"] for one in home.json("site", "detect")["batch_systems"])
    said = home("init", home.home, code=75)
    assert "does not answer" in said.stderr
    assert not home.home.exists()
