"""Pilots as they were written for the existing Harvester, in batch scripts of their own: on this machine, and on a real Slurm."""
from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.testing.slurm import Cluster
from tests.integration.instance import Instance, shell, until

pytestmark = [pytest.mark.slow]

#: Many jobs in one allocation, each in its folder, with letters that are written as such pilots do: not atomically, and no log.
MANY = """#!/bin/bash
#SBATCH -N {nNode}
#SBATCH -t {requestWalltimeMinute}
#SBATCH -J pilots
#SBATCH -o {logDir}/mine.out
for job in $(tr -d '[],' < {accessPoint}/worker_pandaids.json); do (
    cd "{accessPoint}/$job"
    mkdir rank0
    echo "worker {workerID} of {harvesterID} in ${SLURM_JOB_ID:-no batch job}" > rank0/pilot.log
    echo "event" > "out.$job.part" && mv "out.$job.part" "rank0/out.$job"
    echo '{"jobStatus": "finished", "transExitCode": 0}' > worker_attributes.json
    while [ -e "$HOLD" ]; do sleep 0.2; done
) & done
wait
"""


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[Instance]:
    with Instance(tmp_path / "home") as made:
        yield made


def configuration(folder: Path, site: str, **facility: Any) -> dict[str, Any]:
    (folder / "pilots.template").write_text(MANY.replace("$HOLD", str(folder / "hold")))
    queue = {
        "mapType": "ManyToOne", "pollInterval": 1, "allowJobMixture": True, "resources": {"nodes": 1, "walltime": 600},
        "workerMaker": {"name": "multi_job", "nJobsPerWorker": 3, "waitForFullChunk": 1.0},
        "submitter": {"name": "psij", "templateFile": str(folder / "pilots.template")},
        "messenger": {"name": "shared_file", "postProcess": True, "scanInPostProcess": True, "leftOverPatterns": ["never"]},
    }
    return {"extends": site, "instance": "tests", "facility": {"node": {"cores": 4}, **facility}, "queues": {"Q": queue}}


def log_of(job: dict[str, Any]) -> dict[str, str]:
    (log,) = (file for file in job["files"] if file["kind"] == "log")
    assert log["state"] == "finished"
    with tarfile.open(Path(log["url"].removeprefix("file://"))) as archive:
        return {one.name: stream.read().decode() for one in archive if (stream := archive.extractfile(one)) is not None}


def told(instance: Instance, number: int) -> dict[str, Any]:
    until(lambda: instance.is_told(number), "its end is told")
    answer: dict[str, Any] = instance.json("jobs", number)
    return answer


def test_pilots_that_declare_nothing_and_make_no_log_lose_neither(instance: Instance, tmp_path: Path) -> None:
    instance.make(configuration(tmp_path, "local"))
    numbers = instance.submit(*(shell("unused", outputs=[f"out.{number}"]) for number in (1, 2, 3)))
    instance.serve()
    assert [(instance.wait(number), instance.why(number)) for number in numbers] == [("finished", "")] * 3
    for number in numbers:
        inside = log_of(told(instance, number))
        assert inside["rank0/pilot.log"] == "worker 1 of tests in no batch job\n"
        assert json.loads(inside["worker_attributes.json"])["jobStatus"] == "finished"
    assert instance.stop() == 0


def test_a_daemon_that_is_killed_beside_it_does_it_again(instance: Instance, tmp_path: Path) -> None:
    (tmp_path / "hold").touch()
    instance.make(configuration(tmp_path, "local"))
    numbers = instance.submit(*(shell("unused", outputs=[f"out.{number}"]) for number in (1, 2, 3)))
    instance.serve()
    point = instance.home / "work" / "Q" / "1"
    until(lambda: all((point / str(number) / "worker_attributes.json").exists() for number in numbers), "the pilots run")
    instance.kill()
    (tmp_path / "hold").unlink()
    until(lambda: (point / "worker_exit.json").exists(), "the worker has ended")
    (point / str(numbers[0]) / f".job.{numbers[0]}.log.tgz.part").write_text("half a log")
    instance.serve()
    assert [(instance.wait(number), instance.why(number)) for number in numbers] == [("finished", "")] * 3
    assert all("rank0/pilot.log" in log_of(told(instance, number)) for number in numbers)
    assert instance.query("SELECT count(*) FROM worker") == [(1,)]
    assert instance.stop() == 0


def test_a_template_runs_once_on_slurm_under_our_name_and_beside_its_claim(slurm: Cluster, tmp_path: Path) -> None:
    with Instance(tmp_path / "home", slurm.environment) as instance:
        instance.make(configuration(tmp_path, "slurm-generic", queues=[{"name": "batch"}]))
        numbers = instance.submit(*(shell("unused", outputs=[f"out.{number}"]) for number in (1, 2, 3)))
        instance.serve()
        assert [(instance.wait(number), instance.why(number)) for number in numbers] == [("finished", "")] * 3
        batch_id = instance.batch_id(numbers[0])
        assert log_of(told(instance, numbers[0]))["rank0/pilot.log"] == f"worker 1 of tests in {batch_id}\n"
        point = instance.home / "work" / "Q" / "1"
        assert json.loads((point / "worker_claim.json").read_text())["batch_id"] == batch_id
        assert not os.path.lexists(point / "mine.out") and (point / "batch.log").exists()
        assert instance.query("SELECT state, count(*) FROM worker GROUP BY state") == [("finished", 1)]
        assert instance.stop() == 0
