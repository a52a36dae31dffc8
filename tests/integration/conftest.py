"""A real Slurm for the tests that need one; see README.md beside this file."""
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from harvester_hpc.testing.slurm import Cluster

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
