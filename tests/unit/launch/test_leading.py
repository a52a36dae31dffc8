"""Rank 0 burns no allocation: it ends when nothing can be done any more, and gives back what it has."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.messenger.shared_file import SharedFileMessenger
from harvester_hpc.messenger.values import AccessPoint
from harvester_launch.assignment import Assignment
from harvester_launch.journal import TOLD, journal_of
from harvester_launch.leading import Leading
from harvester_launch.ledger import Ledger, Place, Told
from harvester_launch.mailbox import Mailbox, open_box
from harvester_launch.master import Master
from harvester_launch.publishing import Publisher
from harvester_launch.signals import Told as Signalled
from harvester_launch.yoda_options import YodaOptions

JOB = 5
#: Seconds that are left in these tests; whoever waits for their end is found out.
LEFT_S = 60.0


class OneDroid:
    """A Droid that has done at once what it is given, and says that a range takes it ``mean_s`` seconds."""

    def __init__(self, mean_s: float, at_end: Callable[[], None] | None = None) -> None:
        self.rank, self.size = 0, 2
        self._at_end = at_end
        self._mean_s = mean_s
        self._messages: list[tuple[int, Any]] = [(1, ("join", 1))]
        self.given: list[int] = []

    def send(self, rank: int, message: Any) -> None:
        match message:
            case ("work", groups):
                numbers = [row[0] for _, _, rows in groups for row in rows]
                self.given += numbers
                done = [(number, "", 0, "", "", self._mean_s) for number in numbers]
                self._messages.append((rank, ("report", done, [], self._mean_s)))
            case ("end",):
                if self._at_end is None:
                    self._messages.append((rank, ("bye", 0.0, 0.0)))
                    return
                self._at_end()  # and it hangs

    def receive(self) -> list[tuple[int, Any]]:
        messages, self._messages = self._messages, []
        return messages

    def lost(self) -> set[int]:
        return set()

    def settle(self, seconds: float) -> bool:
        return True

    def part(self) -> None:
        """Nothing to leave."""


@pytest.fixture
def point(tmp_path: Path) -> AccessPoint:
    root = tmp_path / "access"
    made = AccessPoint(root=root, path=root / "7", instance="here", worker_id=7, job_ids=(JOB,))
    SharedFileMessenger().setup_access_points([made])
    return made


@pytest.fixture
def lead(point: AccessPoint) -> Callable[..., Leading]:
    def made(world: OneDroid, options: YodaOptions, ends: float | None) -> Leading:
        ledger = Ledger()
        ledger.add(JOB, [Told(f"r{number}", number, number, "{}") for number in range(10)])
        mailbox = Mailbox(point.path, {JOB: Assignment(job_id=JOB, folder=point.path)}, box=open_box(point.path))
        journal = journal_of(point.path, TOLD, "run", 0)
        publisher = Publisher(ledger, mailbox, journal, lambda: None, options.publish_count, options.publish_s)
        return Leading(world, options, Master(ledger, ends=ends), mailbox, publisher, Signalled(), (JOB,))

    return made


def test_a_worker_ends_when_no_range_would_end_in_time(point: AccessPoint, lead: Callable[..., Leading]) -> None:
    began, world = time.monotonic(), OneDroid(mean_s=10 * LEFT_S)
    leading = lead(world, YodaOptions(access_point=point.path, grace_s=0.0), began + LEFT_S)
    leading.run()
    assert time.monotonic() - began < LEFT_S / 2 and "in time" in leading.why
    done = len(world.given)
    assert 0 < done < 10 and leading.master.ledger.counts[Place.RETURNED] == 10 - done
    told = SharedFileMessenger().collect(point).event_updates[JOB]
    assert sorted(one.event_range_id for one in told if one.event_status == "ready") == [f"r{number}" for number in range(done, 10)]


def test_a_worker_whose_results_nobody_reads_ends_after_its_idle_time(point: AccessPoint, lead: Callable[..., Leading]) -> None:
    options = YodaOptions(access_point=point.path, grace_s=0.0, idle_s=0.2, unread_limit=1)
    began = time.monotonic()
    leading = lead(OneDroid(mean_s=0.001), replace(options, unread_limit=0), began + LEFT_S)
    leading.run()
    assert time.monotonic() - began < LEFT_S / 2
    assert "not read" in leading.why and leading.master.ledger.counts[Place.RETURNED] == 10


def test_results_are_told_before_a_rank_that_hangs_is_waited_for(point: AccessPoint, lead: Callable[..., Leading]) -> None:
    messenger, told = SharedFileMessenger(), list[str]()

    def look() -> None:
        told.extend(one.event_range_id for one in messenger.collect(point).files)
        told.extend(one.event_range_id for one in messenger.collect(point).event_updates.get(JOB, ()))

    options = YodaOptions(access_point=point.path, grace_s=0.0, publish_s=LEFT_S)
    lead(OneDroid(10 * LEFT_S, look), options, time.monotonic() + 1.0).run()
    assert "r0" in told
