"""An event range: its states, and what a worker may say of it."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NewType

from harvester_hpc.model.lifecycle import Lifecycle

EventId = NewType("EventId", int)
"""Number of an event range's row in the store; grows with each lease."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLoad:
    """What is left to do of a job's event ranges, as far as anybody knows.

    Attributes:
        left: ranges that are not done; None: only the workload management system knows.
        core_s: core-seconds of one range; None: the job does not say, and no worker has shown it.
        cores: cores of one payload, >= 1: so many are busy with a range.
    """

    left: int | None = None
    core_s: float | None = None
    cores: int = 1


class EventState(StrEnum):
    """Whose turn it is. A range that is not final belongs to one agent, as a job does."""

    LEASED = "leased"      # event_feeder: ours, and with no worker
    FED = "fed"            # messenger: a worker has it
    FINISHED = "finished"  # stager: done, its output is to be zipped
    ZIPPED = "zipped"      # stager: its output is in a zip that is on its way
    STAGED = "staged"      # propagator: done and safe, to be told
    FAILED = "failed"      # propagator: to be told; the system may give it another attempt
    FATAL = "fatal"        # propagator: to be told; no other attempt will help
    DONE = "done"          # told as finished
    DROPPED = "dropped"    # told as failed or fatal
    RETURNED = "returned"  # not tried here: the system takes it back when it hears the end of the job


WORKER_SAYS = frozenset({
    EventState.LEASED, EventState.FINISHED, EventState.ZIPPED, EventState.STAGED, EventState.FAILED, EventState.FATAL,
})

EVENT_LIFECYCLE: Lifecycle[EventState] = Lifecycle(
    "event range",
    {
        # from leased to an end: the late word of the worker that held it last, or the end of the job
        EventState.LEASED: (WORKER_SAYS - {EventState.LEASED}) | {EventState.FED, EventState.RETURNED},
        # back to leased: its worker is dead, or gave it back
        EventState.FED: WORKER_SAYS | {EventState.RETURNED},
        EventState.FINISHED: frozenset({EventState.ZIPPED, EventState.FAILED, EventState.RETURNED}),
        EventState.ZIPPED: frozenset({EventState.STAGED, EventState.FAILED, EventState.RETURNED}),
        EventState.STAGED: frozenset({EventState.DONE, EventState.DROPPED}),  # dropped: the system does not want it any more
        EventState.FAILED: frozenset({EventState.DROPPED}),
        EventState.FATAL: frozenset({EventState.DROPPED}),
        EventState.DONE: frozenset(),
        EventState.DROPPED: frozenset(),
        EventState.RETURNED: frozenset(),
    },
)

#: States of which the workload management system is to be told, and as what (PanDA's words).
EVENT_TOLD_AS: Mapping[EventState, str] = {
    EventState.STAGED: "finished", EventState.FAILED: "failed", EventState.FATAL: "fatal",
}
#: With us, and not yet where the propagator can tell of it.
UNDER_WAY = (EventState.LEASED, EventState.FED, EventState.FINISHED, EventState.ZIPPED)


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRange:
    """A range as it was leased.

    Attributes:
        range_id: eventRangeID of the workload management system; unique within its job, of any form.
        first, last: its events, both inclusive; None where the system says something else.
        origin: what it shares with others (LFN, GUID, scope, ...), with PanDA's names.
    """

    id: EventId = EventId(0)
    range_id: str
    first: int | None = None
    last: int | None = None
    origin: Mapping[str, Any]

    def as_dictionary(self) -> dict[str, Any]:
        """Return what a worker is given."""
        events = {} if self.first is None else {"startEvent": self.first, "lastEvent": self.last}
        return {"eventRangeID": self.range_id, **events, **self.origin}


@dataclass(frozen=True, slots=True, kw_only=True)
class EventWord:
    """What a worker says of a range.

    Attributes:
        after: one of ``WORKER_SAYS``; leased: it gives the range back untried.
        path: where its output lies; "" if it has none (or lies in ``zip_path``).
        zip_path: the zip that the worker itself has made of it and others; "" for none.
        size: bytes of the output or zip; None if unknown.
        checksum: of the zip, ``ad:...``; "" if unknown.
    """

    range_id: str
    after: EventState
    path: str = ""
    size: int | None = None
    zip_path: str = ""
    checksum: str = ""
    cores: int | None = None
    cpu_s: float | None = None
    why: str = ""

    def __post_init__(self) -> None:
        """Refuse what no worker can say."""
        if self.after not in WORKER_SAYS:
            EVENT_LIFECYCLE.check(EventState.FED, self.after)


def has_events(params: Mapping[str, Any]) -> bool:
    """Tell whether a job works on event ranges.

    Source: getJob reply: ``eventService`` is "True" for event service and jumbo jobs, and not there for others.
    """
    return str(params.get("eventService", "")).lower() == "true"
