"""A real Slurm and a real Rucio for the tests that need one; see README.md beside this file."""
from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.testing.rucio import RucioServer, ServerMissing
from harvester_hpc.testing.slurm import Cluster
from tests.conftest import lacking

# Slurm's own patience shortened, so that a test which waits for it to give up does not take half a minute.
IMPATIENT = {"MessageTimeout": "2", "SlurmdTimeout": "2", "TCPTimeout": "1", "MinJobAge": "300"}


@pytest.fixture(scope="session")
def shared_slurm(slurm_programs: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Start one cluster of two nodes for the session; it is stopped at the end of pytest, whatever ends it."""
    with Cluster(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def slurm(shared_slurm: Cluster) -> Iterator[Cluster]:
    """The shared cluster, whole and with an empty queue; a test may break it, for it is healed afterwards."""
    yield shared_slurm
    shared_slurm.heal()


@pytest.fixture
def slurm_environment(slurm: Cluster, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """The shared cluster, with this process's environment set, so that PSI/J in this process speaks to it."""
    for name, value in slurm.environment.items():
        monkeypatch.setenv(name, value)
    return slurm


@pytest.fixture
def fresh_slurm(slurm_programs: None, tmp_path: Path) -> Iterator[Cluster]:
    """A cluster of two nodes for one test alone, which gives up early: nodes after 2 s, commands after 2 s."""
    with Cluster(tmp_path / "cluster", settings=IMPATIENT) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def shared_rucio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RucioServer]:
    """Start one Rucio server for the session; skips by name (CI=true: fails) where it can neither be found nor installed."""
    try:
        with RucioServer(tmp_path_factory.mktemp("rucio") / "server") as server:
            yield server
    except ServerMissing as error:
        lacking(str(error))


@pytest.fixture
def rucio(shared_rucio: RucioServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[RucioServer]:
    """The shared Rucio server, running; a test may stop it. The surroundings say nothing of another one."""
    for name in [name for name in os.environ if name.startswith(("RUCIO_", "BEARER_TOKEN", "X509_"))]:
        monkeypatch.delenv(name)
    yield shared_rucio
    shared_rucio.start()
