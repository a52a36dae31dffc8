"""One suite over the embedded workload management system, as it is, and served in both forms of PanDA's API."""
from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harvester_hpc.model.facility import Facility
from harvester_hpc.ports.communicator import Communicator
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.contracts.wms import WmsContract
from harvester_local.communicator import LocalCommunicator
from harvester_local.served.server import ServedSystem, Service
from harvester_panda.communicator import PandaCommunicator


def _context(folder: Path) -> Context:
    return Context(instance="test", tag="abcde", state_dir=folder, facility=Facility(name="here", scheduler="local"))


class _OverTheEmbeddedSystem(WmsContract):
    """Jobs are put in behind the communicator's back."""

    @pytest.fixture
    def system(self, tmp_path: Path) -> LocalCommunicator:
        return LocalCommunicator(LocalCommunicator.Settings(folder=str(tmp_path)), _context(tmp_path))

    @pytest.fixture(autouse=True)
    def _keep(self, system: LocalCommunicator) -> None:
        self.behind = system

    def add_jobs(self, communicator: Any, n: int) -> Sequence[int]:
        return self.behind.submit_jobs([{"executable": "/bin/true", "outputs": ["out.{PandaID}"]}] * n)

    def add_event_job(self, communicator: Any, ranges: int) -> int:
        return self.behind.submit_job({"executable": "/bin/true", "events": {"ranges": ranges, "attempts": 3}})


class TestEmbedded(_OverTheEmbeddedSystem):
    @pytest.fixture
    def communicator(self, system: LocalCommunicator) -> Communicator:
        return system


class _Served(_OverTheEmbeddedSystem):
    service = Service()

    @pytest.fixture
    def communicator(self, tmp_path: Path) -> Iterator[Communicator]:
        with ServedSystem(tmp_path, self.service) as served:
            made = PandaCommunicator(PandaCommunicator.Settings(url=served.url, read_s=30.0), _context(tmp_path))
            yield made
            made.close()


class TestServedV1(_Served):
    service = Service(old=True)


class TestServedInTheOldForm(_Served):
    service = Service(v1=False, old=True)
