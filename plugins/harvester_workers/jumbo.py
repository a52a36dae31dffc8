"""The jumbo worker maker: several workers for one job (OneToMany), each of the queue's size, or sized by the work that is left."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harvester_hpc.model.event import EventLoad
from harvester_hpc.model.facility import BatchQueue
from harvester_hpc.model.fitting import shortest
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_workers.dynamic import FreeRoom, problems_of_command
from harvester_workers.limits import planned_in_any, problems_of_plan
from harvester_workers.simple import SimpleWorkerMaker
from harvester_workers.sizing import Limits, Load, Node, size_for_pieces


class JumboWorkerMaker:
    """OneToMany: a job gets several workers; with dynamic sizing as large and as long as the rest of its work needs."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            n_workers_per_job: workers that a job has at the same time.
            default_walltime_s: seconds, where neither the queue nor the job says anything; None: as long as the batch queue gives.
            dynamic_sizing: the queue's ``resources.nodes`` is the most, and what is left of the job decides. Where nobody knows what is
                left, or what a range costs, a worker is of the queue's size.
            reserve_s: seconds for the start and the end of a worker, on top of its work.
            longest_s: seconds that a worker is to take at most; 0: as long as it may.
            resource_command: argv that prints what is free now, in lines of nodes, or of nodes and seconds; workers are fitted into it.
            resource_timeout_s: seconds for that command.
        """

        n_workers_per_job: int = 1
        default_walltime_s: int | None = None
        dynamic_sizing: bool = False
        reserve_s: int = 300
        longest_s: int = 0
        resource_command: tuple[str, ...] = ()
        resource_timeout_s: float = 10.0

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            at_least_1 = {"n_workers_per_job": self.n_workers_per_job, "default_walltime_s": self.default_walltime_s}
            found = [f"{key}: must be 1 at least" for key, said in at_least_1.items() if said is not None and said < 1]
            found += [f"{key}: must not be negative" for key in ("reserve_s", "longest_s") if getattr(self, key) < 0]
            if self.resource_command and not self.dynamic_sizing:
                found.append("resource_command: wants dynamicSizing")
            return (*found, *problems_of_command(self.resource_command, self.resource_timeout_s))

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.facility = context.facility
        self._one = SimpleWorkerMaker(SimpleWorkerMaker.Settings(default_walltime_s=settings.default_walltime_s), context)
        self._free = FreeRoom(
            facility=context.facility, queue=context.queue, command=settings.resource_command, timeout_s=settings.resource_timeout_s
        )

    def make_worker(self, jobs: Sequence[Job], queue: Queue, resource_type: str) -> WorkerPlan | Retry | Failed:
        """Return the plan of one of the workers."""
        if not self.settings.dynamic_sizing:
            return self._one.make_worker(jobs, queue, resource_type)
        return planned_in_any(self.facility, queue.resources, lambda batch_queue: self._planned(jobs, queue, resource_type, batch_queue))

    def get_num_jobs_per_worker(self, n_workers: int) -> int:
        """One."""
        return 1

    def get_num_workers_per_job(self, n_workers: int) -> int:
        """As the section says, and no more than there is room for."""
        return max(1, min(self.settings.n_workers_per_job, n_workers))

    def is_resource_ready(self) -> bool:
        """Always, unless a command says what is free and no worker fits into it."""
        return self._free.ask()

    def num_ready_resources(self) -> int | None:
        """One at a time where a command says what is free, else no limit."""
        return self._free.number()

    def get_full_chunk_wait(self) -> float:
        """No job waits for others."""
        return 0.0

    def _planned(self, jobs: Sequence[Job], queue: Queue, resource_type: str, batch_queue: BatchQueue) -> WorkerPlan | Retry | Failed:
        here = replace(queue, resources=replace(queue.resources, batch_queue=batch_queue.name, batch_queues=()))
        fixed = self._one.make_worker(jobs, here, resource_type)
        limits = Limits(
            queue=batch_queue, most_nodes=queue.resources.nodes, fixed_s=queue.resources.walltime_s,
            walltime_s=self.settings.longest_s or None, least_s=shortest(batch_queue, self.facility),
        )
        load = jobs[0].events if jobs else None
        known = load is not None and load.left and load.core_s
        sizes = (self._size(load, queue.resources, one) for one in self._free.limits(limits)) if load is not None and known else iter(())
        size = next((size for size in sizes if size is not None), None)
        if size is None:  # what a range has cost is a guess, and no reason to give a job up
            return fixed if isinstance(fixed, Failed) else self._in_free_room(fixed, limits)
        return self._checked(size, queue.resources, limits)

    def _size(self, load: EventLoad, resources: Resources, limits: Limits) -> tuple[int, int] | None:
        """Return (nodes, seconds) for one worker's part of what is left; None if these limits leave no size."""
        node = Node(cores=resources.cores_per_node or self.facility.node_of(limits.queue).cores)
        ranges = math.ceil((load.left or 0) / self.settings.n_workers_per_job)
        piece = Load(cores=load.cores, walltime_s=max(1, math.ceil((load.core_s or 0.0) / load.cores)))
        size = size_for_pieces(ranges, piece, node, limits, self.settings.reserve_s)
        return size if size is None or limits.fixed_s is None else (size[0], limits.fixed_s)

    def _in_free_room(self, plan: WorkerPlan | Retry, limits: Limits) -> WorkerPlan | Retry:
        """Return a worker of the queue's size, if it fits into what is free."""
        if isinstance(plan, Retry) or self._free.slots is None:
            return plan
        fits = any(one.most_nodes >= plan.nodes and one.within(plan.nodes, plan.walltime_s) for one in self._free.limits(limits))
        return plan if fits else Retry(why="waited for free nodes for long enough")

    def _checked(self, size: tuple[int, int], resources: Resources, limits: Limits) -> WorkerPlan | Failed:
        nodes, seconds = size
        plan = WorkerPlan(
            nodes=nodes, cores=nodes * (resources.cores_per_node or self.facility.node_of(limits.queue).cores), walltime_s=seconds,
            ram_mb=resources.memory_mb, gpus_per_node=resources.gpus_per_node,
        )
        problems = tuple(problems_of_plan(plan, resources, limits.queue, self.facility))
        return Failed(why="; ".join(problems)) if problems else plan
