"""The jumbo worker maker: several workers for one job (OneToMany), each of the queue's size."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_workers.simple import SimpleWorkerMaker


class JumboWorkerMaker:
    """OneToMany: workers as the simple maker has them; a job gets several."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            n_workers_per_job: workers that a job has at the same time.
            default_walltime_s: seconds, where neither the queue, the job nor the batch queue says anything.
        """

        n_workers_per_job: int = 1
        default_walltime_s: int = 3600

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            keys = ("n_workers_per_job", "default_walltime_s")
            return tuple(f"{key}: must be 1 at least" for key in keys if getattr(self, key) < 1)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self._one = SimpleWorkerMaker(SimpleWorkerMaker.Settings(default_walltime_s=settings.default_walltime_s), context)

    def make_worker(self, jobs: Sequence[Job], queue: Queue, resource_type: str) -> WorkerPlan | Retry | Failed:
        """Return the plan of one of the workers."""
        return self._one.make_worker(jobs, queue, resource_type)

    def get_num_jobs_per_worker(self, n_workers: int) -> int:
        """One."""
        return 1

    def get_num_workers_per_job(self, n_workers: int) -> int:
        """As the section says, and no more than there is room for."""
        return max(1, min(self.settings.n_workers_per_job, n_workers))

    def is_resource_ready(self) -> bool:
        """Always."""
        return True

    def get_full_chunk_wait(self) -> float:
        """No job waits for others."""
        return 0.0
