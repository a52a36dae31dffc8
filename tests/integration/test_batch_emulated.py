"""The contract of submitter, monitor and sweeper over PSI/J at emulated batch systems (over the real Slurm: test_psij_slurm.py)."""
from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harvester_hpc.testing.contracts.batch import BatchSite, MonitorContract, SubmitterContract, SweeperContract
from harvester_hpc.testing.contracts.batch_faults import FaultContract
from harvester_hpc.testing.contracts.batch_system import (
    ForgettingContract,
    OperatorContract,
    OutageContract,
    PreemptionContract,
    RefusalContract,
)
from harvester_hpc.testing.schedulers.behaviour import Behaviour
from harvester_hpc.testing.schedulers.emulated import Emulated
from harvester_hpc.testing.schedulers.operator import EmulatedOperator
from tests.psij_site import psij_site

Systems = Callable[[str], Emulated]
STRANGERS = {"slurm": "99999999", "pbs": "99999999.pbs-01.example.org", "pbs_classic": "99999999.pbs-01.example.org", "lsf": "99999999"}


@pytest.fixture(scope="session")
def systems(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Systems]:
    """Return what starts the emulated batch system of a dialect, once."""
    started: dict[str, Emulated] = {}

    def system(dialect: str) -> Emulated:
        if dialect not in started:
            server = "pbs-01.example.org" if dialect.startswith("pbs") else "cluster"
            # No batch system starts a requeued job within the second.
            behaviour = Behaviour(dialect=dialect, server=server, kill_wait_s=1.0, requeue_delay_s=1.1)
            started[dialect] = Emulated(tmp_path_factory.mktemp(dialect), dialect, behaviour)
            started[dialect].guard()
            started[dialect].start()
        return started[dialect]

    yield system
    for one in started.values():
        one.stop()


class All(
    SubmitterContract, MonitorContract, SweeperContract, OperatorContract, ForgettingContract, PreemptionContract, RefusalContract,
    OutageContract, FaultContract,
):
    """Every promise, at one emulated batch system."""

    dialect = ""

    @pytest.fixture
    def emulated(self, systems: Systems, monkeypatch: pytest.MonkeyPatch) -> Iterator[Emulated]:
        emulated = systems(self.dialect)
        monkeypatch.setenv("PATH", emulated.environment["PATH"])
        yield emulated
        emulated.heal()

    @pytest.fixture
    def operator(self, emulated: Emulated) -> EmulatedOperator:
        return EmulatedOperator(emulated)

    @pytest.fixture
    def site(self, emulated: Emulated, tmp_path: Path) -> BatchSite:
        site = psij_site(tmp_path, self.dialect, grace_s=1.0)
        site.stranger = STRANGERS[self.dialect]
        return site

    @pytest.fixture
    def impatient(self, emulated: Emulated, tmp_path: Path) -> BatchSite:
        (tmp_path / "impatient").mkdir()
        return psij_site(tmp_path / "impatient", self.dialect, timeout_s=1.0, grace_s=1.0)

    @pytest.fixture
    def again(self, emulated: Emulated, tmp_path: Path) -> BatchSite:
        return psij_site(tmp_path, self.dialect, requeue=True)


@pytest.mark.xdist_group("emulated slurm")
class TestSlurm(All):
    dialect = "slurm"


@pytest.mark.xdist_group("emulated pbs")
class TestPbs(All):
    dialect = "pbs"


@pytest.mark.xdist_group("emulated pbs_classic")
class TestTorque(All):
    dialect = "pbs_classic"


@pytest.mark.xdist_group("emulated lsf")
class TestLsf(All):
    dialect = "lsf"
