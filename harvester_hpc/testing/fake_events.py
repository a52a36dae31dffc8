"""Event ranges of a workload management system in memory."""
from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harvester_hpc.ports.communicator import EventReply, EventReport

TAKEN = EventReply(taken=True)


@dataclass(slots=True)
class FakeRange:
    """One range: its events, the number of its attempt, and how it stands."""

    number: int
    attempt: int = 1
    status: str = "ready"


class FakeEvents:
    """Ranges of some jobs, by the server's rules.

    Attributes:
        attempts: how often a range is tried at most.
        told: every report that was heard, in order, with its job.
        leases: {job: how many ranges were asked for in each call}.
    """

    def __init__(self, attempts: int = 3) -> None:
        self.attempts = attempts
        self.told: list[tuple[int, EventReport]] = []
        self.leases: dict[int, list[int]] = defaultdict(list)
        self._ranges: dict[int, dict[int, FakeRange]] = {}

    def add(self, job_id: int, number: int) -> None:
        """Give a job its ranges."""
        self._ranges[job_id] = {one: FakeRange(one) for one in range(1, number + 1)}

    def counts(self, job_id: int) -> Mapping[str, int]:
        """Return {status: number} of a job's ranges."""
        return Counter(one.status for one in self._ranges[job_id].values())

    def lease(self, job_id: int, number: int) -> Sequence[Mapping[str, Any]]:
        """ready -> sent."""
        self.leases[job_id].append(number)
        ready = [one for one in self._ranges.get(job_id, {}).values() if one.status == "ready"][:number]
        for one in ready:
            one.status = "sent"
        return [
            {"eventRangeID": _name(job_id, one), "startEvent": one.number, "lastEvent": one.number, "LFN": "EVNT.root", "GUID": "G",
             "scope": "fake"}
            for one in ready
        ]

    def take(self, job_id: int, report: EventReport) -> EventReply:
        """Hear one report."""
        self.told.append((job_id, report))
        one, attempt = self._find(job_id, report.range_id)
        if one is None:
            return EventReply(taken=False, why="unknown")
        if attempt != one.attempt or one.status != "sent":
            same = report.status == ("failed" if attempt != one.attempt else one.status)
            return TAKEN if same else EventReply(taken=False, why="not sent")
        one.status = report.status
        if report.status == "failed" and one.attempt < self.attempts:
            one.attempt, one.status = one.attempt + 1, "ready"
        return TAKEN

    def statuses(self, job_id: int, names: Sequence[str] | None) -> Mapping[str, str]:
        """Return {name: status}."""
        if names is None:
            return {_name(job_id, one): one.status for one in self._ranges.get(job_id, {}).values() if one.status == "sent"}
        found = {name: self._find(job_id, name) for name in names}
        return {name: one.status if attempt == one.attempt else "failed" for name, (one, attempt) in found.items() if one is not None}

    def _find(self, job_id: int, name: str) -> tuple[FakeRange | None, int]:
        parts = name.split("-")
        if len(parts) != 5 or parts[:3] != ["1", str(job_id), "1"] or not (parts[3].isdigit() and parts[4].isdigit()):
            return None, 0
        return self._ranges.get(job_id, {}).get(int(parts[3])), int(parts[4])


def _name(job_id: int, one: FakeRange) -> str:
    return f"1-{job_id}-1-{one.number}-{one.attempt}"
