"""What can go wrong with a private cluster.

    HarvesterError
    └── ClusterError          the cluster, or a part of it, does not do what was asked
        └── ProgramsMissing   Slurm or munge is not installed on this machine
"""
from __future__ import annotations

from harvester_hpc.errors import HarvesterError


class ClusterError(HarvesterError):
    """The private cluster, or a part of it, did not do what was asked."""


class ProgramsMissing(ClusterError):
    """Programs that a private cluster needs are not installed; ``programs`` names them."""

    def __init__(self, programs: tuple[str, ...]) -> None:
        super().__init__(
            f"not installed: {', '.join(programs)}",
            remedy="as root on Debian or Ubuntu: apt-get install --no-install-recommends slurm-wlm munge iproute2",
        )
        self.programs = programs
