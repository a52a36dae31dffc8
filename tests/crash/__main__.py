"""By hand: ``python -m tests.crash --kills 1000``: thousands of kills, and a table of what was found.

``--map-type ManyToOne`` or ``OneToMany`` with ``--kill-workers``: launchers, payloads and whole workers are killed as well.
"""
from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.crash.batches import BATCH_POINTS, Batches
from tests.crash.crowds import LateJobs, ManyJobs, SharedJobs
from tests.crash.emulation import emulated_pbs
from tests.crash.harness import EVENT_POINTS, FAULT_POINTS, LATE_POINTS, Harness, torture

KINDS: dict[str, type[Harness]] = {
    "OneToOne": Harness, "ManyToOne": ManyJobs, "OneToMany": SharedJobs, "late": LateJobs, "batches": Batches,
}
#: Jobs of each instance; those that workers share are large.
JOBS = {"OneToOne": 12, "ManyToOne": 24, "OneToMany": 2, "late": 24, "batches": 12}
POINTS = {"OneToMany": EVENT_POINTS, "late": LATE_POINTS, "batches": BATCH_POINTS}


@contextmanager
def batch_system(site: str, folder: Path) -> Iterator[Mapping[str, str] | None]:
    """Give the variables of an emulated PBS in ``folder``; Slurm must run already, and is found by SLURM_CONF."""
    if site != "pbs-generic":
        yield None
        return
    with emulated_pbs(folder / "pbs") as pbs:
        yield pbs.environment


def main() -> int:
    """Run and print; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--jobs", type=int, help="jobs of each instance (12; ManyToOne 24, OneToMany 2)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--site", default="local", choices=["local", "slurm-generic", "pbs-generic"])
    parser.add_argument("--map-type", default="OneToOne", choices=list(KINDS))
    parser.add_argument("--kill-workers", action="store_true", help="kill workers, too (ManyToOne, OneToMany; local)")
    chosen = parser.parse_args()
    if chosen.kill_workers and (chosen.map_type in ("OneToOne", "batches") or chosen.site != "local"):
        parser.error("--kill-workers goes with ManyToOne or OneToMany, on the local site")
    print(f"seed {chosen.seed}")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="harvester-crash-") as folder, batch_system(chosen.site, Path(folder)) as environment:
        found = torture(
            Path(folder), kills=chosen.kills, seed=chosen.seed, jobs=chosen.jobs or JOBS[chosen.map_type], site=chosen.site,
            environment=environment, kind=KINDS[chosen.map_type], kill_workers=chosen.kill_workers,
            points=POINTS.get(chosen.map_type, FAULT_POINTS),
        )
    seconds = time.monotonic() - begin
    print(f"kills {found.kills}  strikes {found.struck}  jobs {sum(found.states.values())}  {dict(found.states)}  {seconds:.0f} s")
    print(f"executions: {sum(found.executions.values())} of {len(found.executions)} jobs  ranges {found.ranges}  wrong {len(found.wrong)}")
    for one in found.wrong:
        print(" ", one)
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
