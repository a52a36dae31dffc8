"""The rules that every worker maker keeps.

Derive a test class, and give it the plugin, a queue, and jobs that fit into one worker.
"""
from __future__ import annotations

from collections.abc import Sequence

import pytest

from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.worker_maker import WorkerMaker


class WorkerMakerContract:
    """Run over every worker maker."""

    @pytest.fixture
    def worker_maker(self) -> WorkerMaker:
        """Give the plugin."""
        raise NotImplementedError

    @pytest.fixture
    def queue(self) -> Queue:
        """Give a queue that it can make workers for."""
        raise NotImplementedError

    @pytest.fixture
    def jobs(self) -> Sequence[Job]:
        """Give jobs that fit into one worker."""
        raise NotImplementedError

    def test_a_plan_can_be_submitted(self, worker_maker: WorkerMaker, queue: Queue, jobs: Sequence[Job]) -> None:
        plan = worker_maker.make_worker(jobs, queue, "SCORE")
        assert isinstance(plan, WorkerPlan)
        assert plan.nodes >= 1
        assert plan.cores >= plan.nodes
        assert plan.walltime_s >= max(job.walltime_s for job in jobs)
        assert plan.walltime_s > 0
        assert min(plan.ram_mb, plan.gpus_per_node) >= 0

    def test_the_same_jobs_give_the_same_plan(self, worker_maker: WorkerMaker, queue: Queue, jobs: Sequence[Job]) -> None:
        assert worker_maker.make_worker(jobs, queue, "SCORE") == worker_maker.make_worker(jobs, queue, "SCORE")

    def test_a_pull_worker_needs_no_job(self, worker_maker: WorkerMaker, queue: Queue) -> None:
        assert isinstance(worker_maker.make_worker([], queue, "SCORE"), WorkerPlan)

    @pytest.mark.parametrize("n_workers", [1, 2, 1000])
    def test_jobs_and_workers_are_shared_out_by_one_at_least(self, worker_maker: WorkerMaker, n_workers: int) -> None:
        assert worker_maker.get_num_jobs_per_worker(n_workers) >= 1
        assert worker_maker.get_num_workers_per_job(n_workers) >= 1

    def test_no_job_waits_for_others_for_ever(self, worker_maker: WorkerMaker) -> None:
        assert 0 <= worker_maker.get_full_chunk_wait() < float("inf")

    def test_readiness_is_a_plain_answer(self, worker_maker: WorkerMaker) -> None:
        assert worker_maker.is_resource_ready() in (True, False)

    def test_room_is_a_number_or_no_limit(self, worker_maker: WorkerMaker) -> None:
        assert worker_maker.is_resource_ready() or worker_maker.num_ready_resources() == 0
        number = worker_maker.num_ready_resources()
        assert number is None or number >= 0
