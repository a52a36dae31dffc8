"""A PanDA queue as the agents see it: limits and modes of the published queue configuration."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from harvester_hpc.model.limits import Limits, QueueStatus
from harvester_hpc.model.worker import MapType
from harvester_hpc.model.worker_log import LogKeeping

#: What a pilot that reports itself says, so that we keep silent (published attribute truePilot).
PILOT_SAYS = frozenset({"running", "transferring", "finished", "failed"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What each worker of the queue gets.

    Attributes:
        batch_queue: queue or partition of the batch system; "" for the facility's first.
        batch_queues: several of them, in the order in which they are tried, ``batch_queue`` the first; empty: that one only.
        nodes: nodes of a worker.
        walltime_s: seconds; None: what the jobs ask for, within the queue's limit.
        cores_per_node: cores used on each node; 0: all the node has.
        memory_mb: MB on each node; 0 leaves it to the batch system.
        gpus_per_node: GPUs used on each node.
    """

    batch_queue: str = ""
    batch_queues: tuple[str, ...] = ()
    nodes: int = 1
    walltime_s: int | None = None
    cores_per_node: int = 0
    memory_mb: int = 0
    gpus_per_node: int = 0

    @property
    def all_batch_queues(self) -> tuple[str, ...]:
        """All that a worker may go to, in order; at least one."""
        return self.batch_queues or (self.batch_queue,)


@dataclass(frozen=True, slots=True, kw_only=True)
class InputCache:
    """Where inputs lie that go in batches, and how much of them is kept.

    Attributes:
        folder: absolute; "" where the queue has none.
        limit: bytes that it may hold, and limit_files files; 0 for no limit.
        high: bytes above which what no job wants leaves, until ``low`` is reached.
        unused_s: seconds after which what no job wanted leaves; 0: it stays.
    """

    folder: str = ""
    limit: int = 0
    limit_files: int = 0
    high: int = 100_000_000_000
    low: int = 80_000_000_000
    unused_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """One PanDA queue (published attribute in brackets).

    Attributes:
        site: name under which the workload management system knows it (siteName; the queue's name by default).
        label: source label of its jobs (prodSourceLabel).
        label_weights: {label: permille} of labels that are drawn by chance (prodSourceLabelRandomWeightsPermille).
        labels_first: labels that are asked for before the queue's own (prioritizedProdSourceLabels).
        status: what the queue does at all (queueStatus).
        limit_jobs: jobs fetched and not yet running, at most (nQueueLimitJob); None: fetch none.
        limit_queued_workers: workers that wait in the batch queue, at most (nQueueLimitWorker); None: max_workers.
        max_workers: workers in the batch system, at most (maxWorkers); 0: no limit but the others.
        max_new_workers: workers submitted in one round, at most (maxNewWorkersPerCycle); 0: no limit.
        limits: all other limits, by ratio, cores, memory and type of resources.
        max_submissions: submissions of one job before it fails (maxSubmissionAttempts).
        true_pilot: the payload itself reports running, transferring, finished and failed (truePilot).
        no_heartbeat: other states of jobs of which nothing is reported, in PanDA's words (noHeartbeat).
        slave: new workers are made as the workload management system commands, within the limits of the queue (runMode).
        mixture: jobs of different tasks may share a worker (allowJobMixture).
        criteria: additional criteria for fetching jobs (getJobCriteria).
        queue_time_limit_s: a worker that waits longer is killed (workerQueueTimeLimit); None: never.
        heartbeat_limit_s: a running worker that is silent longer is killed (worker_heartbeat, minutes there); None: never.
        poll_s: seconds between two looks at the batch system (pollInterval).
        keep_s: seconds that an access point is kept after the end, by worker state (keepFinished, keepFailed, ...).
        prefetch_events: a worker gets event ranges before it asks (prefetchEvents).
        events_multiplier: event ranges for each core before it asks (initEventsMultiplier).
        scattered_events: ranges from as many input files as can be (scatteredEvents).
        zip_mb: megabytes of a zip with event outputs (zipPerMB); None: a default.
        workers_per_job_in_total: workers that one job may ever have, OneToMany (maxWorkersPerJobInTotal).
        workers_per_job_per_cycle: workers that one job gets in one round, OneToMany (maxWorkersPerJobPerCycle).
        late: workers are submitted without jobs, and get them when they ask (useJobLateBinding).
        late_wait_s: seconds for which a worker that asks waits for a job before it hears that there is none.
        cache: where inputs lie that go in batches (inputCache).
        transfer_patience_s: how long a file waits for a service that does not work before it has failed (transferPatience, hours there).
        logs: how the logs of its workers are shown (logExposer); None: they are not.
        access_point: template of a worker's folder, absolute, with ${workerID}.
        access_root: the folder below which every access point lies.
    """

    name: str
    site: str = ""
    label: str = "managed"
    label_weights: Mapping[str, int] = field(default_factory=dict, hash=False)
    labels_first: tuple[str, ...] = ()
    status: QueueStatus = QueueStatus.ONLINE
    map_type: MapType = MapType.ONE_TO_ONE
    resource_type: str = ""
    limit_jobs: int | None = None
    limit_queued_workers: int | None = None
    max_workers: int = 0
    max_new_workers: int = 0
    limits: Limits = field(default_factory=Limits, hash=False)
    max_submissions: int = 3
    true_pilot: bool = False
    no_heartbeat: frozenset[str] = frozenset()
    slave: bool = False
    mixture: bool = False
    criteria: Mapping[str, str] | None = None
    queue_time_limit_s: float | None = None
    heartbeat_limit_s: float | None = None
    poll_s: float = 30.0
    keep_s: Mapping[str, float] | None = None
    prefetch_events: bool = True
    events_multiplier: int = 2
    scattered_events: bool = False
    zip_mb: int | None = None
    workers_per_job_in_total: int = 10
    workers_per_job_per_cycle: int = 1
    late: bool = False
    late_wait_s: float = 300.0
    cache: InputCache = InputCache()
    transfer_patience_s: float = 72 * 3600.0
    logs: LogKeeping | None = None
    access_point: str = ""
    access_root: str = ""
    resources: Resources = Resources()

    @property
    def silent(self) -> frozenset[str]:
        """States of jobs, in PanDA's words, of which nothing is reported; the system is asked instead whether it still wants them."""
        return self.no_heartbeat | (PILOT_SAYS if self.true_pilot else frozenset())

    @property
    def syncs(self) -> bool:
        """Tell whether the system is to end the jobs that a worker still has when it has ended: nobody else would.

        Source: existing Harvester, get_synchronization_level: pull workers, and queues that do not report ends.
        """
        return self.map_type is MapType.NO_JOB or "finished" in self.silent
