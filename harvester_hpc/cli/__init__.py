"""The command line: ``harvester-hpc``."""
from __future__ import annotations

import sys


def main() -> None:
    """Run one command and leave with its exit code."""
    from harvester_hpc.cli.frame import run

    sys.exit(run(sys.argv[1:]))
