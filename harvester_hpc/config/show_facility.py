"""A facility as it was understood, in the words of its file."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harvester_hpc.config.batch_queue_file import NodeSettings, node_shape
from harvester_hpc.model.facility import BatchQueue, Facility, JobLimits, NodeShape
from harvester_hpc.model.surroundings import FileSystem, Login, Network


def shown_facility(facility: Facility) -> dict[str, Any]:
    """Return a facility as JSON; it could stand in a facility file."""
    return {
        "name": facility.name,
        "title": facility.title,
        "scheduler": facility.scheduler,
        "launcher": facility.launcher,
        "launcherPath": facility.launcher_path,
        "launchOptions": list(facility.launch_options),
        "launchTemplate": list(facility.launch_template),
        "mpi": facility.mpi,
        "binding": facility.binding,
        "queues": [shown_batch_queue(queue) for queue in facility.queues],
        "node": shown_node(facility.node),
        "workDir": facility.work_dir,
        "account": facility.account,
        "accountRequired": facility.account_required,
        "accountLike": facility.account_like,
        "modules": list(facility.modules),
        "environment": dict(facility.environment),
        "prologue": list(facility.prologue),
        "epilogue": list(facility.epilogue),
        "attributes": dict(facility.attributes),
        "chunk": dict(facility.chunk),
        "required": dict(facility.required),
        "python": facility.python,
        "requeue": facility.requeue,
        "limits": _limits(facility.limits),
        "minWalltime": facility.min_walltime_s or None,
        "network": _network(facility.network),
        "login": _login(facility.login),
        "fileSystems": [_file_system(one) for one in facility.file_systems],
        "collections": [
            {"name": one.name, "id": one.id, "path": one.path, "sees": one.sees, "gone": one.gone} for one in facility.collections
        ],
        "detect": {
            "environment": dict(facility.detection.environment),
            "hosts": list(facility.detection.hosts),
            "clusters": list(facility.detection.clusters),
        },
    }


def shown_batch_queue(queue: BatchQueue) -> dict[str, Any]:
    """Return a batch queue as JSON."""
    return {
        "name": queue.name,
        "submitTo": queue.submit_to,
        "minNodes": queue.min_nodes,
        "maxNodes": queue.max_nodes,
        "minWalltime": queue.min_walltime_s or None,
        "maxWalltime": queue.max_walltime_s,
        "qos": queue.qos,
        "bins": [
            {"minNodes": one.min_nodes, "maxNodes": one.max_nodes, "maxWalltime": one.max_walltime_s, "queue": one.queue}
            for one in queue.bins
        ],
        "limits": _limits(queue.limits),
        "preemptible": queue.preemptible,
        "requeue": queue.requeue,
        "exclusive": queue.exclusive,
        "node": None if queue.node is None else shown_node(queue.node),
        "attributes": dict(queue.attributes),
        "chunk": dict(queue.chunk),
        "production": queue.production,
    }


def shown_node(node: NodeShape) -> dict[str, Any]:
    """Return a node as JSON."""
    return {
        "cores": node.cores + node.reserved_cores,
        "reservedCores": node.reserved_cores,
        "threadsPerCore": node.threads_per_core,
        "memoryMB": node.memory_mb,
        "gpus": node.gpus,
        "gpuType": node.gpu_type,
        "gpuOption": node.gpu_option,
        "count": node.count,
    }


def node_lines(node: NodeShape) -> Iterator[str]:
    """Give what is known of a node, for people: ``56 cores (8 more are reserved)``, ``8 GPUs``, ``512000 MB``."""
    if node == node_shape(NodeSettings()):
        return
    kept = f" ({node.reserved_cores} more are reserved)" if node.reserved_cores else ""
    threads = f" of {node.threads_per_core} threads" if node.threads_per_core > 1 else ""
    yield f"{node.cores} core(s){threads}{kept}"
    if node.memory_mb:
        yield f"{node.memory_mb} MB"
    if node.gpus:
        yield f"{node.gpus} GPU(s)" + (f" {node.gpu_type}" if node.gpu_type else "")


def _limits(limits: JobLimits) -> dict[str, dict[str, int | None]]:
    return {
        whose: {what: getattr(limits, f"{what}_per_{whose}") for what in ("queued", "running", "eligible", "nodes")}
        for whose in ("user", "project")
    }


def _network(network: Network) -> dict[str, Any]:
    return {
        "computeOutbound": network.compute_outbound,
        "loginOutbound": network.login_outbound,
        "computeProxy": network.compute_proxy,
        "loginProxy": network.login_proxy,
        "noProxy": list(network.no_proxy),
    }


def _login(login: Login) -> dict[str, Any]:
    return {
        "hosts": list(login.hosts),
        "memoryMB": login.memory_mb,
        "cpuPercent": login.cpu_percent,
        "cpuMinutes": login.cpu_minutes,
        "processes": login.processes,
        "policy": login.policy,
        "ways": list(login.ways),
    }


def _file_system(one: FileSystem) -> dict[str, Any]:
    return {
        "path": one.path,
        "name": one.name,
        "quotaGB": one.quota_mb // 1000,
        "maxFiles": one.max_files,
        "purgeDays": one.purge_days,
        "purges": one.purges,
        "forJobs": one.for_jobs,
        "note": one.note,
    }
