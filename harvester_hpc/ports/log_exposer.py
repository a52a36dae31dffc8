"""Who shows the logs of workers to people far away, as the core talks to it."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

from harvester_hpc.ports.outcome import Done, Failed, Retry

#: Bytes of an address that a PanDA server keeps; one that is cut leads nowhere.
LONGEST_URL = 250


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyLog:
    """A log as it may be shown: of bounded size, without its secrets.

    Attributes:
        name: a file name, unique for all instances that share a place; a log of this name is replaced.
        worker_id: whose it is.
        path: where the log itself lies, absolute.
        blocks: gives its bytes, bounded in memory; to be called once.
    """

    name: str
    worker_id: int
    path: str
    blocks: Callable[[], Iterator[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """It is there for people at ``url``, http or https, at most LONGEST_URL bytes."""

    url: str


class LogExposer(Protocol):
    """Shows logs. Called from several threads. Every method raises Unavailable when the outside does not answer."""

    def live_address(self, path: str) -> str:
        """Return where people see the file ``path`` itself (absolute), as it grows; "" if they do not. Asks nobody."""
        ...

    def show_log(self, ready: ReadyLog) -> Shown | Retry | Failed:
        """Put a log where people find it, in the place of one with the same name; nobody ever sees half of it."""
        ...

    def hide_log(self, name: str, worker_id: int) -> Done | Retry | Failed:
        """Remove a log; Done also if it is not there, or goes by itself."""
        ...
