"""The instance that a command is about: found when it is asked for, and no sooner."""
from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from harvester_hpc.clock import Clock, SystemClock

if TYPE_CHECKING:
    import sqlite3

    from harvester_hpc.config.values import Configuration
    from harvester_hpc.ports.context import Context
    from harvester_hpc.ports.plugins import QueuePlugins


@dataclass
class Instance:
    """What the global options name.

    Attributes:
        home_option: what ``--home`` says; None if it was not given.
    """

    home_option: str | None
    environ: Mapping[str, str]

    @cached_property
    def clock(self) -> Clock:
        """The clock of this machine."""
        return SystemClock()

    @cached_property
    def home(self) -> Path:
        """The folder with harvester.json.

        Raises:
            ConfigurationError: there is none.
        """
        from harvester_hpc.config.locate import find_home

        return find_home(self.home_option, self.environ)

    @cached_property
    def state_dir(self) -> Path:
        """The folder of the instance's own files.

        Raises:
            ConfigurationError: harvester.json does not tell.
        """
        from harvester_hpc.config.locate import state_dir

        return state_dir(self.home, self.environ)

    @property
    def store(self) -> Path:
        """The store file; the same as ``app.store_path`` says, without what ``app`` imports."""
        return self.state_dir / "store.db"

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Give a connection to the store for looking.

        Raises:
            StoreError: it cannot be read.
        """
        from harvester_hpc.store.connection import connect, translated

        connection = connect(self.store, read_only=True)
        try:
            with translated(self.store):
                yield connection
        finally:
            connection.close()

    def configuration(self) -> Configuration:
        """Read the whole configuration (slow: it imports pydantic).

        Raises:
            ConfigurationError: every problem.
        """
        from harvester_hpc.config.load import load

        return load(self.home, self.environ)

    def context(self) -> Context:
        """Return the surroundings of the instance's plugins, for commands that plugins bring (slow).

        Raises:
            ConfigurationError: every problem.
        """
        from harvester_hpc.login_proxy import use_login_proxy
        from harvester_hpc.registry import Registry

        configuration = self.configuration()
        use_login_proxy(configuration.facility.network, os.environ)
        return Registry().context_of(configuration)

    def plugins(self) -> Mapping[str, QueuePlugins]:
        """Make the plugins of all queues, by the queue's name, for commands that plugins bring (slow).

        Raises:
            ConfigurationError: every problem.
        """
        from harvester_hpc.login_proxy import use_login_proxy
        from harvester_hpc.registry import Registry

        configuration = self.configuration()
        use_login_proxy(configuration.facility.network, os.environ)
        return Registry().plugins_of(configuration)
