"""The contract of worker makers, over ours and the fake."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harvester_hpc.model.facility import Facility, NodeShape
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.worker_maker import WorkerMaker
from harvester_hpc.testing.contracts.worker_maker import WorkerMakerContract
from harvester_hpc.testing.fakes import FixedWorkerMaker
from harvester_workers.jumbo import JumboWorkerMaker
from harvester_workers.multi_job import MultiJobWorkerMaker
from harvester_workers.simple import SimpleWorkerMaker


def _context(folder: Path) -> Context:
    facility = Facility(name="here", scheduler="local", node=NodeShape(cores=8, memory_mb=16000))
    return Context(instance="test", tag="abcde", state_dir=folder, facility=facility)


class _Making(WorkerMakerContract):
    @pytest.fixture
    def queue(self) -> Queue:
        return Queue(name="LOCAL")

    @pytest.fixture
    def jobs(self) -> Sequence[Job]:
        return [Job(id=JobId(1), queue="LOCAL", state=JobState.PREPARED, cores=8, ram_mb=16000, walltime_s=600)]


class TestSimpleWorkerMaker(_Making):
    @pytest.fixture
    def worker_maker(self, tmp_path: Path) -> WorkerMaker:
        return SimpleWorkerMaker(SimpleWorkerMaker.Settings(), _context(tmp_path))


class TestMultiJobWorkerMaker(_Making):
    @pytest.fixture
    def worker_maker(self, tmp_path: Path) -> WorkerMaker:
        return MultiJobWorkerMaker(MultiJobWorkerMaker.Settings(n_jobs_per_worker=4), _context(tmp_path))


class TestJumboWorkerMaker(_Making):
    @pytest.fixture
    def worker_maker(self, tmp_path: Path) -> WorkerMaker:
        return JumboWorkerMaker(JumboWorkerMaker.Settings(n_workers_per_job=3), _context(tmp_path))

    def test_a_job_has_so_many_workers_and_no_more_than_there_is_room_for(self, worker_maker: WorkerMaker) -> None:
        assert [worker_maker.get_num_workers_per_job(room) for room in (0, 1, 2, 3, 100)] == [1, 1, 2, 3, 3]
        assert worker_maker.get_num_jobs_per_worker(100) == 1


def test_a_jumbo_job_wants_a_worker() -> None:
    assert JumboWorkerMaker.Settings(n_workers_per_job=0).problems() == ("n_workers_per_job: must be 1 at least",)


class TestFixedWorkerMaker(_Making):
    @pytest.fixture
    def worker_maker(self, tmp_path: Path) -> WorkerMaker:
        return FixedWorkerMaker(FixedWorkerMaker.Settings(cores=8), _context(tmp_path))
