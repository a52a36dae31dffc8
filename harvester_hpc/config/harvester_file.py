"""The user's file, harvester.json, and the facility file as a whole."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from pydantic import Field

from harvester_hpc.config.facility_file import FacilitySettings
from harvester_hpc.config.kinds import MANY, OneLine
from harvester_hpc.config.problems import Finding
from harvester_hpc.config.queue_file import LogExposerSettings, QueueSettings, SectionSettings
from harvester_hpc.config.remote import RemoteSettings
from harvester_hpc.config.validate import FileModel
from harvester_hpc.config.values import AGENTS, AgentSettings, CredentialConfiguration, frozen

Period = Annotated[float, Field(gt=0, le=86400)]


class AgentPeriod(FileModel):
    """One agent."""

    period: Annotated[Period, Field(description="seconds between two rounds when nothing rings its bell")]


def _agent(period: float) -> AgentPeriod:
    return AgentPeriod(period=period)


class AgentsSettings(FileModel):
    """The agents: how often, and how much at once."""

    job_fetcher: Annotated[AgentPeriod, Field(description="fetches jobs")] = _agent(AGENTS["job_fetcher"])
    preparator: Annotated[AgentPeriod, Field(description="stages inputs in")] = _agent(AGENTS["preparator"])
    submitter: Annotated[AgentPeriod, Field(description="submits workers")] = _agent(AGENTS["submitter"])
    event_feeder: Annotated[AgentPeriod, Field(description="feeds event ranges to workers")] = _agent(AGENTS["event_feeder"])
    messenger: Annotated[AgentPeriod, Field(description="reads letters")] = _agent(AGENTS["messenger"])
    monitor: Annotated[AgentPeriod, Field(description="looks at workers")] = _agent(AGENTS["monitor"])
    stager: Annotated[AgentPeriod, Field(description="stages outputs out")] = _agent(AGENTS["stager"])
    conveyor: Annotated[AgentPeriod, Field(description="moves batches of files")] = _agent(AGENTS["conveyor"])
    log_exposer: Annotated[AgentPeriod, Field(description="shows the logs of workers")] = _agent(AGENTS["log_exposer"])
    propagator: Annotated[AgentPeriod, Field(description="reports")] = _agent(AGENTS["propagator"])
    sweeper: Annotated[AgentPeriod, Field(description="kills and cleans up")] = _agent(AGENTS["sweeper"])
    command_manager: Annotated[AgentPeriod, Field(description="takes commands")] = _agent(AGENTS["command_manager"])
    cred_manager: Annotated[AgentPeriod, Field(description="looks at credentials and renews them")] = _agent(AGENTS["cred_manager"])
    cacher: Annotated[AgentPeriod, Field(description="reads the configuration again, remote files and own ones")] = _agent(AGENTS["cacher"])
    heartbeat: Annotated[float, Field(gt=0, le=MANY, description="seconds between two reports of a job that goes on")] = 1800.0
    batch: Annotated[int, Field(ge=1, le=100_000, description="rows that an agent takes in one round")] = 500
    pool: Annotated[int, Field(ge=1, le=64, description="threads for slow calls to the outside")] = 4
    leaseLimit: Annotated[
        float, Field(ge=10, le=86400, description="seconds without a sign of life after which another process may take the store over")
    ] = 120.0
    leaseBeat: Annotated[float, Field(gt=0, le=86400, description="seconds between two signs of life")] = 20.0


class CredentialSettings(SectionSettings):
    """A credential: the plugin that keeps it, its settings, and when it is renewed and people are warned."""

    renewBeforeHours: Annotated[
        float, Field(ge=0, le=MANY, description="hours before its end at which it is renewed; one of less than 18 hours: its last third")
    ] = 6.0
    warnBeforeHours: Annotated[
        float, Field(ge=0, le=MANY, description="hours before its end, or that of what it is renewed from, at which people are warned")
    ] = 168.0


CredentialName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$", max_length=60)]


class HarvesterFile(FileModel):
    """harvester.json"""

    extends: Annotated[
        OneLine | None, Field(min_length=1, description='facility: "local", "slurm-generic", or the path of a facility file')
    ] = None
    instance: Annotated[
        str | None,
        Field(
            pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$",
            max_length=100,
            description="name of this instance (harvester_id), as the workload management system knows it; by default user-facility",
        ),
    ] = None
    stateDir: Annotated[OneLine, Field(min_length=1, description="folder of the instance's own files; relative to home")] = "state"
    facility: Annotated[FacilitySettings, Field(description="what is to be different from the facility's file")] = FacilitySettings()
    communicator: Annotated[SectionSettings, Field(description="plugin that talks to the workload management system")] = SectionSettings(
        name="local"
    )
    credentials: Annotated[
        dict[CredentialName, CredentialSettings], Field(description="credentials by name: proxies, tokens, files with secrets")
    ] = {}
    agents: Annotated[AgentsSettings, Field(description="periods and sizes")] = AgentsSettings()
    logExposer: Annotated[
        LogExposerSettings | None, Field(description="plugin that shows the logs of workers, of all queues that do not say otherwise")
    ] = None
    bigpandamon: Annotated[
        str, Field(pattern=r"^https?://", description="address of the monitor that `logs --bigpandamon` names pages of")
    ] = "https://bigpanda.cern.ch"
    remote: Annotated[RemoteSettings, Field(description="parts of the configuration that lie elsewhere")] = RemoteSettings()
    queueList: Annotated[
        str | list[str], Field(description='the queues that are served, of those in `queues` and in the remote file; "ALL" for all')
    ] = "ALL"
    queues: Annotated[dict[str, QueueSettings], Field(description="PanDA queues by name")] = {}


class FacilityFile(FacilitySettings):
    """A facility file"""

    extends: Annotated[OneLine | None, Field(min_length=1, description="facility file that this one refines")] = None
    commonPartOf: Annotated[
        list[OneLine], Field(description="the file is no facility itself, but what these have in common; one of them is to be extended")
    ] = []
    defaults: Annotated[
        QueueSettings, Field(description="attributes and plugin sections that lie below those of every queue")
    ] = QueueSettings()


#: Members of a credential's section that the core reads itself.
OF_THE_CORE = frozenset({"renewBeforeHours", "warnBeforeHours"})


def credential_of(settings: CredentialSettings, where: str) -> CredentialConfiguration:
    """Return one credential; ``where`` is the place of its section."""
    return CredentialConfiguration(
        section=frozen(settings.model_dump(exclude_unset=True, exclude=set(OF_THE_CORE))), where=where,
        renew_before_s=settings.renewBeforeHours * 3600, warn_before_s=settings.warnBeforeHours * 3600,
    )


def agents_of(settings: AgentsSettings) -> AgentSettings:
    """Return the agents' settings."""
    return AgentSettings(
        period_s={name: getattr(settings, name).period for name in AGENTS},
        heartbeat_s=settings.heartbeat,
        batch=settings.batch,
        pool=settings.pool,
        lease_limit_s=settings.leaseLimit,
        lease_beat_s=settings.leaseBeat,
    )


def agent_findings(settings: AgentsSettings) -> Iterator[Finding]:
    """Give what types cannot tell about the agents."""
    if settings.leaseBeat * 3 > settings.leaseLimit:
        message = f"{settings.leaseBeat:g} s exceeds a third of leaseLimit, {settings.leaseLimit:g} s; one late beat would cost the lease"
        yield Finding(keys=("agents", "leaseBeat"), message=message)
