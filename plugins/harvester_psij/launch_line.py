"""How a program is started inside an allocation: one pure function a launcher returns the argv.

Sources: srun(1) of Slurm 22.05; ``mpiexec -help`` of MPICH 5.0 (Hydra); mpirun(1) of Open MPI 5.0; for PALS the guides of ALCF
(Aurora, Polaris), for jsrun that of OLCF (Summit), for aprun aprun(1) of ALPS 6. Those of PALS, jsrun and aprun were never run.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.model.facility import Facility
from harvester_hpc.model.worker import WorkerPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """How many copies are started, and what they are to each other.

    Attributes:
        nodes: on how many nodes, >= 1.
        per_node: copies on each of them, >= 1.
        cores_per_node: cores of a node that are used, >= 1.
        gpus_per_node: GPUs on each node.
        apart: a copy that fails, or its node, ends no other.
        ranks: they are the ranks of one MPI program: one that dies takes the others along.
    """

    nodes: int = 1
    per_node: int = 1
    cores_per_node: int = 1
    gpus_per_node: int = 0
    apart: bool = False
    ranks: bool = False

    @property
    def number(self) -> int:
        """All copies."""
        return self.nodes * self.per_node

    @property
    def cores(self) -> int:
        """Cores of one copy, where each has its own."""
        return max(1, self.cores_per_node // self.per_node)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How the site wants it.

    Attributes:
        program: name or path of the launcher.
        bound: each MPI rank is bound to cores of its own; otherwise the ranks of a node share its cores.
        mpi: type of MPI for srun; "" for the site's default.
        threads: hardware threads of a core that Slurm counts as CPUs.
    """

    program: str
    bound: bool = False
    mpi: str = ""
    threads: int = 1


def cores_per_node(plan: WorkerPlan) -> int:
    """Return the cores that a worker uses on each of its nodes, rounded up."""
    return max(1, -(-plan.cores // max(1, plan.nodes)))


def _single(tasks: Tasks, manner: Manner) -> list[str]:
    return []


def _srun(tasks: Tasks, manner: Manner) -> list[str]:
    shared = tasks.ranks and not manner.bound
    return [
        manner.program,
        f"--nodes={tasks.nodes}",
        f"--ntasks={tasks.number}",
        f"--ntasks-per-node={tasks.per_node}",
        # Since 22.05 srun does not take the cores from the batch job; --cpus-per-task would split them.
        *(["--overcommit", "--cpu-bind=none"] if shared else [f"--cpus-per-task={tasks.cores * manner.threads}"]),
        *(["--cpu-bind=cores"] if tasks.ranks and manner.bound else []),
        "--overlap",     # a payload may use srun itself
        "--export=ALL",  # the batch job's own --export=NONE would empty the step's environment
        *(["--kill-on-bad-exit=0", "--wait=0", "--no-kill"] if tasks.apart else []),
        # A rank that is lost would let the others wait for it until the allocation ends; one that has ended well waits for nobody.
        *(["--kill-on-bad-exit=1", "--wait=0"] if tasks.ranks else []),
        *([f"--mpi={manner.mpi}"] if tasks.ranks and manner.mpi else []),
        *([f"--gpus-per-node={tasks.gpus_per_node}"] if tasks.gpus_per_node else []),
        *(["--gpu-bind=none"] if tasks.gpus_per_node and tasks.ranks else []),
    ]


def _mpiexec(tasks: Tasks, manner: Manner) -> list[str]:
    """MPICH's Hydra, and what is made of it (Intel MPI, MVAPICH)."""
    binding = f"core:{tasks.cores}" if tasks.ranks and manner.bound else "none"
    line = [manner.program, "-n", str(tasks.number), "-ppn", str(tasks.per_node), "-bind-to", binding]
    return line + (["-disable-auto-cleanup"] if tasks.apart else [])


def _openmpi(tasks: Tasks, manner: Manner) -> list[str]:
    """Open MPI 5; the batch job has one slot a node, hence OVERSUBSCRIBE."""
    bound = tasks.ranks and manner.bound
    place = f"ppr:{tasks.per_node}:node" + (f":PE={tasks.cores}" if bound else "") + ":OVERSUBSCRIBE"
    line = [manner.program, "-n", str(tasks.number), "--map-by", place, "--bind-to", "core" if bound else "none"]
    return line + (["--runtime-options", "error-nonzero-status=false"] if tasks.apart else [])


def _pals(tasks: Tasks, manner: Manner) -> list[str]:
    """HPE Cray PALS."""
    bound = tasks.ranks and manner.bound
    line = [manner.program, "-n", str(tasks.number), "--ppn", str(tasks.per_node), "--envall"]
    line += ["--depth", str(tasks.cores), "--cpu-bind", "depth"] if bound else ["--cpu-bind", "none"]
    return line + (["--no-abort-on-failure"] if tasks.apart else [])


def _jsrun(tasks: Tasks, manner: Manner) -> list[str]:
    """One resource set a node, which holds all of it; its ranks see all its GPUs."""
    bound = tasks.ranks and manner.bound
    line = [manner.program, "-n", str(tasks.nodes), "-r", "1", "-a", str(tasks.per_node), "-c", str(tasks.cores_per_node)]
    line += ["-g", str(tasks.gpus_per_node)] if tasks.gpus_per_node else []
    return [*line, "-d", "packed", "-b", f"packed:{tasks.cores}" if bound else "none"]


def _aprun(tasks: Tasks, manner: Manner) -> list[str]:
    binding = "depth" if tasks.ranks and manner.bound else "none"
    return [manner.program, "-n", str(tasks.number), "-N", str(tasks.per_node), "-d", str(tasks.cores), "-cc", binding]


LAUNCHERS: Mapping[str, Callable[[Tasks, Manner], list[str]]] = {
    "single": _single, "srun": _srun, "mpiexec": _mpiexec, "openmpi": _openmpi, "pals": _pals, "jsrun": _jsrun, "aprun": _aprun,
}
#: Programs whose name is not that of the launcher.
PROGRAMS: Mapping[str, str] = {"openmpi": "mpirun", "pals": "mpiexec"}


def manner_of(facility: Facility) -> Manner:
    """Return how the site wants it.

    An MPI that was installed with the Python of the worker brings its launcher; that one fits, whatever PATH says.
    """
    name = PROGRAMS.get(facility.launcher, facility.launcher)
    beside = Path(facility.python).with_name(name) if facility.python and facility.launcher in ("mpiexec", "openmpi") else None
    found = str(beside) if beside is not None and beside.exists() else name
    return Manner(
        program=facility.launcher_path or found, bound=facility.binding == "cores", mpi=facility.mpi,
        threads=facility.node.threads_per_core,
    )


def launch_line(facility: Facility, tasks: Tasks, program: Sequence[str]) -> list[str]:
    """Return the argv that starts ``program`` under the facility's launcher, or by its own template.

    Raises:
        KeyError: the launcher is not one of LAUNCHERS.
    """
    if facility.launch_template:
        line = filled(facility.launch_template, tasks)
    else:
        line = LAUNCHERS[facility.launcher](tasks, manner_of(facility))
    return [*line, *(facility.launch_options if line else ()), *program]


def filled(template: Sequence[str], tasks: Tasks) -> list[str]:
    """Return the site's own launch line with its fields filled in; other braces stay."""
    values = {
        "nodes": tasks.nodes, "ranks": tasks.number, "ranks_per_node": tasks.per_node, "cores_per_rank": tasks.cores,
        "cores_per_node": tasks.cores_per_node, "gpus_per_node": tasks.gpus_per_node,
    }
    line = list(template)
    for name, value in values.items():
        line = [word.replace(f"{{{name}}}", str(value)) for word in line]
    return line
