"""What a facility file may say of login nodes, networks and file systems."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from harvester_hpc.config.kinds import Count, OneLine
from harvester_hpc.config.problems import Finding
from harvester_hpc.config.validate import FileModel
from harvester_hpc.errors import did_you_mean
from harvester_hpc.model.surroundings import Collection, Detection, FileSystem, Login, Network

#: How a program that stays may run: as a process of a login node, started again and again by cron or by Slurm's scrontab, as batch
#: jobs one after the other, or not at the centre at all.
WAYS = ("process", "cron", "scrontab", "chain", "elsewhere")
_PROXY = r"^(https?://[^\s]+)?$"


class NetworkSettings(FileModel):
    """Who reaches the outside, and how."""

    computeOutbound: Annotated[bool | None, Field(description="whether compute nodes can connect to the outside; null: unknown")] = None
    loginOutbound: Annotated[bool | None, Field(description="whether login nodes do; null: unknown")] = None
    computeProxy: Annotated[
        str, Field(pattern=_PROXY, description="HTTP proxy of compute nodes; becomes http_proxy and https_proxy of batch jobs")
    ] = ""
    loginProxy: Annotated[
        str | None,
        Field(pattern=_PROXY, description='HTTP proxy for our own connections; "": none; null: as the environment of the daemon says'),
    ] = None
    noProxy: Annotated[list[OneLine], Field(description="hosts that are reached without a proxy; becomes no_proxy")] = []


class LoginSettings(FileModel):
    """What one user may take of a login node; 0: unknown."""

    hosts: Annotated[list[OneLine], Field(description="login nodes; only told")] = []
    memoryMB: Annotated[Count, Field(description="memory of all processes of one user, in MB")] = 0
    cpuPercent: Annotated[Count, Field(le=100, description="share of a node's CPU")] = 0
    cpuMinutes: Annotated[Count, Field(description="minutes of CPU time after which a process is killed")] = 0
    processes: Annotated[Count, Field(description="processes and threads of one user")] = 0
    policy: Annotated[OneLine, Field(description="what the centre says of it; only told")] = ""
    ways: Annotated[
        list[str], Field(description="how a program that stays may run there, the preferred first: " + ", ".join(WAYS) + "; []: unknown")
    ] = []


class FileSystemSettings(FileModel):
    """A file system of the centre."""

    path: Annotated[OneLine, Field(min_length=1, description="where it is; `$NAME` and `<project>` stand for what differs between users")]
    name: Annotated[OneLine, Field(description="name for people; only told")] = ""
    quotaGB: Annotated[Count, Field(description="GB of a user or project; 0: unknown")] = 0
    maxFiles: Annotated[Count, Field(description="files of a user or project; 0: unknown")] = 0
    purgeDays: Annotated[Count, Field(description="files that nobody touches for so many days are removed; 0: unknown, or never")] = 0
    purges: Annotated[bool, Field(description="whether that is done at present")] = True
    forJobs: Annotated[bool, Field(description="whether batch jobs may work there; a work folder on it is an error if not")] = True
    note: Annotated[OneLine, Field(description="remark; only told")] = ""


class CollectionSettings(FileModel):
    """A Globus collection; only told."""

    name: Annotated[OneLine, Field(min_length=1, description="its name")]
    id: Annotated[str, Field(pattern=r"^[0-9a-fA-F-]*$", description="its identifier")] = ""
    path: Annotated[OneLine, Field(description="folder of a project in it")] = ""
    sees: Annotated[OneLine, Field(description="what one sees there")] = ""
    gone: Annotated[OneLine, Field(description="why it is of no use any more")] = ""


class DetectSettings(FileModel):
    """How the centre is told from others: all variables, or one of the hosts, or one of the clusters."""

    environment: Annotated[dict[str, str], Field(description="variables of the environment there, {\"NERSC_HOST\": \"perlmutter\"}")] = {}
    hosts: Annotated[list[OneLine], Field(description="patterns of full host names, `*.leonardo.local`")] = []
    clusters: Annotated[list[OneLine], Field(description="names that the batch system has for itself")] = []


def network_of(settings: NetworkSettings) -> Network:
    """Return who reaches the outside."""
    return Network(
        compute_outbound=settings.computeOutbound,
        login_outbound=settings.loginOutbound,
        compute_proxy=settings.computeProxy,
        login_proxy=settings.loginProxy,
        no_proxy=tuple(settings.noProxy),
    )


def login_of(settings: LoginSettings) -> Login:
    """Return what one user may take of a login node."""
    return Login(
        hosts=tuple(settings.hosts),
        memory_mb=settings.memoryMB,
        cpu_percent=settings.cpuPercent,
        cpu_minutes=settings.cpuMinutes,
        processes=settings.processes,
        policy=settings.policy,
        ways=tuple(settings.ways),
    )


def file_system_of(settings: FileSystemSettings) -> FileSystem:
    """Return a file system."""
    return FileSystem(
        path=settings.path,
        name=settings.name,
        quota_mb=settings.quotaGB * 1000,
        max_files=settings.maxFiles,
        purge_days=settings.purgeDays,
        purges=settings.purges,
        for_jobs=settings.forJobs,
        note=settings.note,
    )


def collection_of(settings: CollectionSettings) -> Collection:
    """Return a Globus collection."""
    return Collection(name=settings.name, id=settings.id, path=settings.path, sees=settings.sees, gone=settings.gone)


def detection_of(settings: DetectSettings) -> Detection:
    """Return how the centre is told."""
    return Detection(environment=dict(settings.environment), hosts=tuple(settings.hosts), clusters=tuple(settings.clusters))


def login_findings(settings: LoginSettings) -> Iterator[Finding]:
    """Give what types cannot tell about login nodes."""
    for number, way in enumerate(settings.ways):
        if way not in WAYS:
            message = f"no way {way!r}; there is: {', '.join(WAYS)}{did_you_mean(way, WAYS)}"
            yield Finding(keys=("login", "ways", number), message=message)
