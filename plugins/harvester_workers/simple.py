"""The simple worker maker: one job a worker, every worker of the queue's size."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harvester_hpc.model.facility import BatchQueue, NodeShape
from harvester_hpc.model.fitting import shortest
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_workers.limits import planned_in_any, problems_of_plan, unsaid_s


class SimpleWorkerMaker:
    """OneToOne: the size comes from the queue, the walltime from the queue or its job."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            default_walltime_s: seconds, where neither the queue nor the job says anything; None: as long as the batch queue gives.
        """

        default_walltime_s: int | None = None

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            said = self.default_walltime_s
            return ("default_walltime_s: must be more than 0 seconds",) if said is not None and said < 1 else ()

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.facility = context.facility

    def make_worker(self, jobs: Sequence[Job], queue: Queue, resource_type: str) -> WorkerPlan | Retry | Failed:
        """Return the plan of one worker; Failed with the arithmetic if the jobs side by side ask for more than it has.

        Source: Plugin API specifications, "WorkerMaker".
        """
        return planned_in_any(self.facility, queue.resources, lambda batch_queue: self._planned(jobs, queue.resources, batch_queue))

    def get_num_jobs_per_worker(self, n_workers: int) -> int:
        """One."""
        return 1

    def get_num_workers_per_job(self, n_workers: int) -> int:
        """One."""
        return 1

    def get_full_chunk_wait(self) -> float:
        """Nothing to wait for: one job is a full chunk."""
        return 0.0

    def is_resource_ready(self) -> bool:
        """Always."""
        return True

    def num_ready_resources(self) -> int | None:
        """No limit."""
        return None

    def _planned(self, jobs: Sequence[Job], resources: Resources, batch_queue: BatchQueue) -> WorkerPlan | Failed:
        node = self.facility.node_of(batch_queue)
        plan = self._plan(jobs, resources, batch_queue, node)
        problems = [*problems_of_plan(plan, resources, batch_queue, self.facility), *_of_jobs(jobs, plan, resources, node)]
        return Failed(why="; ".join(problems)) if problems else plan

    def _plan(self, jobs: Sequence[Job], resources: Resources, batch_queue: BatchQueue, node: NodeShape) -> WorkerPlan:
        asked = max((job.walltime_s for job in jobs), default=0)
        # a short job may take the least time that the batch queue takes; what the user says is said to be too short
        shortest_s = shortest(batch_queue, self.facility)
        asked = max(asked, shortest_s) if asked else 0
        unsaid = unsaid_s(self.settings.default_walltime_s, batch_queue.longest_s(resources.nodes), shortest_s)
        walltime_s = resources.walltime_s or asked or unsaid
        return WorkerPlan(
            nodes=resources.nodes, cores=resources.nodes * (resources.cores_per_node or node.cores), walltime_s=walltime_s,
            ram_mb=resources.memory_mb, gpus_per_node=resources.gpus_per_node,
        )


def _of_jobs(jobs: Sequence[Job], plan: WorkerPlan, resources: Resources, node: NodeShape) -> Iterator[str]:
    who = f"job {jobs[0].id}" if len(jobs) == 1 else f"{len(jobs)} jobs together"
    cores = sum(job.cores for job in jobs)
    if cores > plan.cores:
        yield f"{who}: {cores} cores asked, {plan.nodes} node(s) x {plan.cores // plan.nodes} cores = {plan.cores} given"
    memory_mb = resources.memory_mb or node.memory_mb
    ram_mb = sum(job.ram_mb for job in jobs)
    if memory_mb and ram_mb > plan.nodes * memory_mb:
        yield f"{who}: {ram_mb} MB asked, {plan.nodes} node(s) x {memory_mb} MB = {plan.nodes * memory_mb} MB given"
    walltime_s = max((job.walltime_s for job in jobs), default=0)
    if walltime_s > plan.walltime_s:
        yield f"{who}: {walltime_s} s asked, {plan.walltime_s} s given"
