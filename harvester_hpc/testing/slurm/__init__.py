"""A real Slurm of one's own, for tests and for trying: controller, nodes and munge on this machine, in one folder.

    with Cluster(Path("/tmp/slurm")) as slurm:
        print(slurm.run(["srun", "-N2", "hostname"]).stdout)

From a shell, see ``python -m harvester_hpc.testing.slurm --help``.  Needs the Debian packages slurm-wlm and munge
(tested with Slurm 22.05); neither systemd nor root.  As root, each node is a machine of its own: host name, network
address, processes and shared memory (/dev/shm) are private to it, while all other files are shared, like a parallel
file system.  For anyone else the nodes are several slurmd on one host.  Nodes may claim more CPUs than there are.
"""
from __future__ import annotations

from harvester_hpc.testing.slurm.cluster import Cluster
from harvester_hpc.testing.slurm.errors import ClusterError, ProgramsMissing
from harvester_hpc.testing.slurm.founding import missing_programs
from harvester_hpc.testing.slurm.plan import Isolation

__all__ = ["Cluster", "ClusterError", "Isolation", "ProgramsMissing", "missing_programs"]
