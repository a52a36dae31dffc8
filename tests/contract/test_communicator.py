"""The contract of communicators, over the embedded workload management system and the fake."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.communicator import Communicator, Inbox
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.contracts.communicator import CommunicatorContract
from harvester_hpc.testing.fakes import FakeCommunicator
from harvester_local.communicator import LocalCommunicator


def _context(folder: Path) -> Context:
    return Context(instance="test", tag="abcde", state_dir=folder, facility=Facility(name="here", scheduler="local"))


class TestLocalCommunicator(CommunicatorContract):
    @pytest.fixture
    def communicator(self, tmp_path: Path) -> Communicator:
        return LocalCommunicator(LocalCommunicator.Settings(), _context(tmp_path))

    def add_jobs(self, communicator: Any, n: int) -> Sequence[int]:
        found: Sequence[int] = communicator.submit_jobs([{"executable": "/bin/true", "outputs": ["out.{PandaID}"]}] * n)
        return found

    def add_event_job(self, communicator: Any, ranges: int) -> int:
        number: int = communicator.submit_job({"executable": "/bin/true", "events": {"ranges": ranges, "attempts": 3}})
        return number


class TestFakeCommunicator(CommunicatorContract):
    @pytest.fixture
    def communicator(self, tmp_path: Path) -> Communicator:
        return FakeCommunicator(FakeCommunicator.Settings(outputs=("out.{PandaID}",)), _context(tmp_path))

    def add_jobs(self, communicator: Any, n: int) -> Sequence[int]:
        found: Sequence[int] = communicator.add_jobs(n)
        return found

    def add_event_job(self, communicator: Any, ranges: int) -> int:
        (number,) = communicator.add_jobs(1, nRanges=ranges)
        return int(number)


def test_both_take_work_from_the_command_line(tmp_path: Path) -> None:
    inboxes: tuple[Inbox, ...] = (
        LocalCommunicator(LocalCommunicator.Settings(), _context(tmp_path)),
        FakeCommunicator(FakeCommunicator.Settings(), _context(tmp_path)),
    )
    for inbox in inboxes:
        job_id = inbox.submit_job({"transformation": "/bin/true"})
        inbox.kill_job(job_id)
        assert inbox.retry_job(job_id) != job_id
