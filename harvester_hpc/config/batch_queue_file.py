"""What a facility file may say of its batch queues and their nodes."""
from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from harvester_hpc.config.kinds import Count, Number, OneLine, OptionValue, Walltime
from harvester_hpc.config.problems import Finding, Keys
from harvester_hpc.config.validate import FileModel
from harvester_hpc.model.facility import BatchQueue, JobLimits, NodeBin, NodeShape

#: ``constraint``, ``C``; and for PBS, which gives several options one letter, ``l.filesystems`` for ``-l filesystems=``.
OPTION = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z][A-Za-z0-9_]*)?")
#: Said in place of ``gpuOption`` where nothing is asked.
NO_GPU_OPTION = "none"


class NodeBinSettings(FileModel):
    """How long batch jobs of some numbers of nodes may run, where that depends on the number."""

    minNodes: Annotated[Number, Field(description="from so many nodes")] = 1
    maxNodes: Annotated[Number, Field(description="to so many nodes")]
    maxWalltime: Annotated[Walltime, Field(description="longest walltime of such a batch job")]
    queue: Annotated[OneLine, Field(description="execution queue into which a routing queue puts such jobs; only told, never named")] = ""


class ShareSettings(FileModel):
    """What one user, or one project, may have at a time."""

    queued: Annotated[Count | None, Field(description="batch jobs that wait or run, together; more are refused")] = None
    running: Annotated[Number | None, Field(description="batch jobs that run")] = None
    eligible: Annotated[Number | None, Field(description="batch jobs that wait and that the scheduler takes into account")] = None
    nodes: Annotated[Number | None, Field(description="nodes of all batch jobs that run")] = None


class LimitSettings(FileModel):
    """How many batch jobs may be there at a time; null: no limit known."""

    user: Annotated[ShareSettings, Field(description="of one user")] = ShareSettings()
    project: Annotated[ShareSettings, Field(description="of one project, as far as it is we who use it")] = ShareSettings()


class NodeSettings(FileModel):
    """What one compute node has."""

    cores: Annotated[Number, Field(description="cores")] = 1
    reservedCores: Annotated[Count, Field(description="of these, cores that the system keeps for itself; jobs get the others")] = 0
    threadsPerCore: Annotated[
        Number, Field(le=16, description="hardware threads of a core that the batch system counts as CPUs; 1: it counts cores")
    ] = 1
    memoryMB: Annotated[Count, Field(description="usable memory in MB; 0: unknown")] = 0
    gpus: Annotated[Count, Field(description="GPUs, as the batch system counts them")] = 0
    gpuType: Annotated[OneLine, Field(description="what they are; only told")] = ""
    gpuOption: Annotated[
        str,
        Field(
            pattern=r"^(none|[A-Za-z][A-Za-z0-9_.-]*=[^\x00-\x1f]*)?$",
            description="option of the submit command that asks for GPUs, with `{gpus}` for their number on a node, "
            "`gres=gpu:a100:{gpus}`; none: nothing is asked; by default what the batch system is used to",
        ),
    ] = ""
    count: Annotated[Count, Field(description="how many nodes there are; 0: unknown; only told")] = 0


class BatchQueueSettings(FileModel):
    """A queue or partition of the batch system."""

    name: Annotated[
        str, Field(pattern=r"^[^\s,]+$", description="name by which `batchQueue` names it; also that in the batch system, by default")
    ]
    submitTo: Annotated[
        str | None,
        Field(pattern=r"^[^\s,]*$", description='name in the batch system if another; "": none is named, `qos` and attributes decide'),
    ] = None
    minNodes: Annotated[Number, Field(description="nodes of one batch job, at least")] = 1
    maxNodes: Annotated[Number | None, Field(description="nodes of one batch job, at most; null: no limit known")] = None
    minWalltime: Annotated[Walltime | None, Field(description="least walltime that a batch job may ask for; null: none known")] = None
    maxWalltime: Annotated[Walltime | None, Field(description="longest walltime; null: no limit known")] = None
    qos: Annotated[OneLine, Field(description="quality of service to name with it")] = ""
    bins: Annotated[
        list[NodeBinSettings], Field(description="longest walltimes by number of nodes; a number of nodes in none of them is not taken")
    ] = []
    limits: Annotated[LimitSettings, Field(description="batch jobs in this queue at a time")] = LimitSettings()
    preemptible: Annotated[bool, Field(description="its jobs may be ended at any time in favour of others")] = False
    requeue: Annotated[bool | None, Field(description="as `requeue` of the facility; null: the same")] = None
    exclusive: Annotated[bool | None, Field(description="whether a job has its nodes for itself; null: unknown; only told")] = None
    node: Annotated[NodeSettings | None, Field(description="what is different about its nodes; the rest is as in `facility.node`")] = None
    attributes: Annotated[dict[str, OptionValue], Field(description="more options of the submit command, over those of the facility")] = {}
    chunk: Annotated[dict[str, OneLine], Field(description="PBS: more resources of a chunk, over those of the facility")] = {}
    production: Annotated[bool, Field(description="whether it is meant for production; if not, there is a warning")] = True
    notes: Annotated[list[str], Field(description="remarks; only told")] = []


def node_shape(settings: NodeSettings, below: NodeSettings | None = None) -> NodeShape:
    """Return what a node has; what ``settings`` do not say is as ``below``."""
    if below is not None:
        settings = below.model_copy(update={name: getattr(settings, name) for name in settings.model_fields_set})
    return NodeShape(
        cores=max(1, settings.cores - settings.reservedCores),
        memory_mb=settings.memoryMB,
        gpus=settings.gpus,
        reserved_cores=settings.reservedCores,
        threads_per_core=settings.threadsPerCore,
        gpu_type=settings.gpuType,
        gpu_option=settings.gpuOption,
        count=settings.count,
    )


def job_limits(settings: LimitSettings) -> JobLimits:
    """Return the limits of batch jobs at a time."""
    user, project = settings.user, settings.project
    return JobLimits(
        queued_per_user=user.queued, running_per_user=user.running, eligible_per_user=user.eligible, nodes_per_user=user.nodes,
        queued_per_project=project.queued, running_per_project=project.running, eligible_per_project=project.eligible,
        nodes_per_project=project.nodes,
    )


def batch_queue_of(settings: BatchQueueSettings, node: NodeSettings) -> BatchQueue:
    """Return the queue; ``node`` is that of the facility."""
    return BatchQueue(
        name=settings.name,
        submit_to=settings.submitTo,
        min_nodes=settings.minNodes,
        max_nodes=settings.maxNodes,
        min_walltime_s=settings.minWalltime or 0,
        max_walltime_s=settings.maxWalltime,
        qos=settings.qos,
        bins=tuple(
            NodeBin(min_nodes=one.minNodes, max_nodes=one.maxNodes, max_walltime_s=one.maxWalltime, queue=one.queue)
            for one in settings.bins
        ),
        limits=job_limits(settings.limits),
        preemptible=settings.preemptible,
        requeue=settings.requeue,
        exclusive=settings.exclusive,
        node=None if settings.node is None else node_shape(settings.node, node),
        attributes=dict(settings.attributes),
        chunk=dict(settings.chunk),
        production=settings.production,
    )


def batch_queue_findings(keys: Keys, queue: BatchQueueSettings) -> Iterator[Finding]:
    """Give what types cannot tell about one queue, which stands at ``keys``."""
    if queue.maxNodes is not None and queue.maxNodes < queue.minNodes:
        yield Finding(keys=(*keys, "maxNodes"), message=f"{queue.maxNodes} is less than minNodes, {queue.minNodes}")
    if queue.maxWalltime is not None and queue.minWalltime is not None and queue.maxWalltime < queue.minWalltime:
        yield Finding(keys=(*keys, "maxWalltime"), message=f"{queue.maxWalltime} s is less than minWalltime, {queue.minWalltime} s")
    yield from _bin_findings(keys, queue)
    yield from option_findings((*keys, "attributes"), queue.attributes)
    if queue.node is not None and {"cores", "reservedCores"} <= queue.node.model_fields_set:
        yield from node_findings((*keys, "node"), queue.node)


def node_findings(keys: Keys, node: NodeSettings) -> Iterator[Finding]:
    """Give what types cannot tell about a node."""
    if node.reservedCores >= node.cores:
        yield Finding(keys=(*keys, "reservedCores"), message=f"{node.reservedCores} leaves nothing of {node.cores} cores")
    for field in re.findall(r"\{([^{}]*)\}", node.gpuOption):
        if field != "gpus":
            yield Finding(keys=(*keys, "gpuOption"), message=f"no field {{{field}}}; there is: gpus")


def option_findings(keys: Keys, attributes: dict[str, OptionValue]) -> Iterator[Finding]:
    """Give the attributes that are no option of a submit command."""
    for option in attributes:
        if not OPTION.fullmatch(option):
            message = "is no option of a submit command; write its name without dashes, such as constraint, or l.filesystems for PBS"
            yield Finding(keys=(*keys, option), message=message)


def _bin_findings(keys: Keys, queue: BatchQueueSettings) -> Iterator[Finding]:
    taken = 0
    for place, one in enumerate(queue.bins):
        way = (*keys, "bins", place)
        if one.maxNodes < one.minNodes:
            yield Finding(keys=(*way, "maxNodes"), message=f"{one.maxNodes} is less than minNodes, {one.minNodes}")
        if one.minNodes <= taken:
            message = f"{one.minNodes} is in the bin before, which goes to {taken}; the smallest come first"
            yield Finding(keys=(*way, "minNodes"), message=message)
        taken = max(taken, one.maxNodes)
