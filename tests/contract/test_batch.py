"""The contract of submitter, monitor and sweeper, over PSI/J on this machine (over Slurm: tests/integration)."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.testing.contracts.batch import BatchSite, MonitorContract, SubmitterContract, SweeperContract
from tests.psij_site import psij_site


class Local:
    """PSI/J's local executor."""

    @pytest.fixture
    def site(self, tmp_path: Path) -> BatchSite:
        return psij_site(tmp_path, "local")


class TestLocalSubmitter(Local, SubmitterContract):
    pass


class TestLocalMonitor(Local, MonitorContract):
    pass


class TestLocalSweeper(Local, SweeperContract):
    pass
