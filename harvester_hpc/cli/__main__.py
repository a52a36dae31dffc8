"""``python -m harvester_hpc.cli``: the same as ``harvester-hpc``."""
from __future__ import annotations

from harvester_hpc.cli import main

if __name__ == "__main__":
    main()
