"""The simple worker maker: one job a worker, every worker of the queue's size."""
from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harvester_hpc.model.facility import BatchQueue, Facility
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry


class SimpleWorkerMaker:
    """OneToOne: the size comes from the queue, the walltime from the queue or its job."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            default_walltime_s: seconds, where neither the queue, the job nor the batch queue says anything.
        """

        default_walltime_s: int = 3600

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            return () if self.default_walltime_s > 0 else ("default_walltime_s: must be more than 0 seconds",)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.facility = context.facility

    def make_worker(self, jobs: Sequence[Job], queue: Queue, resource_type: str) -> WorkerPlan | Retry | Failed:
        """Return the plan of one worker; Failed with the arithmetic if the jobs side by side ask for more than it has.

        Source: Plugin API specifications, "WorkerMaker".
        """
        resources = queue.resources
        batch_queue = _batch_queue(self.facility, resources.batch_queue)
        if isinstance(batch_queue, Failed):
            return batch_queue
        plan = self._plan(jobs, resources, batch_queue)
        problems = [*_of_plan(plan, resources, batch_queue, self.facility), *_of_jobs(jobs, plan, resources, self.facility)]
        return Failed(why="; ".join(problems)) if problems else plan

    def get_num_jobs_per_worker(self, n_workers: int) -> int:
        """One."""
        return 1

    def get_num_workers_per_job(self, n_workers: int) -> int:
        """One."""
        return 1

    def is_resource_ready(self) -> bool:
        """Always."""
        return True

    def _plan(self, jobs: Sequence[Job], resources: Resources, batch_queue: BatchQueue) -> WorkerPlan:
        asked = max((job.walltime_s for job in jobs), default=0)
        walltime_s = resources.walltime_s or asked or batch_queue.max_walltime_s or self.settings.default_walltime_s
        return WorkerPlan(
            nodes=resources.nodes, cores=resources.nodes * (resources.cores_per_node or self.facility.node.cores), walltime_s=walltime_s,
            ram_mb=resources.memory_mb, gpus_per_node=resources.gpus_per_node,
        )


def _batch_queue(facility: Facility, name: str) -> BatchQueue | Failed:
    """Return the batch queue of that name; the first for ""; one without limits where the facility names none."""
    if not facility.queues:
        return BatchQueue(name=name)
    if not name:
        return facility.queues[0]
    for queue in facility.queues:
        if queue.name == name:
            return queue
    names = [queue.name for queue in facility.queues]
    near = difflib.get_close_matches(name, names, 1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return Failed(why=f"{facility.name} has no batch queue {name!r}; there is: {', '.join(names)}{hint}")


def _of_plan(plan: WorkerPlan, resources: Resources, batch_queue: BatchQueue, facility: Facility) -> Iterator[str]:
    where = f"batch queue {batch_queue.name!r}" if batch_queue.name else "the batch queue"
    if plan.nodes < batch_queue.min_nodes:
        yield f"a worker has {plan.nodes} node(s), {where} takes {batch_queue.min_nodes} and more"
    if batch_queue.max_nodes is not None and plan.nodes > batch_queue.max_nodes:
        yield f"a worker has {plan.nodes} nodes, {where} takes {batch_queue.max_nodes} at most"
    if batch_queue.max_walltime_s is not None and plan.walltime_s > batch_queue.max_walltime_s:
        yield f"a worker wants {plan.walltime_s} s, {where} gives {batch_queue.max_walltime_s} s at most"
    node = facility.node
    for thing, wanted, there in (
        ("core(s)", resources.cores_per_node, node.cores), ("GPU(s)", resources.gpus_per_node, node.gpus),
        ("MB", resources.memory_mb, node.memory_mb or resources.memory_mb),
    ):
        if wanted > there:
            yield f"a worker wants {wanted} {thing} on each node, a node has {there}"


def _of_jobs(jobs: Sequence[Job], plan: WorkerPlan, resources: Resources, facility: Facility) -> Iterator[str]:
    who = f"job {jobs[0].id}" if len(jobs) == 1 else f"{len(jobs)} jobs together"
    cores = sum(job.cores for job in jobs)
    if cores > plan.cores:
        yield f"{who}: {cores} cores asked, {plan.nodes} node(s) x {plan.cores // plan.nodes} cores = {plan.cores} given"
    memory_mb = resources.memory_mb or facility.node.memory_mb
    ram_mb = sum(job.ram_mb for job in jobs)
    if memory_mb and ram_mb > plan.nodes * memory_mb:
        yield f"{who}: {ram_mb} MB asked, {plan.nodes} node(s) x {memory_mb} MB = {plan.nodes * memory_mb} MB given"
    walltime_s = max((job.walltime_s for job in jobs), default=0)
    if walltime_s > plan.walltime_s:
        yield f"{who}: {walltime_s} s asked, {plan.walltime_s} s given"
