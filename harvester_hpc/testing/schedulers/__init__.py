"""Emulated batch systems for tests and for trying: their commands on PATH, over one engine that runs real processes.

    with Emulated(Path("/tmp/pbs"), "pbs") as site:
        print(site.run(["qsub", "script"]).stdout)

From a shell, see ``python -m harvester_hpc.testing.schedulers --help``. Behaviour (``engine``) stands apart from what each batch
system calls it and prints (``dialects``: slurm, pbs, pbs_classic, lsf); faults are settings (``behaviour``), changeable at run time.
"""
from __future__ import annotations
