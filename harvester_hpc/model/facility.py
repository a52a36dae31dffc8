"""A facility as data: what a site file says of one computing centre."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeBin:
    """Nodes of one batch job, from and to, both inclusive, and the walltime in seconds that jobs of that size may have."""

    min_nodes: int
    max_nodes: int
    max_walltime_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchQueue:
    """A queue or partition of the batch system and its limits.

    Attributes:
        min_nodes, max_nodes: nodes of one batch job, inclusive; max_nodes None: no limit known.
        max_walltime_s: seconds; None: no limit known.
        qos: quality of service to name with it; "" for none.
        bins: walltimes by the number of nodes; a number in none of them is not taken. Empty: all alike.
    """

    name: str
    min_nodes: int = 1
    max_nodes: int | None = None
    max_walltime_s: int | None = None
    qos: str = ""
    bins: tuple[NodeBin, ...] = ()

    def takes(self, nodes: int) -> bool:
        """Tell whether a batch job may have so many nodes."""
        if nodes < self.min_nodes or (self.max_nodes is not None and nodes > self.max_nodes):
            return False
        return not self.bins or any(one.min_nodes <= nodes <= one.max_nodes for one in self.bins)

    def longest_s(self, nodes: int) -> int | None:
        """Return the walltime in seconds that a batch job of so many nodes may have; None: no limit known."""
        limits = [one.max_walltime_s for one in self.bins if one.min_nodes <= nodes <= one.max_nodes][:1]
        limits += [] if self.max_walltime_s is None else [self.max_walltime_s]
        return min(limits, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeShape:
    """What one compute node has: usable cores, memory in MB (0: unknown), GPUs."""

    cores: int = 1
    memory_mb: int = 0
    gpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Facility:
    """One computing centre.

    Attributes:
        scheduler: ``local``, ``slurm``; later pbs, pbs_classic, lsf.
        launcher: how a program is started on all nodes of a worker: ``single``, ``srun``, ``mpiexec``, ...
        launcher_path: where the launcher's program lies; "" for beside the interpreter, else by its name on PATH.
        launch_options: more options of the launcher.
        launch_template: argv with fields, in place of what ``launcher`` would make; () for none.
        mpi: ``srun --mpi=``; "" for what the site has as its default.
        binding: how MPI ranks are bound: ``none``, or ``cores``: each to cores of its own.
        queues: at least one; the first is the default.
        work_dir: root of the access points, on a file system that compute nodes see; absolute.
        account: charged project; "" where none is needed.
        prologue, epilogue: lines of the batch script before and after the worker (module loads, unloads).
        attributes: extra options of the submit command, name to value; None for an option without a value.
        python: interpreter on the compute nodes that can import the launcher.
        requeue: whether the batch system may run a worker again after a node failure.
    """

    name: str
    scheduler: str
    launcher: str = "single"
    launcher_path: str = ""
    launch_options: tuple[str, ...] = ()
    launch_template: tuple[str, ...] = ()
    mpi: str = ""
    binding: str = "none"
    queues: tuple[BatchQueue, ...] = ()
    node: NodeShape = field(default_factory=NodeShape)
    work_dir: str = ""
    account: str = ""
    prologue: tuple[str, ...] = ()
    epilogue: tuple[str, ...] = ()
    attributes: Mapping[str, str | None] = field(default_factory=dict)
    python: str = ""
    requeue: bool = False
