"""A jumbo job with the real program on this machine: our submitter starts yoda over mpiexec, and every range is counted once."""
from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from harvester_psij.processes import family, process_of
from tests.conftest import lacking
from tests.integration.instance import Instance, until
from tests.integration.jumbo import assert_every_range_is_counted_once, done, job, queue
from tests.integration.mpi_site import alive, mpiexec

RANGES = 400


@pytest.fixture(autouse=True)
def _mpi() -> None:
    if importlib.util.find_spec("mpi4py") is None or mpiexec() is None:
        lacking("mpi4py or mpiexec is not installed (pip install mpi4py mpich)")


def configuration(folder: Path, jumbo: dict[str, Any]) -> dict[str, Any]:
    facility = {"workDir": str(folder / "work"), "python": sys.executable, "launcher": "mpiexec", "node": {"cores": 4}}
    return {"extends": "local", "facility": facility, "queues": {"Q": jumbo}}


def kill_the_worker(instance: Instance, job_id: int) -> None:
    """Kill everything of a job's last worker, as a machine that stops would."""
    process = process_of(instance.batch_id(job_id))
    assert process is not None
    for pid in (process.pid, *family(process)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


@pytest.mark.slow
def test_a_job_of_many_ranges_and_one_of_none_are_run_by_four_ranks(tmp_path: Path) -> None:
    yoda = {"ranksPerNode": 4, "slots": 2, "outSuffix": ".txt"}
    with Instance(tmp_path / "home") as instance:
        instance.make(configuration(tmp_path, queue(1, 1, yoda)))
        instance.serve()
        many, none = instance.submit(job(RANGES), {"executable": "bash", "arguments": ["-c", "echo x > out.txt"], "outputs": ["out.txt"]})
        assert instance.wait(many, ("finished",)) == "finished"
        assert instance.wait(none, ("finished",)) == "finished"
        until(lambda: instance.is_told(many), "the end is told")
        (worker,) = instance.json("jobs", "show", many)["workers"]
        access_point = Path(instance.json("workers", "show", worker)["access_point"])
        summary = json.loads((access_point / "yoda" / "summary.json").read_text())
        assert (summary["finished"], summary["failed"], summary["slots"]) == (RANGES, 0, 6)
        assert [path.name for path in (access_point / "letters.out").iterdir()] == ["yoda.read"]  # told by numbered letters, and stored
        assert "bad letter" not in instance.log
        assert instance.stop() == 0
    assert_every_range_is_counted_once(instance, many, RANGES)


@pytest.mark.slow
def test_a_killed_worker_and_a_killed_daemon_lose_no_range_and_repeat_none(tmp_path: Path) -> None:
    with Instance(tmp_path / "home") as instance:
        instance.make(configuration(tmp_path, queue(1, 1, {"ranksPerNode": 4, "slots": 1})))
        instance.serve()
        (number,) = instance.submit(job(RANGES, 0.02))
        until(lambda: done(instance) > 60, lambda: f"ranges are done\n{instance.log[-3000:]}")
        kill_the_worker(instance, number)
        instance.kill()
        instance.serve()
        assert instance.wait(number, ("finished",)) == "finished"
        until(lambda: instance.is_told(number), "the end is told")
        assert len(instance.json("jobs", "show", number)["workers"]) > 1
        assert instance.stop() == 0
    assert_every_range_is_counted_once(instance, number, RANGES)


@pytest.mark.slow
def test_ranks_do_not_outlive_their_batch_script(tmp_path: Path) -> None:
    with Instance(tmp_path / "home") as instance:
        instance.make(configuration(tmp_path, queue(1, 1, {"ranksPerNode": 2, "slots": 1})))
        instance.serve()
        (number,) = instance.submit(job(60, 0.2))
        until(lambda: done(instance) > 5, lambda: f"ranges are done\n{instance.log[-3000:]}")
        process = process_of(instance.batch_id(number))
        assert process is not None
        orphans = [pid for pid in family(process) if pid != process.pid]
        assert len(orphans) >= 3  # mpiexec, Yoda, a Droid
        os.kill(process.pid, signal.SIGKILL)
        until(lambda: not alive(orphans), "mpiexec and its ranks have ended")
        assert instance.wait(number, ("finished",)) == "finished"
        until(lambda: instance.is_told(number), "the end is told")
        assert instance.stop() == 0
    assert_every_range_is_counted_once(instance, number, 60)
