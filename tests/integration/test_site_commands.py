"""``site`` at a real Slurm: a file that it writes runs a job unchanged, and planted differences are found."""
from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.testing.slurm import Cluster
from tests.integration.instance import FINAL, Instance, shell, until

pytestmark = [pytest.mark.slurm, pytest.mark.xdist_group("slurm")]

TWO_AT_MOST = ("PartitionName=two", "Nodes=n1,n2", "MinNodes=2", "MaxNodes=2", "MaxTime=00:20:00")


@pytest.fixture
def partitions(slurm: Cluster) -> Iterator[Cluster]:
    """The cluster with more partitions: one for two nodes, one that is closed."""
    slurm.run(["scontrol", "create", *TWO_AT_MOST])
    slurm.run(["scontrol", "create", "PartitionName=shut", "Nodes=n1", "State=INACTIVE"])
    yield slurm
    for name in ("two", "shut"):
        slurm.run(["scontrol", "delete", f"PartitionName={name}"])


@pytest.fixture
def home(tmp_path: Path, partitions: Cluster) -> Iterator[Instance]:
    with Instance(tmp_path / "home", {**partitions.environment, "HOME": str(tmp_path)}) as instance:
        yield instance


def found(instance: Instance, *words: object, code: int) -> dict[str, Any]:
    return {one["where"]: one for one in instance.json("site", "check", *words, code=code)["differences"]}


def test_an_instance_for_an_unknown_cluster_runs_a_job_unchanged(home: Instance, partitions: Cluster) -> None:
    home("init", home.home)
    name = partitions.plan.settings.get("ClusterName", f"hpc{partitions.plan.tag}")
    assert (home.home / "site_configs" / f"{name}.json").is_file()
    home("config", "check")
    assert found(home, code=0) == {}
    file = home.home / "harvester.json"
    file.write_text(file.read_text().replace(f'"{name.upper()}": {{', f'"{name.upper()}": {{"pollInterval": 1,'))
    (shown,) = home.json("submit", "--dry-run", "-", stdin=json.dumps(shell("hostname")))
    tested = subprocess.run(
        ["sbatch", "--test-only"], input=shown["script"], env=home.environment, text=True, capture_output=True, timeout=60, check=False
    )
    assert tested.returncode == 0, tested.stderr
    job = home.shell("hostname", queue=name.upper())
    home.serve()
    until(lambda: home.state(job) in FINAL, lambda: home.log)
    assert home.state(job) == "finished"
    (submitted,) = (home.home / "state" / "submitter-psij").glob("*/*.job")
    assert submitted.read_text() == shown["script"]


def test_what_is_generated_says_what_the_partitions_allow(home: Instance) -> None:
    from harvester_hpc.config.site_file import site_named

    home("init", home.home, "--site", "local")
    home("site", "generate", "here")
    site = site_named("here", home.home, {})
    queues = {queue.name: queue for queue in site.facility.queues}
    assert set(queues) == {"batch", "debug", "tiny", "two"}
    assert (queues["two"].min_nodes, queues["two"].max_nodes, queues["two"].max_walltime_s) == (2, 2, 1200)
    assert site.facility.node.cores == 2
    assert "shut" in (home.home / "site_configs" / "here.json").read_text()


def test_planted_differences_are_found(home: Instance) -> None:
    home("init", home.home, "--site", "local")
    home("site", "generate", "here")
    file = home.home / "site_configs" / "here.json"
    text = file.read_text()
    planted = {
        "queues.gone": ('{"name": "debug"', '{"name": "gone"'),
        "queues.tiny.maxWalltime": ('"maxWalltime": "00:01:00"', '"maxWalltime": "00:02:00"'),
        "queues.two.maxNodes": ('"minNodes": 2, "maxNodes": 2', '"minNodes": 2, "maxNodes": 3'),
        "queues.two.minNodes": ('"minNodes": 2, "maxNodes": 3', '"minNodes": 1, "maxNodes": 3'),
        "node.cores": ('"cores": 2', '"cores": 3'),
        "node.memoryMB": ('"memoryMB": 2000', '"memoryMB": 9999'),
    }
    false = text
    for where, (old, new) in planted.items():
        assert old in false, where
        false = false.replace(old, new)
    file.write_text(false)
    differences = found(home, "here", code=1)
    assert {where for where, one in differences.items() if one["fails"]} == planted.keys()
    file.write_text(text.replace('"maxWalltime": "00:20:00"', '"maxWalltime": "00:10:00"'))
    assert [(one["where"], one["fails"]) for one in found(home, "here", code=0).values()] == [("queues.two.maxWalltime", False)]


def test_a_scheduler_that_is_down_is_told_within_the_time_that_was_given(home: Instance, partitions: Cluster) -> None:
    partitions.freeze_controller()
    said = home("site", "check", "slurm-generic", "--timeout", "2", code=75)
    assert "no end after" in said.stderr or "does not answer" in said.stderr
    detected = json.loads(home("site", "detect", "--json", "--timeout", "2").stdout)
    assert [system["answers"] for system in detected["batch_systems"] if system["scheduler"] == "slurm"] == [False]
    partitions.thaw_controller()
