"""The emulated batch systems by themselves: what their commands do and print."""
from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.testing.contracts.batch import wait_until
from harvester_hpc.testing.schedulers.behaviour import Fault
from harvester_hpc.testing.schedulers.emulated import Emulated

pytestmark = pytest.mark.xdist_group("emulated")


@pytest.fixture(scope="module")
def shared_pbs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulated]:
    with Emulated(tmp_path_factory.mktemp("pbs"), "pbs") as site:
        yield site


@pytest.fixture
def pbs(shared_pbs: Emulated) -> Iterator[Emulated]:
    yield shared_pbs
    shared_pbs.heal()


def submit(site: Emulated, folder: Path, script: str, *options: str) -> str:
    """Submit a script; return the job's id."""
    path = folder / "script"
    path.write_text(f"#!/bin/bash\n{script}\n")
    done = site.run(["qsub", *options, str(path)], folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def facts(site: Emulated, batch_id: str) -> dict[str, object]:
    """Return what qstat tells of a job."""
    done = site.run(["qstat", "-x", "-f", "-F", "json", batch_id])
    jobs: dict[str, dict[str, object]] = json.loads(done.stdout)["Jobs"]
    return jobs[batch_id]


def ended(site: Emulated, batch_id: str) -> dict[str, object]:
    """Wait for a job's end, and return what qstat tells of it."""
    wait_until(lambda: facts(site, batch_id)["job_state"] == "F", 30, "the job ends")
    return facts(site, batch_id)


def test_a_job_runs_on_its_nodes_and_leaves_its_output_and_exit_status(pbs: Emulated, tmp_path: Path) -> None:
    script = "echo $PBS_JOBID; sort $PBS_NODEFILE | uniq -c; exit 3"
    batch_id = submit(pbs, tmp_path, script, "-N", "one", "-j", "oe", "-l", "select=2:ncpus=2")
    told = ended(pbs, batch_id)
    assert (told["Exit_status"], told["substate"]) == (3, 92)
    assert Path(tmp_path, f"one.o{batch_id.partition('.')[0]}").read_text().split() == [batch_id, "2", "n1", "2", "n2"]


def test_what_a_job_leaves_running_is_killed_with_it(pbs: Emulated, tmp_path: Path) -> None:
    batch_id = submit(pbs, tmp_path, f"sleep 300 & echo $! > {tmp_path}/pid")
    ended(pbs, batch_id)
    pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes(), 10, "it is gone")


def test_one_unknown_id_fails_the_whole_list_after_the_others_were_told(pbs: Emulated, tmp_path: Path) -> None:
    batch_id = submit(pbs, tmp_path, "true")
    done = pbs.run(["qstat", "-x", "-f", "-F", "json", batch_id, "9999.pbs"])
    assert (done.returncode, done.stderr) == (153, "qstat: Unknown Job Id 9999.pbs\n")
    assert list(json.loads(done.stdout)["Jobs"]) == [batch_id]


def test_jobs_outlive_their_server_and_it_finds_them_again(pbs: Emulated, tmp_path: Path) -> None:
    running = submit(pbs, tmp_path, f"while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit 5")
    wait_until(lambda: facts(pbs, running)["job_state"] == "R", 30, "the job runs")
    pbs.kill_server()
    away = pbs.run(["qstat"])
    assert (away.returncode, away.stderr) == (255, "Connection refused\nqstat: cannot connect to server pbs (errno=15010)\n")
    (tmp_path / "go").touch()
    pbs.start()
    assert ended(pbs, running)["Exit_status"] == 5


def test_a_command_that_times_out_after_acceptance_leaves_a_job(pbs: Emulated, tmp_path: Path) -> None:
    pbs.fail(Fault(kind="fail after", commands=("qsub",), times=1))
    (tmp_path / "script").write_text("true\n")
    done = pbs.run(["qsub", "-N", "late", str(tmp_path / "script")], folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(pbs.run(["qselect", "-x", "-N", "late"]).stdout.split()) == 1


def test_a_frozen_server_does_later_what_it_was_asked(pbs: Emulated, tmp_path: Path) -> None:
    pbs.behave(answer_within_s=0.5)
    pbs.start()
    (tmp_path / "script").write_text("true\n")
    pbs.freeze()
    try:
        done = pbs.run(["qsub", "-N", "frozen", str(tmp_path / "script")], folder=tmp_path)
    finally:
        pbs.thaw()
        pbs.behave(answer_within_s=10.0)
        pbs.start()
    assert done.returncode == 255
    wait_until(lambda: bool(pbs.run(["qselect", "-x", "-N", "frozen"]).stdout.split()), 10, "the job is there after all")


def test_nothing_of_it_is_left_when_it_has_stopped(tmp_path: Path) -> None:
    with Emulated(tmp_path / "site", "pbs") as site:
        submit(site, tmp_path, f"echo $$ > {tmp_path}/part; mv {tmp_path}/part {tmp_path}/pid; sleep 300")
        wait_until((tmp_path / "pid").exists, 30, "the job runs")
        pid = int((tmp_path / "pid").read_text())
    wait_until(lambda: not _lives(pid), 10, "the job is gone")


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
