"""Some kills around submission and its answer over emulated PBS; ``python -m tests.crash --site pbs-generic`` does thousands."""
from __future__ import annotations

from pathlib import Path

import pytest

from harvester_hpc.testing.schedulers.behaviour import Fault
from tests.crash.emulation import emulated_pbs
from tests.crash.harness import torture
from tests.crash.test_kills_on_slurm import POINTS

#: Answers that do not arrive, of which the batch system knows better.
FAULTS = (Fault(kind="fail after", commands=("qsub",), times=1), Fault(kind="silent", commands=("qsub",), times=1))


@pytest.mark.slow
def test_kills_over_pbs_lose_and_double_nothing(tmp_path: Path) -> None:
    with emulated_pbs(tmp_path / "pbs") as pbs:
        pbs.fail(*FAULTS)
        found = torture(tmp_path, kills=6, seed=20261121, jobs=4, site="pbs-generic", environment=pbs.environment, points=POINTS)
        names = [job.request.name for job in pbs.jobs()]
    assert found.kills >= 6
    assert found.wrong == []
    assert set(found.states) == {"finished"}
    assert set(found.executions.values()) == {1}
    # As PBS itself counts: each worker is one batch job, and there is no other.
    assert sorted(names) == sorted(found.keys)
