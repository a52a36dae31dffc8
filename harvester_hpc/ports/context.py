"""What every plugin is given when it is made."""
from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.queue import Queue
from harvester_hpc.ports.credential import CredentialManager

Thing = TypeVar("Thing")


class Commons:
    """What the plugins of one instance have in common, made when the first of them wants it.

    A plugin is made for each queue and each kind; what it asks outside (one scheduler) is the same for all of them.
    """

    def __init__(self) -> None:
        self._things: dict[Hashable, Any] = {}
        self._one_at_a_time = threading.Lock()

    def one(self, key: Hashable, make: Callable[[], Thing]) -> Thing:
        """Return the thing of that key; ``make`` it if there is none.

        Args:
            key: starts with the import name of the package that makes it.
            make: does no slow work and touches nothing outside.
        """
        with self._one_at_a_time:
            if key not in self._things:
                self._things[key] = make()
            thing: Thing = self._things[key]
            return thing


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The surroundings of a plugin.

    Attributes:
        instance: harvester id, as the workload management system knows it.
        tag: 5 characters of [a-z0-9] that start the names of this instance's batch jobs.
        state_dir: absolute folder of the instance's own files; a plugin may use ``state_dir/<kind>-<name>``.
        queue: the PanDA queue it is made for; None for the communicator.
        credentials: those of the section ``credentials``, by name.
        commons: what all plugins of the instance share.
    """

    instance: str
    tag: str
    state_dir: Path
    facility: Facility
    queue: Queue | None = None
    credentials: Mapping[str, CredentialManager] = field(default_factory=dict)
    commons: Commons = field(default_factory=Commons, compare=False, repr=False)


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
