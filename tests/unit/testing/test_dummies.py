"""The dummy batch system keeps what a batch system promises."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState
from harvester_hpc.ports.batch import NotThere, Seen, Submitted, Unseen
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.dummies import DummyMonitor, DummySettings, DummySubmitter, DummySweeper
from harvester_hpc.testing.fake_clock import FakeClock

JOB = {"PandaID": 17, "outFiles": "a,log.tgz", "logFile": "log.tgz"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    (tmp_path / "HPCJobs.json").write_text(json.dumps({"17": JOB}))
    plan = WorkerPlan(nodes=1, cores=1, walltime_s=60)
    return Worker(
        id=WorkerId(3), queue="Q", state=WorkerState.PLANNED, key="hx-3", access_point=str(tmp_path), plan=plan, job_ids=(17,),
        map_type=MapType.ONE_TO_ONE,
    )


def made(kind: type[Any], tmp_path: Path, clock: FakeClock, **keys: Any) -> Any:
    context = Context(instance="test", tag="abcde", state_dir=tmp_path, facility=Facility(name="here", scheduler="local"))
    return kind(DummySettings(**keys), context, clock.now)


def state_of(monitor: DummyMonitor, worker: Worker) -> WorkerState:
    (sight,) = monitor.check_workers([worker])
    assert isinstance(sight, Seen)
    return sight.state


def test_a_worker_waits_runs_and_tells_what_a_payload_would(worker: Worker, tmp_path: Path, clock: FakeClock) -> None:
    submitter, monitor = (made(kind, tmp_path, clock, wait_s=10.0, run_s=20.0) for kind in (DummySubmitter, DummyMonitor))
    assert submitter.find_workers([worker]) == [NotThere()]
    assert submitter.submit_workers([worker]) == submitter.find_workers([worker]) == [Submitted(batch_id="dummy-3")]
    assert state_of(monitor, worker) is WorkerState.SUBMITTED
    clock.advance(15.0)
    assert submitter.submit_workers([worker]) == [Submitted(batch_id="dummy-3")]
    assert state_of(monitor, worker) is WorkerState.RUNNING
    clock.advance(20.0)
    assert state_of(monitor, worker) is WorkerState.FINISHED
    dump = json.loads((tmp_path / "event_status.dump.json").read_text())["17"]
    assert [(Path(one["path"]).name, one["type"]) for one in dump] == [("a", "output"), ("log.tgz", "log")]
    assert all(Path(one["path"]).is_file() for one in dump)
    (tmp_path / "event_status.dump.json").unlink()  # the messenger has taken it
    assert state_of(monitor, worker) is WorkerState.FINISHED
    assert not (tmp_path / "event_status.dump.json").exists()


def test_a_worker_that_fails_makes_its_log_only(worker: Worker, tmp_path: Path, clock: FakeClock) -> None:
    made(DummySubmitter, tmp_path, clock).submit_workers([worker])
    clock.advance(100.0)
    assert state_of(made(DummyMonitor, tmp_path, clock, exit_code=3), worker) is WorkerState.FAILED
    assert json.loads((tmp_path / "worker_attributes.json").read_text())["jobStatus"] == "failed"
    assert len(json.loads((tmp_path / "event_status.dump.json").read_text())["17"]) == 1


def test_a_worker_can_be_killed_and_swept(worker: Worker, tmp_path: Path, clock: FakeClock) -> None:
    sweeper, monitor = made(DummySweeper, tmp_path, clock), made(DummyMonitor, tmp_path, clock)
    made(DummySubmitter, tmp_path, clock).submit_workers([worker])
    sweeper.kill_worker(worker)
    assert state_of(monitor, worker) is WorkerState.CANCELLED
    sweeper.sweep_worker(worker)
    (sight,) = monitor.check_workers([worker])
    assert isinstance(sight, Unseen)
    assert sight.gone
