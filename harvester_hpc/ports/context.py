"""What every plugin is given when it is made."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.credential import CredentialManager


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The surroundings of a plugin.

    Attributes:
        instance: harvester id, as the workload management system knows it.
        tag: 5 characters of [a-z0-9] that start the names of this instance's batch jobs.
        state_dir: absolute folder of the instance's own files; a plugin may use ``state_dir/<kind>-<name>``.
        queue: the PanDA queue it is made for; None for the communicator.
        credentials: those of the section ``credentials``, by name.
    """

    instance: str
    tag: str
    state_dir: Path
    facility: Facility
    queue: Queue | None = None
    credentials: Mapping[str, CredentialManager] = field(default_factory=dict)


class Plugin(Protocol):
    """A plugin class.

    ``Settings`` is a frozen dataclass with defaults: the keys of the queue's section besides name and module.
    The registry validates the section against it before the daemon starts, and calls ``problems`` for what
    types cannot tell. Making a plugin does no slow work and touches nothing outside.
    """

    Settings: ClassVar[type[Any]]

    def __init__(self, settings: Any, context: Context) -> None:
        """Keep what was given."""
        ...
