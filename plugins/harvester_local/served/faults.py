"""Faults that a served system shows on demand, and what is odd about the servers that it stands for."""
from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum

from harvester_hpc.errors import ConfigurationError, did_you_mean


class FaultKind(StrEnum):
    """What goes wrong with one request."""

    LOST_BEFORE = "lost_before"    # the connection ends, and nothing is done
    LOST_AFTER = "lost_after"      # it is done, and the connection ends without an answer
    BROKEN_BEFORE = "500_before"
    BROKEN_AFTER = "500_after"
    BUSY = "503"
    GARBAGE = "garbage"            # done, and answered with a page of HTML
    TRUNCATED = "truncated"        # done, and half of the answer
    DELAY = "delay"                # done, and answered late


#: Those where the method is carried out.
DONE = frozenset({FaultKind.LOST_AFTER, FaultKind.BROKEN_AFTER, FaultKind.GARBAGE, FaultKind.TRUNCATED, FaultKind.DELAY})


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirks:
    """What is odd about real servers; each as panda-server 1.0.4 has it.

    Attributes:
        breaks_after_ranges: an update of event ranges is done, and answered with 500.
        bare_ranges: leased ranges are a list, and not an object that has one.
        first_heartbeat_fails: the first one of an instance is done, and answered with an error.
        joined_commands: a job that is to be killed is told "debug,tobekilled".
        one_return_more: the old form's answer to an update of ranges ends with a false of nothing.
        does_not_know: keys of reports about jobs that came with a later version.
    """

    breaks_after_ranges: bool = True
    bare_ranges: bool = True
    first_heartbeat_fails: bool = True
    joined_commands: bool = True
    one_return_more: bool = True
    does_not_know: frozenset[str] = frozenset()


class Faults:
    """Faults that are still to come; safe for several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._coming: list[tuple[FaultKind, str]] = []

    def add(self, kind: FaultKind, method: str = "", times: int = 1) -> None:
        """Let the next ``times`` requests for ``method`` ("": any) go wrong; the last part of its path is enough."""
        with self._lock:
            self._coming += [(kind, method)] * times

    def clear(self) -> None:
        """Let everything go well from now on."""
        with self._lock:
            self._coming.clear()

    def take(self, path: str) -> FaultKind | None:
        """Return what goes wrong with this request; None if nothing."""
        name = path.rpartition("/")[2]
        with self._lock:
            for number, (kind, method) in enumerate(self._coming):
                if method in ("", name):
                    del self._coming[number]
                    return kind
        return None


def fault_of(text: str) -> tuple[FaultKind, str, int]:
    """Return (kind, method, times) of ``KIND[:METHOD[:TIMES]]``.

    Raises:
        ConfigurationError: it is none.
    """
    kind, _, rest = text.partition(":")
    method, _, times = rest.partition(":")
    if kind not in list(FaultKind):
        raise ConfigurationError(f"no fault {kind!r}; there is: {', '.join(FaultKind)}{did_you_mean(kind, list(FaultKind))}")
    if times and not times.isdecimal():
        raise ConfigurationError(f"a fault is KIND[:METHOD[:TIMES]], not {text!r}")
    return FaultKind(kind), method, int(times or 1)
