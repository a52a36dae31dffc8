"""The multi-job worker maker: many jobs a worker, sized from its load."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harvester_hpc.model.facility import BatchQueue
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue, Resources
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Failed, Retry
from harvester_workers.limits import batch_queue_of, problems_of_plan
from harvester_workers.sizing import Load, Node, nodes_for, time_for


class MultiJobWorkerMaker:
    """ManyToOne: nodes as the jobs fill, within the queue's; walltime as they need one after the other, within the batch queue's."""

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The section of the queue.

        Attributes:
            n_jobs_per_worker: jobs of a full worker (published attribute).
            nodes_per_worker: exactly so many nodes; 0: as many as the jobs fill side by side, at most the queue's ``resources.nodes``.
            wait_for_full_chunk: seconds for which jobs wait until there are enough of them for a full worker.
            default_walltime_s: seconds, where neither the queue, a job nor the batch queue says anything.
            reserve_s: seconds for the start and the end of a worker, on top of what its jobs need.
        """

        n_jobs_per_worker: int = 1
        nodes_per_worker: int = 0
        wait_for_full_chunk: float = 300.0
        default_walltime_s: int = 3600
        reserve_s: int = 120

        def problems(self) -> tuple[str, ...]:
            """Return what types cannot tell."""
            found = []
            if self.n_jobs_per_worker < 1:
                found.append(f"nJobsPerWorker: must be at least 1, not {self.n_jobs_per_worker}")
            if self.nodes_per_worker < 0:
                found.append(f"nodesPerWorker: must not be negative, and is {self.nodes_per_worker}")
            if not 0 <= self.wait_for_full_chunk <= 7 * 86400:
                found.append(f"waitForFullChunk: must be seconds from 0 to 604800, not {self.wait_for_full_chunk:g}")
            if self.default_walltime_s <= 0:
                found.append("defaultWalltimeS: must be more than 0 seconds")
            if self.reserve_s < 0:
                found.append("reserveS: must not be negative")
            return tuple(found)

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.facility = context.facility

    def make_worker(self, jobs: Sequence[Job], queue: Queue, resource_type: str) -> WorkerPlan | Retry | Failed:
        """Return the plan of one worker; Failed with the arithmetic if one job alone asks for more than a worker may have.

        Jobs that do not all come to their turn within the longest walltime are no failure: the rest goes to another worker.
        """
        resources = queue.resources
        batch_queue = batch_queue_of(self.facility, resources.batch_queue)
        if isinstance(batch_queue, Failed):
            return batch_queue
        node = Node(cores=resources.cores_per_node or self.facility.node.cores, memory_mb=resources.memory_mb)
        longest_s = resources.walltime_s or batch_queue.max_walltime_s
        problems = [problem for job in jobs for problem in self._of_job(job, node, longest_s)]
        if problems:
            return Failed(why="; ".join(problems))
        loads = [Load(cores=job.cores, memory_mb=job.ram_mb, walltime_s=job.walltime_s) for job in jobs]
        nodes = self._nodes(loads, node, resources, batch_queue)
        plan = WorkerPlan(
            nodes=nodes, cores=nodes * node.cores, walltime_s=self._walltime_s(loads, nodes, node, resources, batch_queue),
            ram_mb=resources.memory_mb, gpus_per_node=resources.gpus_per_node,
        )
        problems = [*problems_of_plan(plan, resources, batch_queue, self.facility), *self._of_launcher(plan)]
        return Failed(why="; ".join(problems)) if problems else plan

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
        """Always."""
        return True

    def _nodes(self, loads: Sequence[Load], node: Node, resources: Resources, batch_queue: BatchQueue) -> int:
        if self.settings.nodes_per_worker:
            return self.settings.nodes_per_worker
        most = min(resources.nodes, batch_queue.max_nodes or resources.nodes)
        return max(batch_queue.min_nodes, min(most, nodes_for(loads, node) if loads else most))

    def _walltime_s(self, loads: Sequence[Load], nodes: int, node: Node, resources: Resources, batch_queue: BatchQueue) -> int:
        if resources.walltime_s:
            return resources.walltime_s
        most = batch_queue.max_walltime_s
        if not loads or not all(load.walltime_s for load in loads):
            asked = max((load.walltime_s for load in loads), default=0)
            return most or max(asked + self.settings.reserve_s, self.settings.default_walltime_s)
        needed = time_for(loads, nodes, node) + self.settings.reserve_s
        return needed if most is None else min(needed, most)

    def _of_job(self, job: Job, node: Node, longest_s: int | None) -> Iterator[str]:
        memory_mb = node.memory_mb or self.facility.node.memory_mb
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
