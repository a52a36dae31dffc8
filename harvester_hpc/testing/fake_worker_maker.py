"""A worker maker that always answers the same."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry


class FixedWorkerMaker:
    """Gives every worker the same size.

    Attributes:
        answer: the plan; a test may put Retry or Failed there.
        ready: whether workers may be made now.
        number_ready: for how many there is room; None: no limit.
        largest_cores: jobs that ask for more make any answer Failed.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue: the size of a worker (seconds), and how jobs and workers are shared out."""

        nodes: int = 1
        cores: int = 1
        walltime_s: int = 3600
        jobs_per_worker: int = 1
        full_chunk_wait_s: float = 0.0
        workers_per_job: int = 1

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.answer: WorkerPlan | Retry | Failed = WorkerPlan(nodes=settings.nodes, cores=settings.cores, walltime_s=settings.walltime_s)
        self.ready = True
        self.number_ready: int | None = None
        self.largest_cores = 10**6

    def make_worker(self, jobs: Sequence[Job], queue: Queue, resource_type: str) -> WorkerPlan | Retry | Failed:
        """Return the answer, unless a job is too large."""
        if any(job.cores > self.largest_cores for job in jobs):
            return Failed(why="too many cores")
        return self.answer

    def get_num_jobs_per_worker(self, n_workers: int) -> int:
        """Return what the settings say."""
        return self.settings.jobs_per_worker

    def get_full_chunk_wait(self) -> float:
        """Return what the settings say."""
        return self.settings.full_chunk_wait_s

    def get_num_workers_per_job(self, n_workers: int) -> int:
        """Return what the settings say."""
        return self.settings.workers_per_job

    def is_resource_ready(self) -> bool:
        """Return ``ready``."""
        return self.ready

    def num_ready_resources(self) -> int | None:
        """Return ``number_ready``."""
        return self.number_ready
