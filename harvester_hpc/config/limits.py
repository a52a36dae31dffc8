"""Whether the numbers of a queue are possible at its facility."""
from __future__ import annotations

from collections.abc import Iterator, Sequence

from harvester_hpc.config.batch_queue_file import BatchQueueSettings, NodeBinSettings, NodeSettings, node_shape
from harvester_hpc.config.facility_file import FacilitySettings
from harvester_hpc.config.later import MAP_TYPES
from harvester_hpc.config.problems import Finding
from harvester_hpc.config.queue_file import QueueSettings, ResourceSettings, limit_of_maker
from harvester_hpc.config.quota_settings import quota_findings, quota_warnings
from harvester_hpc.errors import did_you_mean

#: Limits of a queue that published files have in the section of its worker maker.
LIMITS_OF_MAKER = ("maxWorkersPerJobInTotal", "maxWorkersPerJobPerCycle")


def queue_findings(name: str, settings: QueueSettings, facility: FacilitySettings | None) -> Iterator[Finding]:
    """Give what is impossible about a queue; without a ``facility`` only what can be told without one."""
    if what := MAP_TYPES[settings.mapType]:
        there = ", ".join(word for word, later in MAP_TYPES.items() if not later)
        yield Finding(keys=("mapType",), message=f"{settings.mapType} ({what}): not yet; there is: {there}")
    yield from _crowd_findings(settings, facility)
    yield from quota_findings(settings, settings)
    if settings.useJobLateBinding and settings.mapType not in ("OneToOne", "ManyToOne"):
        yield Finding(keys=("useJobLateBinding",), message=f"wants mapType OneToOne or ManyToOne; it is {settings.mapType}")
    said_twice = "initEventsMultiplier" in settings.model_fields_set and settings.initEventsMultipler is not None
    if said_twice and settings.initEventsMultipler != settings.initEventsMultiplier:
        message = f"is {settings.initEventsMultipler}, and initEventsMultiplier is {settings.initEventsMultiplier}; keep one"
        yield Finding(keys=("initEventsMultipler",), message=message)
    for key in LIMITS_OF_MAKER:
        twice = (limit_of_maker(settings, key), getattr(settings, key))
        if key in settings.model_fields_set and twice[0] not in (None, twice[1]):
            yield Finding(keys=("workerMaker", key), message=f"is {twice[0]}, and that of the queue is {twice[1]}; keep one")
    for key, said in (("pandaQueueName", settings.pandaQueueName), ("queueName", settings.queueName)):
        if said not in (None, name):
            yield Finding(keys=(key,), message=f"another name than the queue's own: not yet; siteName may be another (it is {said!r})")
    if settings.walltimeLimit is not None and settings.resources.walltime not in (None, settings.walltimeLimit):
        message = f"is {settings.walltimeLimit} s, and resources.walltime is {settings.resources.walltime} s; keep one"
        yield Finding(keys=("walltimeLimit",), message=message)
    if facility is not None:
        yield from _resource_findings(settings, facility)


def jobs_per_worker(settings: QueueSettings) -> int:
    """Return how many jobs a worker takes at most, as the section of its maker says."""
    said = (settings.workerMaker.model_extra or {}).get("nJobsPerWorker") if settings.workerMaker else None
    return said if isinstance(said, int) and not isinstance(said, bool) and said > 0 else 1


def _crowd_findings(settings: QueueSettings, facility: FacilitySettings | None) -> Iterator[Finding]:
    number = jobs_per_worker(settings)
    if settings.mapType != "ManyToOne":
        if number > 1:
            message = f"{number} jobs to a worker want mapType ManyToOne; it is {settings.mapType}"
            yield Finding(keys=("workerMaker", "nJobsPerWorker"), message=message)
        return
    if facility is not None and facility.launcher == "single" and settings.resources.nodes > 1:
        message = f"{settings.resources.nodes} nodes want a launcher that starts on all of them (facility.launcher, such as srun)"
        yield Finding(keys=("resources", "nodes"), message=message)


def _resource_findings(settings: QueueSettings, facility: FacilitySettings) -> Iterator[Finding]:
    """Give what is impossible in all the batch queues that the queue names; one of several that never fits is no harm."""
    names = [queue.name for queue in facility.queues]
    found: list[list[Finding]] = []
    said = settings.resources.batchQueue
    for name in [said] if isinstance(said, str) else said:
        queue = next((queue for queue in facility.queues if name in ("", queue.name)), None)
        if queue is not None:
            found.append([*_node_findings(settings.resources, facility.node, queue), *_batch_findings(settings, queue)])
        elif names:
            message = f"no batch queue {name!r}; there is: {', '.join(names)}{did_you_mean(name, names)}"
            yield Finding(keys=("resources", "batchQueue"), message=message)
    if not found:
        yield from _node_findings(settings.resources, facility.node, None)
    elif all(found):
        yield from (finding for one in found for finding in one)


def _batch_findings(settings: QueueSettings, queue: BatchQueueSettings) -> Iterator[Finding]:
    nodes = settings.resources.nodes
    if nodes < queue.minNodes:
        yield Finding(keys=("resources", "nodes"), message=f"{nodes} is less than batch queue {queue.name} accepts, {queue.minNodes}")
    if queue.maxNodes is not None and nodes > queue.maxNodes:
        yield Finding(keys=("resources", "nodes"), message=f"{nodes} is more than batch queue {queue.name} has, {queue.maxNodes}")
    taken = [one for one in queue.bins if one.minNodes <= nodes <= one.maxNodes]
    if queue.bins and not taken:
        there = ", ".join(f"{one.minNodes} to {one.maxNodes}" for one in queue.bins)
        yield Finding(keys=("resources", "nodes"), message=f"{nodes} is in no bin of batch queue {queue.name}; there is: {there}")
    yield from _time_findings(settings, queue, taken)


def _time_findings(settings: QueueSettings, queue: BatchQueueSettings, taken: Sequence[NodeBinSettings]) -> Iterator[Finding]:
    limits = [*([] if queue.maxWalltime is None else [queue.maxWalltime]), *(one.maxWalltime for one in taken[:1])]
    of_size = f" with {settings.resources.nodes} node(s)" if taken else ""
    for keys, walltime in ((("resources", "walltime"), settings.resources.walltime), (("walltimeLimit",), settings.walltimeLimit)):
        if walltime is not None and limits and walltime > min(limits):
            yield Finding(keys=keys, message=f"{walltime} s is longer than batch queue {queue.name} allows{of_size}, {min(limits)} s")
        if walltime is not None and queue.minWalltime is not None and walltime < queue.minWalltime:
            yield Finding(keys=keys, message=f"{walltime} s is less than batch queue {queue.name} accepts, {queue.minWalltime} s")


def _node_findings(wanted: ResourceSettings, node: NodeSettings, queue: BatchQueueSettings | None) -> Iterator[Finding]:
    own = queue.node if queue is not None else None
    shape = node_shape(node) if own is None else node_shape(own, node)
    asked = (
        ("coresPerNode", wanted.coresPerNode, "cores", shape.cores),
        ("memoryMB", wanted.memoryMB, "memoryMB", shape.memory_mb or wanted.memoryMB),  # 0: unknown
        ("gpusPerNode", wanted.gpusPerNode, "gpus", shape.gpus),
    )
    for key, number, of_node, limit in asked:
        if number > limit:
            of_queue = queue is not None and own is not None and of_node in own.model_fields_set
            where = f"node of batch queue {queue.name}" if queue is not None and of_queue else "facility.node"
            kept = f", without {shape.reserved_cores} reserved ones" if of_node == "cores" and shape.reserved_cores else ""
            message = f"{number} is more than a node has, {limit} ({where}.{of_node}{kept})"
            yield Finding(keys=("resources", key), message=message)


def queue_warnings(settings: QueueSettings) -> Iterator[Finding]:
    """Give what is possible and probably not meant."""
    yield from quota_warnings(settings)
    if settings.nQueueLimitWorker is not None and settings.nQueueLimitWorker > settings.maxWorkers > 0:
        message = f"{settings.nQueueLimitWorker} is more than maxWorkers, {settings.maxWorkers}, which comes first"
        yield Finding(keys=("nQueueLimitWorker",), message=message)
    if "maxWorkers" in settings.model_fields_set and settings.maxWorkers == 0:
        message = "0 means no limit but the others; to submit nothing say nQueueLimitWorker 0"
        yield Finding(keys=("maxWorkers",), message=message)
    number = jobs_per_worker(settings)
    if settings.nQueueLimitJob is not None and 0 < settings.nQueueLimitJob < number:
        message = f"{settings.nQueueLimitJob} is less than nJobsPerWorker, {number}: no worker is ever full"
        yield Finding(keys=("nQueueLimitJob",), message=message)
    if settings.nQueueLimitJob == 0 or settings.nQueueLimitWorker == 0:
        key = "nQueueLimitJob" if settings.nQueueLimitJob == 0 else "nQueueLimitWorker"
        yield Finding(keys=(key,), message="0 keeps the queue still: it gets no new workers")
