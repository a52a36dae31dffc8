"""An emulated PBS with room for all workers of an instance."""
from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from harvester_hpc.testing.schedulers.emulated import Emulated, usual


@contextmanager
def emulated_pbs(folder: Path) -> Iterator[Emulated]:
    """Run one in ``folder`` while the context lasts."""
    pbs = Emulated(folder, "pbs", replace(usual("pbs"), cpus=8))
    pbs.guard()
    pbs.start()
    try:
        yield pbs
    finally:
        pbs.stop()
