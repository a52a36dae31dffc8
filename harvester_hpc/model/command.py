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
    SET_WORKERS = "set_workers"              # how many new workers of which kind (runMode slave)
    REPORT_STATISTICS = "report_statistics"  # tell the numbers of workers now
    UNKNOWN = "unknown"                      # kept and shown, and nothing is done


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command, from the command line's inbox or from the workload management system.

    Attributes:
        id: unique; the inbox file's name, or ``wms-`` and the system's number.
        ids: job or worker ids that it names.
        where: constraints for commands that name none ({"status": (...), "computingSite": (...)}).
        origin: who asked, for the log.
        name: in the system's own words, with the site behind a colon: ``SET_N_WORKERS_JOBTYPE:SITE``; "" for ours.
        params: what came with it, as JSON; "" for ours.
    """

    id: str
    kind: CommandKind
    ids: tuple[int, ...] = ()
    where: Mapping[str, tuple[str, ...]] | None = None
    why: str = ""
    origin: str = ""
    ack: bool = False
    name: str = ""
    params: str = ""

    @property
    def site(self) -> str:
        """The site that it is for; "" if it does not say."""
        return self.name.partition(":")[2]
