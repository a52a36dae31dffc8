"""The configuration as the rest of the house sees it: frozen values, no files any more."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue

#: The agents that have a period, and its default in seconds.
AGENTS: Mapping[str, float] = MappingProxyType(
    {
        "job_fetcher": 30.0,
        "preparator": 30.0,
        "submitter": 30.0,
        "event_feeder": 30.0,
        "messenger": 2.0,
        "monitor": 30.0,
        "stager": 30.0,
        "conveyor": 30.0,
        "log_exposer": 60.0,
        "propagator": 30.0,
        "sweeper": 60.0,
        "command_manager": 2.0,
        "cred_manager": 30.0,
        "cacher": 600.0,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    """How often the agents look, and how much they take at once.

    Attributes:
        period_s: {agent: seconds between two rounds when nothing rings its bell}; every agent stands in it.
        heartbeat_s: seconds between two reports of a job that goes on.
        batch: rows that an agent takes in one round.
        pool: threads for slow calls to the outside.
        lease_limit_s: seconds without a sign of life after which another host may take the store over.
        lease_beat_s: seconds between two signs of life.
    """

    period_s: Mapping[str, float] = field(default_factory=lambda: AGENTS)
    heartbeat_s: float = 1800.0
    batch: int = 500
    pool: int = 4
    lease_limit_s: float = 120.0
    lease_beat_s: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfiguration:
    """One PanDA queue.

    Attributes:
        queue: its limits and modes.
        sections: {kind: section}, the seven of ``queue_file.SECTIONS``, and logExposer where there is one; frozen JSON, name and
            module included.
        where: {kind: ``file: path`` where the section was written}, for messages.
        common: settings for every plugin that knows them and does not say otherwise; frozen JSON.
        text: all of it as JSON that can be read again, variables filled in.
    """

    queue: Queue
    sections: Mapping[str, Mapping[str, Any]]
    where: Mapping[str, str] = field(default_factory=dict)
    common: Mapping[str, Any] = field(default_factory=dict)
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialConfiguration:
    """One credential.

    Attributes:
        section: frozen JSON, name and module included, without what the core reads itself.
        renew_before_s, warn_before_s: seconds before its end.
        where: ``file: path`` of the section, for messages.
    """

    section: Mapping[str, Any]
    renew_before_s: float
    warn_before_s: float
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """All that one instance is told.

    Attributes:
        home: folder of harvester.json; absolute.
        state_dir: folder of the instance's own files; absolute.
        instance: harvester id, as the workload management system knows it.
        tag: 5 characters of [a-z0-9], the same for the same instance, user and state folder.
        queues: by name, in the order of the file; at least one.
        communicator: its section; frozen JSON, name included.
        bigpandamon: address of the monitor whose pages people look at.
        credentials: by name.
        warnings: what is possible and probably not meant, one line each.
        files: the files that were read, the user's first.
        remote: the addresses of those that lie elsewhere.
        origins: {way to a value: ``file: path`` where it was written}; what has none is a default, or follows from others.
    """

    home: Path
    state_dir: Path
    instance: str
    tag: str
    facility: Facility
    queues: Mapping[str, QueueConfiguration]
    communicator: Mapping[str, Any]
    agents: AgentSettings = field(default_factory=AgentSettings)
    bigpandamon: str = "https://bigpanda.cern.ch"
    credentials: Mapping[str, CredentialConfiguration] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    remote: tuple[str, ...] = ()
    origins: Mapping[tuple[str | int, ...], str] = field(default_factory=dict)


def frozen(value: Any) -> Any:
    """Return JSON that nobody can change: objects as read-only mappings, lists as tuples."""
    if isinstance(value, Mapping):
        return MappingProxyType({key: frozen(member) for key, member in value.items()})
    if isinstance(value, list | tuple):
        return tuple(frozen(member) for member in value)
    return value
