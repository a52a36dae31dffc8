"""A facility file: what it may say, and the facility that it describes."""
from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from harvester_hpc.config.batch_queue_file import (
    BatchQueueSettings,
    LimitSettings,
    NodeSettings,
    batch_queue_findings,
    batch_queue_of,
    job_limits,
    node_findings,
    node_shape,
    option_findings,
)
from harvester_hpc.config.expand import absolute
from harvester_hpc.config.facts import FactSettings
from harvester_hpc.config.kinds import Date, OneLine, OptionValue, Walltime
from harvester_hpc.config.problems import Finding
from harvester_hpc.config.surroundings_file import (
    CollectionSettings,
    DetectSettings,
    FileSystemSettings,
    LoginSettings,
    NetworkSettings,
    collection_of,
    detection_of,
    file_system_of,
    login_findings,
    login_of,
    network_of,
)
from harvester_hpc.config.validate import FileModel
from harvester_hpc.errors import did_you_mean
from harvester_hpc.model.facility import Facility

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
SHELL_LINES = frozenset({"prologue", "epilogue", "environment"})
#: Members whose text is for people, or holds the names of what differs between users.
REMARKS = frozenset({"sources", "facts", "notes", "fileSystems", "collections", "required"})


class FacilitySettings(FileModel):
    """A computing centre."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]*$", description="name of the facility; by default that of its file")] = ""
    title: Annotated[OneLine, Field(description="name for people; only told")] = ""
    retired: Annotated[Date, Field(description="since when the centre has no such machine any more; extending it gives a warning")] = ""
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
    accountRequired: Annotated[bool, Field(description="whether the batch system takes no job without one")] = False
    accountLike: Annotated[OneLine, Field(description="shell pattern of the accounts of such nodes, `*_g`; another gives a warning")] = ""
    modules: Annotated[list[OneLine], Field(description="modules that the batch script loads, before the prologue")] = []
    modulesThere: Annotated[list[OneLine], Field(description="modules that were seen there; only told")] = []
    environment: Annotated[
        dict[str, str], Field(description="variables of batch jobs; their values are for the shell of the node, in double quotes")
    ] = {}
    prologue: Annotated[list[OneLine], Field(description="lines of the batch script before the worker, for the shell of the node")] = []
    epilogue: Annotated[list[OneLine], Field(description="lines of the batch script after it, for the shell of the node")] = []
    attributes: Annotated[
        dict[str, OptionValue],
        Field(
            description='more options of the submit command, {"constraint": "cpu"}, for PBS also {"l.filesystems": "home"}; '
            "null: an option without a value"
        ),
    ] = {}
    chunk: Annotated[dict[str, OneLine], Field(description='PBS: more resources of a chunk, {"system": "polaris"}')] = {}
    required: Annotated[
        dict[str, OneLine], Field(description="options of the submit command that must stand in `attributes`, and what they are")
    ] = {}
    python: Annotated[OneLine, Field(description="interpreter on the compute nodes; by default the one that runs harvester-hpc")] = ""
    requeue: Annotated[bool, Field(description="whether the batch system may run a worker again after a node failure")] = False
    limits: Annotated[LimitSettings, Field(description="batch jobs at a time, in all queues together")] = LimitSettings()
    minWalltime: Annotated[Walltime | None, Field(description="least walltime that a batch job may ask for; null: none known")] = None
    network: Annotated[NetworkSettings, Field(description="who reaches the outside, and how")] = NetworkSettings()
    login: Annotated[LoginSettings, Field(description="what one user may take of a login node")] = LoginSettings()
    fileSystems: Annotated[list[FileSystemSettings], Field(description="file systems, with their quotas and purges")] = []
    collections: Annotated[list[CollectionSettings], Field(description="Globus collections; only told")] = []
    detect: Annotated[DetectSettings, Field(description="how the centre is told from others")] = DetectSettings()
    sources: Annotated[dict[str, str], Field(description="documents in which the facts stand, by a short name; only told")] = {}
    checked: Annotated[Date, Field(description="when the facts were checked, `2026-11-21`; only told")] = ""
    facts: Annotated[
        dict[str, FactSettings], Field(description='where a value comes from, by its path: {"queues.batch.maxNodes": {"source": ...}}')
    ] = {}
    notes: Annotated[list[str], Field(description="remarks; only told")] = []


def facility_of(settings: FacilitySettings, *, default_name: str, home: Path, environ: Mapping[str, str]) -> Facility:
    """Return the facility; a relative workDir lies below ``home``."""
    return Facility(
        name=settings.name or default_name,
        title=settings.title,
        scheduler=settings.scheduler,
        launcher=settings.launcher,
        launcher_path=settings.launcherPath,
        launch_options=tuple(settings.launchOptions),
        launch_template=tuple(settings.launchTemplate),
        mpi=settings.mpi,
        binding=settings.binding,
        queues=tuple(batch_queue_of(queue, settings.node) for queue in settings.queues),
        node=node_shape(settings.node),
        work_dir=str(absolute(settings.workDir, home, environ)),
        account=settings.account,
        account_required=settings.accountRequired,
        account_like=settings.accountLike,
        prologue=tuple(settings.prologue),
        epilogue=tuple(settings.epilogue),
        modules=tuple(settings.modules),
        environment=dict(settings.environment),
        attributes=dict(settings.attributes),
        chunk=dict(settings.chunk),
        required=dict(settings.required),
        python=settings.python or sys.executable,
        requeue=settings.requeue,
        limits=job_limits(settings.limits),
        min_walltime_s=settings.minWalltime or 0,
        network=network_of(settings.network),
        login=login_of(settings.login),
        file_systems=tuple(file_system_of(one) for one in settings.fileSystems),
        collections=tuple(collection_of(one) for one in settings.collections),
        detection=detection_of(settings.detect),
    )


def facility_findings(settings: FacilitySettings) -> Iterator[Finding]:
    """Give what types cannot tell about a facility."""
    yield from _word("scheduler", settings.scheduler, SCHEDULERS, SCHEDULERS_LATER)
    yield from _of_launch(settings)
    yield from node_findings(("node",), settings.node)
    yield from login_findings(settings.login)
    yield from option_findings(("attributes",), settings.attributes)
    yield from _of_environment(settings)
    if not settings.queues:
        yield Finding(keys=("queues",), message='names no queue of the batch system; at least one, such as [{"name": "batch"}]')
    names: list[str] = []
    for number, queue in enumerate(settings.queues):
        if queue.name in names:
            yield Finding(keys=("queues", number, "name"), message=f"{queue.name!r} stands twice")
        names.append(queue.name)
        yield from batch_queue_findings(("queues", number), queue)


def _of_environment(settings: FacilitySettings) -> Iterator[Finding]:
    for name, value in settings.environment.items():
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield Finding(keys=("environment", name), message="is no name of a variable")
        if re.search(r"[\x00-\x1f]", value):
            yield Finding(keys=("environment", name), message="has a line break, or another character that is none")


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
    return {key: value for key, value in values.items() if key not in ("extends", "defaults", "commonPartOf", "$schema")}
