"""Fakes of every port, for tests of agents, of plugins and for benchmarks: in memory, instant, safe for threads."""
from __future__ import annotations

from harvester_hpc.testing.fake_batch import BatchSettings, FakeBatch, InstantMonitor, InstantSubmitter, InstantSweeper
from harvester_hpc.testing.fake_carrier import DepotSettings, FakeCarrier, FakeCopier
from harvester_hpc.testing.fake_clock import FakeClock
from harvester_hpc.testing.fake_communicator import FakeCommunicator
from harvester_hpc.testing.fake_log_exposer import FakeLogExposer
from harvester_hpc.testing.fake_messenger import FakeMessenger
from harvester_hpc.testing.fake_staging import InstantPreparator, InstantStager
from harvester_hpc.testing.fake_throttler import FakeThrottler
from harvester_hpc.testing.fake_worker_maker import FixedWorkerMaker
from harvester_hpc.testing.faults import Faults

__all__ = [
    "BatchSettings",
    "DepotSettings",
    "FakeBatch",
    "FakeCarrier",
    "FakeClock",
    "FakeCommunicator",
    "FakeCopier",
    "FakeLogExposer",
    "FakeMessenger",
    "FakeThrottler",
    "Faults",
    "FixedWorkerMaker",
    "InstantMonitor",
    "InstantPreparator",
    "InstantStager",
    "InstantSubmitter",
    "InstantSweeper",
]
