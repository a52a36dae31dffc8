"""The workload management system, where work can be handed to it from the command line."""
from __future__ import annotations

from typing import cast

from harvester_hpc.app import communicator
from harvester_hpc.config.values import Configuration
from harvester_hpc.errors import HarvesterError
from harvester_hpc.ports.communicator import Inbox


def inbox_of(configuration: Configuration) -> Inbox:
    """Return the inbox of the configured communicator.

    Raises:
        HarvesterError: it takes no work from the command line.
    """
    made = communicator(configuration)
    if not all(callable(getattr(made, name, None)) for name in ("submit_job", "retry_job", "kill_job")):
        raise HarvesterError(
            f"the communicator {configuration.communicator.get('name')!r} takes no work from the command line",
            remedy='use the workload management system\'s own tools, or {"communicator": {"name": "local"}}',
        )
    return cast(Inbox, made)
