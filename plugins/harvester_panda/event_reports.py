"""Reports about event ranges, as the server takes them, and what its answers say.

Source: event/update_event_ranges, version 1: ranges in groups, each with the zip that its outputs are in.
"""
from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import EVENT_OPEN, EventReply, EventReport, ZipReport
from harvester_panda.cleaning import number_of, short, whole, without_nothing

#: jediTaskID-PandaID-fileID-number-attempt
NAME = re.compile(r"([0-9]{1,18})-([0-9]{1,18})-[0-9]{1,18}-[0-9]{1,18}-[0-9]{1,9}")
#: What the server calls a range whose end it has taken.
AGREES: Mapping[str, frozenset[str]] = {
    "finished": frozenset({"finished", "done", "merged"}),
    "failed": frozenset({"failed", "fatal"}),
    "fatal": frozenset({"failed", "fatal"}),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One report, and the job that it is about."""

    job_id: JobId
    report: EventReport


def task_of(range_id: str) -> int | None:
    """Return the task that a range's name starts with; None if it is no name of a range."""
    found = NAME.fullmatch(range_id)
    return int(found[1]) if found else None


def problem_of(told: Told) -> str:
    """Return why a report can never be taken; "" if it can."""
    if told.report.status not in AGREES:
        return f"status {told.report.status!r} is none that can be reported"
    return "" if task_of(told.report.range_id) is not None else f"{told.report.range_id[:40]!r} is no name of a range"


def groups_of(told: Sequence[Told], object_store: int) -> tuple[str, list[Told]]:
    """Return the groups as the server takes them (a JSON text), and the reports in the order in which they stand there.

    Args:
        object_store: where zips lie whose place has no name.
    """
    by_zip: dict[tuple[JobId, ZipReport | None], list[Told]] = {}
    for one in told:
        by_zip.setdefault((one.job_id, one.report.zip), []).append(one)
    groups = [
        without_nothing({"eventRanges": [_range(one.report) for one in ones], "zipFile": _zip(packed, object_store)})
        for (_, packed), ones in by_zip.items()
    ]
    return json.dumps(groups, allow_nan=False), [one for ones in by_zip.values() for one in ones]


def _range(report: EventReport) -> dict[str, Any]:
    return without_nothing({
        "eventRangeID": report.range_id, "eventStatus": report.status, "coreCount": whole(report.core_count),
        "cpuConsumptionTime": number_of(report.cpu_s), "errorDiag": short(report.why, 500),
    })


def _zip(packed: ZipReport | None, object_store: int) -> dict[str, Any] | None:
    if packed is None:
        return None
    kind, _, digits = packed.checksum.partition(":")
    return {
        "lfn": packed.lfn, "objstoreID": packed.endpoint or str(object_store), "fsize": packed.size,
        "md5" if kind == "md" else "adler32": digits,
    }


def replies_of(data: Any, told: Sequence[Told]) -> list[EventReply | None] | None:
    """Return what the server says of each range, None where it says nothing; None if its answer does not fit.

    Source: {"Returns": [true, null, ...]}; one more than there are ranges may stand at the end.
    """
    said = data.get("Returns") if isinstance(data, Mapping) else None
    if not isinstance(said, list) or not len(told) <= len(said) <= len(told) + 1:
        return None
    return [_reply(one) for one in said[:len(told)]]


def _reply(said: Any) -> EventReply | None:
    if said is None:
        return None
    return EventReply(taken=True) if said is True else EventReply(taken=False, why="the server does not want it any more")


class Statuses:
    """What the server says of the ranges of one job.

    Args:
        names: {eventRangeID: status}.
    """

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names
        self._stems = {name.rpartition("-")[0]: status for name, status in names.items()}

    def of(self, range_id: str) -> str | None:
        """Return the status of a range; None if the server does not know it.

        One that has failed and is tried again goes on under another name: the same but for the attempt at its end.
        """
        if range_id in self.names:
            return self.names[range_id]
        later = self._stems.get(range_id.rpartition("-")[0])
        return None if later is None else "fatal" if later == "fatal" else "failed"

    def open(self) -> dict[str, str]:
        """Return the ranges of whose end the server has not heard."""
        return {name: status for name, status in self.names.items() if status in EVENT_OPEN}

    def reply_to(self, report: EventReport) -> EventReply | None:
        """Return what follows for a report; None if the server has not heard it."""
        status = self.of(report.range_id)
        if status in EVENT_OPEN or not self.names:
            return None
        if status is None:
            return EventReply(taken=False, why="the job does not have this range")
        if status in AGREES[report.status]:
            return EventReply(taken=True)
        return EventReply(taken=False, why=f"the range is {status}")


def statuses_in(data: Any) -> dict[JobId, dict[str, str]]:
    """Return {job: {eventRangeID: status}} of an answer {"10": {"5010-10-701-1-3": {"status": "finished"}}}.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(data, Mapping):
        raise ValueError("the statuses of ranges are no object")
    return {
        JobId(int(job_id)): {
            str(name): str(one["status"]) for name, one in ranges.items() if isinstance(one, Mapping) and "status" in one
        }
        for job_id, ranges in data.items() if str(job_id).isdecimal() and isinstance(ranges, Mapping)
    }


def ranges_in(data: Any) -> list[Mapping[str, Any]]:
    """Return leased ranges: servers answer with a list, or with an object that has one.

    Raises:
        ValueError: neither.
    """
    if isinstance(data, Mapping) and data.get("StatusCode") not in (0, None):
        raise ValueError(f"leasing has ended with {data.get('StatusCode')}")
    ranges = data.get("eventRanges") if isinstance(data, Mapping) else data
    if ranges is None:
        return []
    if not isinstance(ranges, list):
        raise ValueError("leased ranges are no list")
    return [one for one in ranges if isinstance(one, Mapping)]
