"""Worker makers: from jobs to the size of a worker."""
from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.outcome import Failed, Retry


class WorkerMaker(Protocol):
    """Decides how big a worker is and how many jobs it gets."""

    def make_worker(self, jobs: Sequence[Job], queue: Queue, resource_type: str) -> WorkerPlan | Retry | Failed:
        """Return the plan of one worker for ``jobs`` (shape (n,); empty for pull workers).

        Failed: these jobs fit into no worker of the queue. Retry: not now; the jobs wait, and say why.
        """
        ...

    def get_num_jobs_per_worker(self, n_workers: int) -> int:
        """Return how many jobs one worker gets when at most ``n_workers`` are made; >= 1."""
        ...

    def get_full_chunk_wait(self) -> float:
        """Return how many seconds jobs wait for others, so that a worker gets as many as it can take; 0: not at all."""
        ...

    def get_num_workers_per_job(self, n_workers: int) -> int:
        """Return how many workers one job gets when at most ``n_workers`` are made; >= 1."""
        ...

    def is_resource_ready(self) -> bool:
        """Tell whether workers may be made now (dynamic sizing).

        It is asked once before the workers of a round are made, and may ask the outside.

        Raises:
            Unavailable: nobody can tell.
        """
        ...

    def num_ready_resources(self) -> int | None:
        """Return for how many workers ``is_resource_ready`` has found room; None: it sets no limit.

        Source: existing Harvester, num_ready_resources; the published specifications have ``is_resource_ready`` only.
        """
        ...
