"""By hand: ``python -m tests.crash --kills 1000``: thousands of kills, and a table of what was found."""
from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.crash.harness import torture


def main() -> int:
    """Run and print; 1 if anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--jobs", type=int, default=12, help="jobs of each instance (12)")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--site", default="local", choices=["local", "slurm-generic"])
    chosen = parser.parse_args()
    print(f"seed {chosen.seed}")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="harvester-crash-") as folder:
        found = torture(Path(folder), kills=chosen.kills, seed=chosen.seed, jobs=chosen.jobs, site=chosen.site)
    print(f"kills {found.kills}  jobs {sum(found.states.values())}  {dict(found.states)}  {time.monotonic() - begin:.0f} s")
    print(f"executions: {sum(found.executions.values())} of {len(found.executions)} jobs; wrong: {len(found.wrong)}")
    for one in found.wrong:
        print(" ", one)
    return 1 if found.wrong else 0


if __name__ == "__main__":
    sys.exit(main())
