"""A facility file: what it may say, and the facility that it describes."""
from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from harvester_hpc.config.expand import absolute
from harvester_hpc.config.problems import Finding
from harvester_hpc.config.validate import FileModel
from harvester_hpc.config.walltime import PATTERN, seconds_of
from harvester_hpc.errors import did_you_mean
from harvester_hpc.model.facility import BatchQueue, Facility, NodeBin, NodeShape

SCHEDULERS = ("local", "slurm", "pbs", "pbs_classic", "lsf")
SCHEDULERS_LATER = ("flux", "cobalt")
LAUNCHERS = ("single", "srun", "mpiexec", "openmpi", "pals", "jsrun", "aprun")
LAUNCHERS_LATER = ("ibrun",)
#: Names of programs that stand for several launchers, with which one is meant.
LAUNCHERS_OF_MANY = {"mpirun": "openmpi for that of Open MPI, mpiexec for that of MPICH or Intel MPI"}
BINDINGS = ("none", "cores")
#: Fields of launchTemplate.
TEMPLATE_FIELDS = ("nodes", "ranks", "ranks_per_node", "cores_per_rank", "cores_per_node", "gpus_per_node")

#: Members whose text is for the shell of the batch job; variables in it are expanded there.
SHELL_LINES = frozenset({"prologue", "epilogue"})

MANY = 10**9
Count = Annotated[int, Field(ge=0, le=MANY)]
Number = Annotated[int, Field(ge=1, le=MANY)]
OneLine = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*$", max_length=4096)]
Walltime = Annotated[
    Annotated[int, Field(ge=1, le=MANY)],
    BeforeValidator(seconds_of),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": PATTERN}]}),
]


def _option(value: object) -> object:
    """Return the value of a submit option as text; None (an option without a value) stays."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


OptionValue = Annotated[
    OneLine | None, BeforeValidator(_option), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]})
]


class NodeBinSettings(FileModel):
    """How long batch jobs of some numbers of nodes may run, where that depends on the number."""

    minNodes: Annotated[Number, Field(description="from so many nodes")] = 1
    maxNodes: Annotated[Number, Field(description="to so many nodes")]
    maxWalltime: Annotated[Walltime, Field(description="longest walltime of such a batch job")]


class BatchQueueSettings(FileModel):
    """A queue or partition of the batch system."""

    name: Annotated[str, Field(pattern=r"^[^\s,]+$", description="name in the batch system")]
    minNodes: Annotated[Number, Field(description="nodes of one batch job, at least")] = 1
    maxNodes: Annotated[Number | None, Field(description="nodes of one batch job, at most; null: no limit known")] = None
    maxWalltime: Annotated[Walltime | None, Field(description="longest walltime; null: no limit known")] = None
    qos: Annotated[OneLine, Field(description="quality of service to name with it")] = ""
    bins: Annotated[
        list[NodeBinSettings], Field(description="longest walltimes by number of nodes; a number of nodes in none of them is not taken")
    ] = []


class NodeSettings(FileModel):
    """What one compute node has."""

    cores: Annotated[Number, Field(description="usable cores")] = 1
    memoryMB: Annotated[Count, Field(description="usable memory in MB; 0: unknown")] = 0
    gpus: Annotated[Count, Field(description="GPUs")] = 0


class FacilitySettings(FileModel):
    """A computing centre."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]*$", description="name of the facility; by default that of its file")] = ""
    title: Annotated[OneLine, Field(description="name for people; not used")] = ""
    scheduler: Annotated[str, Field(description="batch system: " + ", ".join(SCHEDULERS))] = ""
    launcher: Annotated[str, Field(description="how a program is started on all nodes of a worker: " + ", ".join(LAUNCHERS))] = "single"
    launcherPath: Annotated[
        OneLine, Field(description="where the launcher's program lies; by default beside `python` if it is there, else by its name on PATH")
    ] = ""
    launchOptions: Annotated[list[OneLine], Field(description="more options of the launcher")] = []
    launchTemplate: Annotated[
        list[OneLine],
        Field(
            description="the launcher's command, one word an entry, in place of what `launcher` makes; fields: "
            + " ".join(f"`{{{name}}}`" for name in TEMPLATE_FIELDS)
        ),
    ] = []
    mpi: Annotated[
        str, Field(pattern=r"^[A-Za-z0-9_.]*$", description="`srun --mpi=`: pmi2 for MPICH, pmix for Open MPI; by default the site's own")
    ] = ""
    binding: Annotated[str, Field(description="how MPI ranks are bound: " + ", ".join(BINDINGS))] = "none"
    queues: Annotated[list[BatchQueueSettings], Field(description="queues of the batch system; the first is the default")] = []
    node: Annotated[NodeSettings, Field(description="shape of a compute node")] = NodeSettings()
    workDir: Annotated[
        OneLine, Field(min_length=1, description="folder below which workers get theirs, on a file system that compute nodes see")
    ] = "work"
    account: Annotated[OneLine, Field(description="project that is charged")] = ""
    prologue: Annotated[list[OneLine], Field(description="lines of the batch script before the worker, for the shell of the node")] = []
    epilogue: Annotated[list[OneLine], Field(description="lines of the batch script after it, for the shell of the node")] = []
    attributes: Annotated[
        dict[str, OptionValue],
        Field(description='more options of the submit command, {"constraint": "cpu"}; null: an option without a value'),
    ] = {}
    python: Annotated[OneLine, Field(description="interpreter on the compute nodes; by default the one that runs harvester-hpc")] = ""
    requeue: Annotated[bool, Field(description="whether the batch system may run a worker again after a node failure")] = False
    sources: Annotated[dict[str, str], Field(description="where the facts come from; not used")] = {}
    checked: Annotated[OneLine, Field(description="when the facts were checked; not used")] = ""
    notes: Annotated[list[str], Field(description="remarks; not used")] = []


def facility_of(settings: FacilitySettings, *, default_name: str, home: Path, environ: Mapping[str, str]) -> Facility:
    """Return the facility; a relative workDir lies below ``home``."""
    return Facility(
        name=settings.name or default_name,
        scheduler=settings.scheduler,
        launcher=settings.launcher,
        launcher_path=settings.launcherPath,
        launch_options=tuple(settings.launchOptions),
        launch_template=tuple(settings.launchTemplate),
        mpi=settings.mpi,
        binding=settings.binding,
        queues=tuple(
            BatchQueue(
                name=queue.name, min_nodes=queue.minNodes, max_nodes=queue.maxNodes, max_walltime_s=queue.maxWalltime, qos=queue.qos,
                bins=tuple(NodeBin(min_nodes=one.minNodes, max_nodes=one.maxNodes, max_walltime_s=one.maxWalltime) for one in queue.bins),
            )
            for queue in settings.queues
        ),
        node=NodeShape(cores=settings.node.cores, memory_mb=settings.node.memoryMB, gpus=settings.node.gpus),
        work_dir=str(absolute(settings.workDir, home, environ)),
        account=settings.account,
        prologue=tuple(settings.prologue),
        epilogue=tuple(settings.epilogue),
        attributes=dict(settings.attributes),
        python=settings.python or sys.executable,
        requeue=settings.requeue,
    )


def facility_findings(settings: FacilitySettings) -> Iterator[Finding]:
    """Give what types cannot tell about a facility."""
    yield from _word("scheduler", settings.scheduler, SCHEDULERS, SCHEDULERS_LATER)
    yield from _of_launch(settings)
    if not settings.queues:
        yield Finding(keys=("queues",), message='names no queue of the batch system; at least one, such as [{"name": "batch"}]')
    names: list[str] = []
    for number, queue in enumerate(settings.queues):
        if queue.name in names:
            yield Finding(keys=("queues", number, "name"), message=f"{queue.name!r} stands twice")
        if queue.maxNodes is not None and queue.maxNodes < queue.minNodes:
            yield Finding(keys=("queues", number, "maxNodes"), message=f"{queue.maxNodes} is less than minNodes, {queue.minNodes}")
        names.append(queue.name)
        yield from _bin_findings(number, queue)
    for option in settings.attributes:
        if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_-]*", option):
            message = "is no option of a submit command; write its long name without dashes, such as constraint"
            yield Finding(keys=("attributes", option), message=message)


def _of_launch(settings: FacilitySettings) -> Iterator[Finding]:
    if meant := LAUNCHERS_OF_MANY.get(settings.launcher):
        yield Finding(keys=("launcher",), message=f"{settings.launcher!r} is the name of several programs: say {meant}")
    else:
        yield from _word("launcher", settings.launcher, LAUNCHERS, LAUNCHERS_LATER)
    yield from _word("binding", settings.binding, BINDINGS, ())
    for number, word in enumerate(settings.launchTemplate):
        for name in re.findall(r"\{([^{}]*)\}", word):
            if name not in TEMPLATE_FIELDS:
                there = ", ".join(TEMPLATE_FIELDS)
                message = f"no field {{{name}}}; there is: {there}{did_you_mean(name, TEMPLATE_FIELDS)}"
                yield Finding(keys=("launchTemplate", number), message=message)
    if settings.launchTemplate and not settings.launchTemplate[0]:
        yield Finding(keys=("launchTemplate", 0), message="names no program")


def _bin_findings(number: int, queue: BatchQueueSettings) -> Iterator[Finding]:
    taken = 0
    for place, one in enumerate(queue.bins):
        keys = ("queues", number, "bins", place)
        if one.maxNodes < one.minNodes:
            yield Finding(keys=(*keys, "maxNodes"), message=f"{one.maxNodes} is less than minNodes, {one.minNodes}")
        if one.minNodes <= taken:
            message = f"{one.minNodes} is in the bin before, which goes to {taken}; the smallest come first"
            yield Finding(keys=(*keys, "minNodes"), message=message)
        taken = max(taken, one.maxNodes)


def _word(key: str, word: str, known: tuple[str, ...], later: tuple[str, ...]) -> Iterator[Finding]:
    there = ", ".join(known)
    if not word:
        yield Finding(keys=(key,), message=f"is missing; there is: {there}")
    elif word in later:
        yield Finding(keys=(key,), message=f"{word!r} is not yet supported; there is: {there}")
    elif word not in known:
        yield Finding(keys=(key,), message=f"no {key} {word!r}; there is: {there}{did_you_mean(word, (*known, *later))}")


def own_members(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a facility file's values without what is not of the facility itself."""
    return {key: value for key, value in values.items() if key not in ("extends", "defaults", "$schema")}
