"""What is started in the allocation of a worker: which launcher of ours, with which arguments, and how many of it."""
from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence

from harvester_hpc.model.worker import MapType, Worker
from harvester_psij.launch_line import Tasks, cores_per_node
from harvester_psij.yoda_settings import YodaSettings, options_of

SINGLE, MULTIJOB, PULL, YODA, CHECK = "single", "multijob", "pull", "yoda", "check"
#: What a queue may start; the first is the default.
WAYS: Mapping[MapType, tuple[str, ...]] = {
    MapType.ONE_TO_ONE: (SINGLE, YODA, CHECK),
    MapType.ONE_TO_MANY: (YODA, SINGLE, CHECK),
    MapType.MANY_TO_ONE: (MULTIJOB,),
    MapType.NO_JOB: (PULL,),
}
#: The ways whose copies are ranks of one MPI program.
OF_RANKS = frozenset({YODA, CHECK})
#: The ways that ask for jobs when they are there (late binding).
ASKING = frozenset({SINGLE, MULTIJOB})
#: Seconds after which a late worker gives the login node up that should have answered, be it that there are no jobs.
ANSWER_S = 60.0


def way_of(map_type: MapType, launch: str, pilot: Sequence[str]) -> str:
    """Return what is started: as the section says, else by mapType. A pilot speaks the letters itself, those of event ranges too."""
    if launch:
        return launch
    return SINGLE if pilot and map_type is MapType.ONE_TO_MANY else WAYS[map_type][0]


def tasks_of(worker: Worker, way: str, yoda: YodaSettings) -> Tasks:
    """Return how often it is started: of many jobs once on every node, over MPI several times, else once on the first."""
    plan = worker.plan
    cores = cores_per_node(plan)
    if way in OF_RANKS:
        # Yoda and one Droid at least.
        per_node = max(yoda.ranks_per_node, 2 if plan.nodes == 1 and way == YODA else 1)
        return Tasks(nodes=plan.nodes, per_node=per_node, cores_per_node=cores, gpus_per_node=plan.gpus_per_node, ranks=True)
    if way == MULTIJOB:
        return Tasks(nodes=plan.nodes, cores_per_node=cores, gpus_per_node=plan.gpus_per_node, apart=True)
    return Tasks(cores_per_node=cores, gpus_per_node=plan.gpus_per_node)


def salvage(worker: Worker, python: str) -> list[str]:
    """Return the argv that tells what yoda has done and not told, after its end; it needs no MPI."""
    return [python or sys.executable, "-m", "harvester_launch", YODA, "--access-point", worker.access_point, "--salvage"]


def tied(python: str) -> list[str]:
    """Return the argv put before a launcher that must not outlive the batch script: on this machine nobody else ends it."""
    return [python or sys.executable, "-m", "harvester_launch", "tied"]


def program(
    worker: Worker, python: str, way: str, tasks: Tasks, pilot: Sequence[str], yoda: YodaSettings, late_wait_s: float = 0.0
) -> list[str]:
    """Return the argv of the launcher inside the allocation, the same for each copy of it.

    Args:
        late_wait_s: seconds for which the login node lets a late worker wait for a job.
    """
    argv = [python or sys.executable, "-m", "harvester_launch", way, "--access-point", worker.access_point]
    if way == CHECK:
        return [*argv, "--ranks", str(tasks.number), "--cores-per-node", str(tasks.cores_per_node)]
    argv += ["--walltime", str(worker.plan.walltime_s)]
    if way == YODA:
        gpus = ["--gpus-per-node", str(tasks.gpus_per_node)] if yoda.gpus_per_payload else []
        return [*argv, "--ranks", str(tasks.number), "--cores-per-node", str(tasks.cores_per_node), *gpus, *options_of(yoda)]
    if way == MULTIJOB:
        memory = ["--memory-mb", str(worker.plan.ram_mb)] if worker.plan.ram_mb else []
        argv += ["--cores", str(tasks.cores_per_node), *memory]
    if worker.late:
        argv += ["--late", str(math.ceil(late_wait_s + ANSWER_S))]
    return argv + [f"--wrapper={argument}" for argument in pilot]
