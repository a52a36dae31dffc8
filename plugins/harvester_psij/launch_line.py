"""How a program is started inside an allocation: one function returns the argv."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from harvester_hpc.model.worker import MapType, Worker, WorkerPlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Tasks:
    """How many copies are started.

    Attributes:
        nodes: on how many nodes, >= 1.
        per_node: copies on each of them, >= 1.
        cores: cores of each copy, >= 1.
        gpus_per_node: GPUs on each node.
        apart: a copy that fails, or its node, ends no other.
    """

    nodes: int = 1
    per_node: int = 1
    cores: int = 1
    gpus_per_node: int = 0
    apart: bool = False


def one_task(plan: WorkerPlan) -> Tasks:
    """Return the tasks of a launcher that runs once, on the first node, and has all of it."""
    return Tasks(cores=cores_per_node(plan), gpus_per_node=plan.gpus_per_node)


def one_task_a_node(plan: WorkerPlan) -> Tasks:
    """Return the tasks of a launcher that runs once on each node, and has all of it."""
    return Tasks(nodes=plan.nodes, cores=cores_per_node(plan), gpus_per_node=plan.gpus_per_node, apart=True)


def tasks_of(worker: Worker) -> Tasks:
    """Return how often the launcher of a worker runs: of many jobs, on every node."""
    return one_task_a_node(worker.plan) if worker.map_type is MapType.MANY_TO_ONE else one_task(worker.plan)


def cores_per_node(plan: WorkerPlan) -> int:
    """Return the cores that a worker uses on each of its nodes, rounded up."""
    return max(1, -(-plan.cores // max(1, plan.nodes)))


def _single(tasks: Tasks) -> list[str]:
    return []


def _srun(tasks: Tasks) -> list[str]:
    line = [
        "srun",
        f"--nodes={tasks.nodes}",
        f"--ntasks={tasks.nodes * tasks.per_node}",
        f"--ntasks-per-node={tasks.per_node}",
        f"--cpus-per-task={tasks.cores}",  # since 22.05 srun does not take it from the batch job
        "--overlap",                       # a payload may use srun itself
        "--export=ALL",                    # the batch job's own --export=NONE would empty the step's environment
    ]
    if tasks.apart:
        line += ["--kill-on-bad-exit=0", "--wait=0", "--no-kill"]
    return line + ([f"--gpus-per-node={tasks.gpus_per_node}"] if tasks.gpus_per_node else [])


def _mpiexec(tasks: Tasks) -> list[str]:
    return ["mpiexec", "-n", str(tasks.nodes * tasks.per_node)]


LAUNCHERS: Mapping[str, Callable[[Tasks], list[str]]] = {"single": _single, "srun": _srun, "mpiexec": _mpiexec}


def launch_line(launcher: str, tasks: Tasks, program: Sequence[str]) -> list[str]:
    """Return the argv that starts ``program`` under the facility's launcher.

    Raises:
        KeyError: the launcher is not one of LAUNCHERS.
    """
    return [*LAUNCHERS[launcher](tasks), *program]
