"""The batch script of a worker: what the template is filled with.

The script's own output (``batch.log`` in the access point) is a few lines; what payloads print goes to files that the
launcher caps, so the log needs no cap of its own.
"""
from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from harvester_hpc.model.worker import MapType, Worker
from harvester_hpc.ports.context import Context
from harvester_psij.directives import slurm_directives, slurm_options
from harvester_psij.launch_line import cores_per_node, launch_line, tasks_of

TEMPLATE = Path(__file__).parent / "templates" / "worker.mustache"

SLURM_IDENTITY = ('batch_id="$SLURM_JOB_ID"', 'restart="${SLURM_RESTART_COUNT:-0}"')

# With its start time and host a process number names one process for ever.
LOCAL_IDENTITY = (
    'read -r stat < "/proc/$$/stat"',
    "stat=(${stat##*)})",
    'batch_id="$$.${stat[19]}@$(uname -n)"',
    "restart=0",
)

#: What the launcher does, where that is not one job.
WAYS: Mapping[MapType, str] = {MapType.MANY_TO_ONE: "multijob", MapType.NO_JOB: "pull"}
#: Seconds after which a late worker gives the login node up that should have answered, be it that there are no jobs.
ANSWER_S = 60.0

IMPORTED_ON_THE_NODE = ("harvester_hpc", "harvester_launch")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptExtras:
    """What the queue's own section adds to the facility.

    Attributes:
        attributes: options of the submit command, None for one without a value.
        container: argv put before the interpreter.
        pilot: argv of a pilot wrapper that runs in place of the job's own command; empty for none.
        source_roots: folders that make our packages importable on the node; empty if they are installed there.
    """

    attributes: Mapping[str, str | None] = field(default_factory=dict)
    container: tuple[str, ...] = ()
    pilot: tuple[str, ...] = ()
    source_roots: tuple[str, ...] = ()


def source_roots() -> tuple[str, ...]:
    """Return the folders from which this process would import what runs on the node, without importing it."""
    roots: list[str] = []
    for name in IMPORTED_ON_THE_NODE:
        spec = find_spec(name)
        for place in (spec.submodule_search_locations or []) if spec else []:
            roots.append(str(Path(place).resolve().parent))
    return tuple(dict.fromkeys(roots))


def program(worker: Worker, python: str, extras: ScriptExtras, late_wait_s: float = 0.0) -> list[str]:
    """Return the argv of the launcher inside the allocation, on each of the nodes where it runs.

    Args:
        late_wait_s: seconds for which the login node lets a late worker wait for a job.
    """
    many = worker.map_type is MapType.MANY_TO_ONE
    return [
        *extras.container, python or sys.executable, "-m", "harvester_launch", WAYS.get(worker.map_type, "single"),
        "--access-point", worker.access_point, "--walltime", str(worker.plan.walltime_s),
        *(_of_node(worker) if many else ()),
        *(("--late", str(math.ceil(late_wait_s + ANSWER_S))) if worker.late else ()),
        *(f"--wrapper={argument}" for argument in extras.pilot),
    ]


def _of_node(worker: Worker) -> list[str]:
    memory = ["--memory-mb", str(worker.plan.ram_mb)] if worker.plan.ram_mb else []
    return ["--cores", str(cores_per_node(worker.plan)), *memory]


def script_values(worker: Worker, context: Context, extras: ScriptExtras) -> dict[str, object]:
    """Return what the template needs; every value is quoted for the shell already."""
    facility = context.facility
    slurm = facility.scheduler == "slurm"
    late_wait_s = context.queue.late_wait_s if context.queue else 0.0
    line = launch_line(facility.launcher, tasks_of(worker), program(worker, facility.python, extras, late_wait_s))
    return {
        "directives": slurm_directives(slurm_options(worker, facility, extras.attributes)) if slurm else [],
        "slurm": slurm,
        "worker_id": str(worker.id),
        "instance": " ".join(context.instance.split()),
        "identity": list(SLURM_IDENTITY if slurm else LOCAL_IDENTITY),
        "access_point": shlex.quote(worker.access_point),
        "requeue": facility.requeue,
        "doorbell": _doorbell(worker, context),
        "variables": [f"{name}={shlex.quote(value)}" for name, value in _variables(worker, context).items()]
        + ['HARVESTER_BATCH_ID="$batch_id"'],
        "prologue": list(facility.prologue),
        "epilogue": list(facility.epilogue),
        "python_path": [shlex.quote(":".join(extras.source_roots))] if extras.source_roots else [],
        "launch_line": shlex.join(line),
    }


def _variables(worker: Worker, context: Context) -> dict[str, str]:
    return {
        "HARVESTER_ID": context.instance,
        "HARVESTER_WORKER_ID": str(worker.id),
        "HARVESTER_ACCESS_POINT": worker.access_point,
        "HARVESTER_MAPTYPE": str(worker.map_type),
        "HARVESTER_NNODE": str(worker.plan.nodes),
        "HARVESTER_NTASKS": str(worker.plan.nodes),
    }


def _doorbell(worker: Worker, context: Context) -> list[dict[str, str]]:
    """Return the folder that tells which workers have news, and this worker's button in it."""
    if context.queue is None or not context.queue.access_root:
        return []
    folder = f"{context.queue.access_root}/.doorbell"
    return [{"folder": shlex.quote(folder), "button": shlex.quote(f"{folder}/{worker.id}")}]
