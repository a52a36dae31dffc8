"""What a rank of the check program knows of itself: where it is, and what it may use."""
from __future__ import annotations

import os
import platform
import socket
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from harvester_launch.seats import GPU_VARIABLES

#: Variables by which launchers tell a process its rank, with those of the number of ranks; the first that is set counts.
#: Slurm's are last: a launcher of an MPI library inside Slurm passes those of the batch job on.
RANKS = (
    ("PMI_RANK", "PMI_SIZE"), ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"), ("PALS_RANKID", ""), ("ALPS_APP_PE", ""),
    ("JSM_NAMESPACE_RANK", "JSM_NAMESPACE_SIZE"), ("PMIX_RANK", ""), ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),
)
#: Variables that name a launch, the same in all its processes.
LAUNCHES = ("HARVESTER_BATCH_ID", "SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "PALS_APID", "ALPS_APP_ID")
#: Devices of GPUs, as the kernel names them.
DEVICES = ("nvidia[0-9]*", "dri/renderD*")
Facts = dict[str, Any]


def rank_in(environ: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Return (rank, number of ranks) as the launcher tells them; None for what it does not tell."""
    for name, size in RANKS:
        if environ.get(name, "").isdigit():
            return int(environ[name]), int(environ[size]) if environ.get(size, "").isdigit() else None
    return None, None


def launch_in(environ: Mapping[str, str]) -> str:
    """Return a file name that only this launch has, as far as the environment tells."""
    told = [environ[name] for name in LAUNCHES if environ.get(name)] + [environ.get("SLURM_STEP_ID", "")]
    return "".join(one if one.isalnum() or one in "._-" else "_" for one in "-".join(part for part in told if part))[:100] or "alone"


def facts(rank: int, environ: Mapping[str, str], mpi: str, devices: Path = Path("/dev")) -> Facts:
    """Return what a rank reports.

    Args:
        mpi: the MPI library, or why there is none.
    """
    return {
        "rank": rank, "host": socket.gethostname(), "pid": os.getpid(), "cores": listed(os.sched_getaffinity(0)),
        "coresUsable": len(os.sched_getaffinity(0)), "coresOfNode": os.cpu_count(), "gpus": gpus_in(devices),
        "gpuVariables": {name: environ[name] for name in GPU_VARIABLES if name in environ},
        "python": f"{platform.python_version()} {sys.executable}", "mpi": mpi,
        "harvester": {name: value for name, value in sorted(environ.items()) if name.startswith("HARVESTER_")},
    }


def gpus_in(devices: Path) -> int:
    """Return how many GPUs there are as devices; those of two kernel drivers are not added up."""
    return max(len(list(devices.glob(pattern))) for pattern in DEVICES)


def listed(numbers: Iterable[int]) -> str:
    """Return numbers as ranges: 0-3,8."""
    parts: list[list[int]] = []
    for number in sorted(numbers):
        if parts and number == parts[-1][-1] + 1:
            parts[-1] = [parts[-1][0], number]
        else:
            parts.append([number])
    return ",".join("-".join(map(str, part)) for part in parts)


def numbers_of(text: str) -> set[int]:
    """Return the numbers of such a list."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.partition("-")
        if first:
            found.update(range(int(first), int(last or first) + 1))
    return found
