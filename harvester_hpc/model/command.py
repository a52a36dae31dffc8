"""A command: something that a person or the workload management system wants done."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class CommandKind(StrEnum):
    """What can be asked of a running instance."""

    KILL_JOBS = "kill_jobs"
    KILL_WORKERS = "kill_workers"
    RETRY_JOBS = "retry_jobs"
    STOP = "stop"


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, from the command line's inbox or from the workload management system.

    Attributes:
        id: unique; the inbox file's name, or ``wms-`` and the system's number.
        ids: job or worker ids that it names.
        where: constraints for commands that name none ({"status": (...), "computingSite": (...)}).
        origin: who asked, for the log.
    """

    id: str
    kind: CommandKind
    ids: tuple[int, ...] = ()
    where: Mapping[str, tuple[str, ...]] | None = None
    why: str = ""
    origin: str = ""
    ack: bool = False
