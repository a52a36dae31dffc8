"""Reports about event ranges, as the server takes them, and what its answers say.

Source: event/update_event_ranges, version 1: ranges in groups, each with the zip that its outputs are in.
"""
from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import EVENT_OPEN, EventReply, EventReport, ZipReport
from harvester_panda.cleaning import number_of, short, whole, without_nothing
from harvester_panda.streaming import entries

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


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectStores:
    """Where zips lie, in the server's numbers: the jobs that merge them find them by these.

    Attributes:
        number: of all whose endpoint has none of its own; 0 if there is none.
        numbers: {endpoint: number}.
        path_convention: 0 for none.
    """

    number: int = 0
    numbers: Mapping[str, int] = field(default_factory=dict)
    path_convention: int = 0

    def of(self, endpoint: str) -> str:
        """Return what the server is told of a place; its name if it has no number, for without any the server breaks."""
        number = self.numbers.get(endpoint, self.number)
        return str(number) if number or not endpoint else endpoint


def groups_of(told: Sequence[Told], stores: ObjectStores) -> tuple[str, list[Told]]:
    """Return the groups as the server takes them (a JSON text), and the reports in the order in which they stand there."""
    by_zip: dict[tuple[JobId, ZipReport | None], list[Told]] = {}
    for one in told:
        by_zip.setdefault((one.job_id, one.report.zip), []).append(one)
    groups = [
        without_nothing({"eventRanges": [_range(one.report) for one in ones], "zipFile": _zip(packed, stores)})
        for (_, packed), ones in by_zip.items()
    ]
    return json.dumps(groups, allow_nan=False), [one for ones in by_zip.values() for one in ones]


def _range(report: EventReport) -> dict[str, Any]:
    return without_nothing({
        "eventRangeID": report.range_id, "eventStatus": report.status, "coreCount": whole(report.core_count),
        "cpuConsumptionTime": number_of(report.cpu_s), "errorDiag": short(report.why, 500),
    })


def _zip(packed: ZipReport | None, stores: ObjectStores) -> dict[str, Any] | None:
    if packed is None:
        return None
    kind, _, digits = packed.checksum.partition(":")
    return {
        "lfn": packed.lfn, "objstoreID": stores.of(packed.endpoint), "fsize": packed.size, "md5" if kind == "md" else "adler32": digits,
        **({"pathConvention": stores.path_convention} if stores.path_convention else {}),
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


class Wanted:
    """The ranges about which something is to be known; a server tells of all ranges of a job, which may be a million.

    Args:
        names: {job: ranges}; None: those of whose end the server has not heard.
    """

    def __init__(self, names: Mapping[JobId, Iterable[str] | None]) -> None:
        self._stems = {job_id: None if some is None else {_stem(name) for name in some} for job_id, some in names.items()}

    def takes(self, job_id: JobId, name: str, status: str) -> bool:
        """Tell whether a range is one of them, perhaps in another attempt."""
        if job_id not in self._stems:
            return False
        stems = self._stems[job_id]
        return status in EVENT_OPEN if stems is None else _stem(name) in stems


def _stem(name: str) -> str:
    """Return the name of a range without its attempt."""
    return name.rpartition("-")[0]


class Statuses:
    """What the server says of the ranges of one job.

    Args:
        names: {eventRangeID: status} of those that were wanted.
        has_any: the server knows ranges of this job, wanted or not.
    """

    def __init__(self, names: Mapping[str, str], *, has_any: bool) -> None:
        self.names = names
        self._has_any = has_any
        self._stems = {_stem(name): status for name, status in names.items()}

    def of(self, range_id: str) -> str | None:
        """Return the status of a range; None if the server does not know it.

        One that has failed and is tried again goes on under another name: the same but for the attempt at its end.
        """
        if range_id in self.names:
            return self.names[range_id]
        later = self._stems.get(_stem(range_id))
        return None if later is None else "fatal" if later == "fatal" else "failed"

    def open(self) -> dict[str, str]:
        """Return the ranges of whose end the server has not heard."""
        return {name: status for name, status in self.names.items() if status in EVENT_OPEN}

    def reply_to(self, report: EventReport) -> EventReply | None:
        """Return what follows for a report; None if the server has not heard it."""
        status = self.of(report.range_id)
        if status in EVENT_OPEN or not self._has_any:
            return None
        if status is None:
            return EventReply(taken=False, why="the job does not have this range")
        if status in AGREES[report.status]:
            return EventReply(taken=True)
        return EventReply(taken=False, why=f"the range is {status}")


def statuses_in(blocks: Iterable[bytes], wanted: Wanted, *, enveloped: bool) -> tuple[dict[str, Any], dict[JobId, dict[str, str]]]:
    """Read an answer {"10": {"5010-10-701-1-3": {"status": "finished"}}} as it arrives, and keep what is wanted.

    Args:
        enveloped: it stands as ``data`` in another object.

    Returns:
        What stood beside the data, and {job: {eventRangeID: status}}; every job that has ranges stands there.

    Raises:
        ValueError: it is none.
    """
    beside: dict[str, Any] = {}
    found: dict[JobId, dict[str, str]] = {}
    for path, value in entries(blocks, 3 if enveloped else 2):
        if enveloped and path[0] != "data":
            beside[path[0]] = value
        elif len(place := path[1:] if enveloped else path) == 2:
            _keep(found, place, value, wanted)
        elif value:
            raise ValueError(f"the statuses of ranges are {str(value)[:80]!r}")
    return beside, found


def _keep(found: dict[JobId, dict[str, str]], place: Sequence[str], value: Any, wanted: Wanted) -> None:
    number, name = place
    if not number.isdecimal():
        return
    job_id = JobId(int(number))
    names = found.setdefault(job_id, {})
    if isinstance(value, Mapping) and wanted.takes(job_id, name, str(value.get("status"))):
        names[name] = str(value.get("status"))


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
