"""The private Slurm itself: what the other tests stand on."""
from __future__ import annotations

import pytest

from harvester_hpc.testing.slurm import Cluster, Isolation

pytestmark = pytest.mark.slurm


def test_a_step_runs_on_every_node(slurm: Cluster) -> None:
    name = "echo $SLURMD_NODENAME" if slurm.plan.isolation is Isolation.NONE else "hostname"
    done = slurm.run(["srun", "-N2", "sh", "-c", name])
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split()) == ["n1", "n2"]
