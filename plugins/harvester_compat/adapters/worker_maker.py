"""Worker makers of the published interface."""
from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

from harvester_compat.adapters.base import Adapted
from harvester_compat.answers import whole
from harvester_compat.api.work_spec import WorkSpec
from harvester_compat.specs import job_spec_of, queue_config_of
from harvester_hpc.errors import Unavailable
from harvester_hpc.model.job import Job
from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import WorkerPlan
from harvester_hpc.ports.outcome import Failed, Retry

ANY = "ANY"
#: Walltime in seconds where neither plugin nor queue nor job says one.
DEFAULT_WALLTIME_S = 3600


class AdaptedWorkerMaker(Adapted):
    """Our worker maker port over a published worker maker."""

    kind = "workerMaker"

    def make_worker(self, jobs: Sequence[Job], queue: Queue, resource_type: str) -> WorkerPlan | Retry | Failed:
        """Return the plan of one worker; see ``ports.worker_maker``."""
        config = queue_config_of(queue, {"workerMaker": self._settings.arguments()})
        try:
            plugin = self.plugin()
            made = _made(plugin, [job_spec_of(job, {}) for job in jobs], config, queue.label, resource_type or ANY)
        except Exception as error:  # other people's code
            return Retry(why=self.raised(error, "make_worker"))
        if made is None:
            words = f"{self.name} makes no worker of {'job ' + str(jobs[0].id) if jobs else 'this queue'}"
            return Retry(why=words) if getattr(plugin, "skipOnFail", False) else Failed(why=words)
        if not isinstance(made, WorkSpec):
            return Retry(why=f"{self.name} has answered with a {type(made).__name__}, where a WorkSpec is expected")
        return self._plan(made, jobs, queue)

    def _plan(self, spec: WorkSpec, jobs: Sequence[Job], queue: Queue) -> WorkerPlan:
        """Return what the spec says; what it leaves open is as the jobs and the queue have it."""
        per_node = queue.resources.cores_per_node or self._context.facility.node.cores
        cores = whole(spec.nCore) or sum(job.cores for job in jobs) or per_node * queue.resources.nodes
        walltime_s = whole(spec.maxWalltime) or queue.resources.walltime_s or max((job.walltime_s for job in jobs), default=0)
        cores, nodes = max(1, cores), max(1, -(-cores // max(1, per_node)))
        ram_mb = -(-max(0, whole(spec.minRamCount) or 0) // nodes)  # theirs is of the whole worker
        return WorkerPlan(
            nodes=nodes, cores=cores, walltime_s=max(0, walltime_s) or DEFAULT_WALLTIME_S, ram_mb=ram_mb,
            gpus_per_node=queue.resources.gpus_per_node,
        )

    def get_num_jobs_per_worker(self, n_workers: int) -> int:
        """Return how many jobs one worker gets; see ``ports.worker_maker``."""
        return self._number("get_num_jobs_per_worker", "nJobsPerWorker", n_workers)

    def get_num_workers_per_job(self, n_workers: int) -> int:
        """Return how many workers one job gets; see ``ports.worker_maker``."""
        return self._number("get_num_workers_per_job", "nWorkersPerJob", n_workers)

    def get_full_chunk_wait(self) -> float:
        """Return 0: jobs wait for no others. (The existing Harvester lets the last ones of a task wait for ever.)"""
        return 0.0

    def is_resource_ready(self) -> bool:
        """Tell whether workers may be made now; see ``ports.worker_maker``."""
        room = self.num_ready_resources()
        plugin = self.plugin()
        if room is None and callable(getattr(plugin, "is_resource_ready", None)):
            return bool(self._asked(plugin.is_resource_ready))
        return room is None or room > 0

    def num_ready_resources(self) -> int | None:
        """Return for how many workers there is room, with ``dynamicSizing`` only; see ``ports.worker_maker``."""
        plugin = self.plugin()
        if getattr(plugin, "dynamicSizing", False) is not True or not callable(getattr(plugin, "num_ready_resources", None)):
            return None
        return max(0, whole(self._asked(plugin.num_ready_resources)) or 0)

    def _number(self, method: str, attribute: str, n_workers: int) -> int:
        plugin = self.plugin()
        if callable(getattr(plugin, method, None)):
            return max(1, whole(self._asked(lambda: getattr(plugin, method)(n_workers))) or 1)
        return max(1, whole(getattr(plugin, attribute, 1)) or 1)

    def _asked(self, call: Any) -> Any:
        try:
            return call()
        except Exception as error:  # other people's code
            raise Unavailable(f"{self.name} does not work", why=self.raised(error, "a question")) from error


def _made(plugin: Any, jobs: list[Any], config: Any, job_type: str, resource_type: str) -> Any:
    """Call ``make_worker`` with the arguments that it takes: (jobs, queue), with resource type, with job type before it."""
    positional = [
        one for one in inspect.signature(plugin.make_worker).parameters.values()
        if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)
    ]
    required = len([one for one in positional if one.default is one.empty])
    if len(positional) >= 4 or (len(positional) > 3 and required > 3):
        return plugin.make_worker(jobs, config, job_type, resource_type)
    if len(positional) == 3:
        return plugin.make_worker(jobs, config, resource_type)
    return plugin.make_worker(jobs, config)
