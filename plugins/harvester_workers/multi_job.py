"""The multi-job worker maker: many jobs a worker, sized from its load."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harvester_hpc.model.facility import BatchQueue
from harvester_hpc.model.fitting import shortest
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_workers.dynamic import FreeRoom, problems_of_command
from harvester_workers.limits import planned_in_any, problems_of_plan, unsaid_s
from harvester_workers.sizing import Limits, Load, Node, nodes_for, size_for, time_for


class MultiJobWorkerMaker:
    """ManyToOne: nodes as the jobs fill, within the queue's; walltime as they need one after the other, within the batch queue's."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            n_jobs_per_worker: jobs of a full worker (published attribute).
            nodes_per_worker: exactly so many nodes; 0: as many as the jobs fill side by side, at most the queue's ``resources.nodes``.
            wait_for_full_chunk: seconds for which jobs wait until there are enough of them for a full worker.
            default_walltime_s: seconds of a job that says none; None: then a worker is as long as the batch queue gives.
            reserve_s: seconds for the start and the end of a worker, on top of what its jobs need.
            least_filled: share of a worker's nodes, from 0 to 1, that its jobs must fill; with less they wait for others. It matters
                where the batch queue takes large workers only, or gives only to them the time that the jobs need.
            resource_command: argv that prints what is free now, in lines of nodes, or of nodes and seconds; workers are fitted into it.
            resource_timeout_s: seconds for that command.
        """

        n_jobs_per_worker: int = 1
        nodes_per_worker: int = 0
        wait_for_full_chunk: float = 300.0
        default_walltime_s: int | None = None
        reserve_s: int = 120
        least_filled: float = 0.0
        resource_command: tuple[str, ...] = ()
        resource_timeout_s: float = 10.0

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            found = []
            if self.n_jobs_per_worker < 1:
                found.append(f"nJobsPerWorker: must be at least 1, not {self.n_jobs_per_worker}")
            if self.nodes_per_worker < 0:
                found.append(f"nodesPerWorker: must not be negative, and is {self.nodes_per_worker}")
            if not 0 <= self.wait_for_full_chunk <= 7 * 86400:
                found.append(f"waitForFullChunk: must be seconds from 0 to 604800, not {self.wait_for_full_chunk:g}")
            if self.default_walltime_s is not None and self.default_walltime_s <= 0:
                found.append("defaultWalltimeS: must be more than 0 seconds")
            if self.reserve_s < 0:
                found.append("reserveS: must not be negative")
            if not 0 <= self.least_filled <= 1:
                found.append(f"leastFilled: must be from 0 to 1, not {self.least_filled:g}")
            found += problems_of_command(self.resource_command, self.resource_timeout_s)
            return tuple(found)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.facility = context.facility
        self._free = FreeRoom(
            facility=context.facility, queue=context.queue, command=settings.resource_command, timeout_s=settings.resource_timeout_s
        )

    def make_worker(self, jobs: Sequence[Job], queue: Queue, resource_type: str) -> WorkerPlan | Retry | Failed:
        """Return the plan of one worker; Failed with the arithmetic if one job alone asks for more than a worker may have.

        Jobs that do not all come to their turn within the longest walltime are no failure: the rest goes to another worker.
        """
        return planned_in_any(self.facility, queue.resources, lambda batch_queue: self._planned(jobs, queue.resources, batch_queue))

    def _planned(self, jobs: Sequence[Job], resources: Resources, batch_queue: BatchQueue) -> WorkerPlan | Retry | Failed:
        node = Node(cores=resources.cores_per_node or self.facility.node_of(batch_queue).cores, memory_mb=resources.memory_mb)
        limits = Limits(
            queue=batch_queue, most_nodes=self._most_nodes(resources, batch_queue), fixed_s=resources.walltime_s,
            least_s=shortest(batch_queue, self.facility),
        )
        problems = [problem for job in jobs for problem in self._of_job(job, node, limits)]
        if problems:
            return Failed(why="; ".join(problems))
        unsaid = self.settings.default_walltime_s or 0
        loads = [Load(cores=job.cores, memory_mb=job.ram_mb, walltime_s=job.walltime_s or unsaid) for job in jobs]
        sizes = (self._size(loads, node, one) for one in self._free.limits(limits))
        size = next((size for size in sizes if size is not None), None)
        if size is None:
            return Retry(why="waited for free nodes for long enough") if self._free.slots is not None else Failed(why=_no_size(limits))
        plan = WorkerPlan(
            nodes=size[0], cores=size[0] * node.cores, walltime_s=resources.walltime_s or size[1], ram_mb=resources.memory_mb,
            gpus_per_node=resources.gpus_per_node,
        )
        problems = [*problems_of_plan(plan, resources, batch_queue, self.facility), *self._of_launcher(plan)]
        if problems:
            return Failed(why="; ".join(problems))
        filled = nodes_for(loads, node) if loads else plan.nodes
        if filled < self.settings.least_filled * plan.nodes:
            return Retry(why=f"waited for other jobs: {filled} node(s) are filled, the worker has {plan.nodes} (leastFilled)")
        return plan

    def get_num_jobs_per_worker(self, n_workers: int) -> int:
        """As many as a full worker takes."""
        return self.settings.n_jobs_per_worker

    def get_full_chunk_wait(self) -> float:
        """As the section says."""
        return self.settings.wait_for_full_chunk

    def get_num_workers_per_job(self, n_workers: int) -> int:
        """One."""
        return 1

    def is_resource_ready(self) -> bool:
        """Always, unless a command says what is free and no worker fits into it."""
        return self._free.ask()

    def num_ready_resources(self) -> int | None:
        """One at a time where a command says what is free, else no limit."""
        return self._free.number()

    def _most_nodes(self, resources: Resources, batch_queue: BatchQueue) -> int:
        if self.settings.nodes_per_worker:
            return self.settings.nodes_per_worker
        return max(batch_queue.min_nodes, min(resources.nodes, batch_queue.max_nodes or resources.nodes))

    def _size(self, loads: Sequence[Load], node: Node, limits: Limits) -> tuple[int, int] | None:
        """Return (nodes, seconds) of a worker; None if these limits leave no size."""
        if self.settings.nodes_per_worker:
            nodes, longest = self.settings.nodes_per_worker, max((load.walltime_s for load in loads), default=0)
            has_room = nodes <= limits.most_nodes and (self._free.slots is None or limits.within(nodes, limits.fixed_s or longest))
            return (nodes, self._seconds(loads, nodes, node, limits)) if has_room else None
        if loads and all(load.walltime_s for load in loads):
            return size_for(loads, node, limits, self.settings.reserve_s)
        sizes = limits.sizes()
        if not sizes:
            return None
        nodes = next((one for one in sizes if one >= nodes_for(loads, node)), sizes[-1]) if loads else sizes[-1]
        return nodes, self._seconds(loads, nodes, node, limits)

    def _seconds(self, loads: Sequence[Load], nodes: int, node: Node, limits: Limits) -> int:
        longest = limits.longest_s(nodes)
        if not loads:
            return unsaid_s(self.settings.default_walltime_s, longest, limits.least_s)
        if not all(load.walltime_s for load in loads):
            asked = max(load.walltime_s for load in loads)
            return longest or max(asked + self.settings.reserve_s, unsaid_s(None, None, limits.least_s))
        return limits.asked_s(nodes, time_for(loads, nodes, node) + self.settings.reserve_s)

    def _of_job(self, job: Job, node: Node, limits: Limits) -> Iterator[str]:
        memory_mb = node.memory_mb or self.facility.node_of(limits.queue).memory_mb
        times = [limits.longest_s(nodes) for nodes in limits.sizes()]
        longest_s = None if not times or None in times else max(time for time in times if time is not None)
        for thing, asked, given in (
            ("cores", job.cores, node.cores), ("MB", job.ram_mb, memory_mb or job.ram_mb),
            ("s", job.walltime_s, longest_s or job.walltime_s),
        ):
            if asked > given:
                where = "a worker may have" if thing == "s" else "a node has"
                yield f"job {job.id}: {asked} {thing} asked, {where} {given} {thing}"

    def _of_launcher(self, plan: WorkerPlan) -> Iterator[str]:
        if plan.nodes > 1 and self.facility.launcher == "single":
            yield f"a worker has {plan.nodes} nodes, and {self.facility.name} names no launcher that starts on all of them (launcher)"


def _no_size(limits: Limits) -> str:
    return f"no number of nodes up to {limits.most_nodes} is taken by batch queue {limits.queue.name!r} for so long"
