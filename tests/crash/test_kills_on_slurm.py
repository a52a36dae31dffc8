"""Some kills around submission and its answer on a real Slurm; ``python -m tests.crash --site slurm-generic`` does thousands."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.testing.slurm import Cluster
from tests.crash.harness import torture

#: Where a kill may lose a batch job or make a second one; the other points know no batch system.
POINTS = ("intent stored", "access points fed", "submitted, not stored", "submission stored", "workers checked", "ends stored")


@pytest.mark.slurm
@pytest.mark.slow
def test_kills_on_slurm_lose_and_double_nothing(slurm_programs: None, tmp_path: Path) -> None:
    with Cluster(tmp_path / "slurm", cpus=8) as slurm:
        found = torture(tmp_path, kills=12, seed=20261121, jobs=8, site="slurm-generic", environment=slurm.environment, points=POINTS)
        names = slurm.run(["squeue", "--noheader", "--states=all", "--format=%j"]).stdout.split()
    assert found.kills >= 12
    assert found.wrong == []
    assert set(found.states) == {"finished"}
    assert set(found.executions.values()) == {1}
    # As Slurm itself counts: each worker is one batch job, and there is no other.
    assert sorted(names) == sorted(found.keys)
