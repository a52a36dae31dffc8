"""What a batch script asks of Slurm: ``#SBATCH`` lines."""
from __future__ import annotations

import re
from collections.abc import Mapping

from harvester_hpc.model.facility import BatchQueue, Facility, NodeShape
from harvester_hpc.model.worker import MapType, Worker, WorkerPlan
from harvester_psij.launch_line import cores_per_node

BATCH_LOG = "batch.log"
PLAIN = re.compile(r"[A-Za-z0-9@%+=:,./_^*\[\]-]+")


def batch_queue(worker: Worker, facility: Facility) -> BatchQueue | None:
    """Return the facility's queue for a worker: the one it names, else the first; None if the facility lists none."""
    found = facility.batch_queue(worker.batch_queue)
    return BatchQueue(name=worker.batch_queue) if found is None and worker.batch_queue else found


def slurm_options(worker: Worker, facility: Facility, extra: Mapping[str, str | None]) -> dict[str, str | None]:
    """Return the options of sbatch, {name: value}, None for one without a value.

    Args:
        extra: options of the queue's own; they go before the facility's, and those before ours.
    """
    plan, queue = worker.plan, batch_queue(worker, facility)
    node = facility.node_of(queue)
    options: dict[str, str | None] = {
        "job-name": worker.key,
        "nodes": str(plan.nodes),
        "ntasks-per-node": "1",
        "cpus-per-task": str(cores_per_node(plan) * node.threads_per_core),
        "time": str(max(1, -(-plan.walltime_s // 60))),  # minutes, rounded up
    }
    if plan.ram_mb:
        options["mem"] = f"{plan.ram_mb}M"
    options |= gpu_options(plan, node)
    if queue and queue.destination:
        options["partition"] = queue.destination
    if queue and queue.qos:
        options["qos"] = queue.qos
    if facility.account:
        options["account"] = facility.account
    if worker.map_type is MapType.MANY_TO_ONE and plan.nodes > 1:
        options["no-kill"] = None  # what runs on the other nodes goes on when one is lost
    options["export"] = "NONE"  # the daemon's environment holds secrets
    options["requeue" if facility.requeues(queue) else "no-requeue"] = None
    options["chdir"] = worker.access_point
    # % starts a pattern in this one option.
    options["output"] = f"{worker.access_point}/{BATCH_LOG}".replace("%", "%%")
    options["open-mode"] = "append"
    return options | facility.attributes_of(queue) | dict(extra)


def gpu_options(plan: WorkerPlan, node: NodeShape) -> dict[str, str | None]:
    """Return the option of sbatch that asks for GPUs, as the site wants it; {} where none is asked for."""
    if not plan.gpus_per_node or node.gpu_option == "none":
        return {}
    name, _, value = (node.gpu_option or "gpus-per-node={gpus}").partition("=")
    return {name: value.replace("{gpus}", str(plan.gpus_per_node))}


def slurm_directives(options: Mapping[str, str | None]) -> list[str]:
    """Return one ``#SBATCH`` line an option; a name of one letter is written ``-C value``."""
    return [f"#SBATCH {_option(name, value)}" for name, value in options.items()]


def _option(name: str, value: str | None) -> str:
    dashes, joint = ("-", " ") if len(name) == 1 else ("--", "=")
    return f"{dashes}{name}" if value is None else f"{dashes}{name}{joint}{quoted(value)}"


def quoted(value: str) -> str:
    """Return a value as sbatch reads it from a script; its rules are not the shell's (no expansion, # starts a comment)."""
    if PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
