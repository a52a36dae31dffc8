"""The limits and labels of a queue as ``config show --resolved`` has them, in the words of the files."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harvester_hpc.model.limits import Quota, TypeLimits
from harvester_hpc.model.queue import Queue


def limits_shown(queue: Queue) -> dict[str, Any]:
    """Return all members of ``QuotaSettings`` and ``LabelSettings``, and the status."""
    limits = queue.limits
    return {
        "queueStatus": queue.status.value,
        **_ratio("nQueueLimitJob", limits.jobs), **_units("nQueueLimitJobCores", limits.job_cores),
        **_ratio("nQueueLimitWorker", limits.workers), **_units("nQueueLimitWorkerCores", limits.worker_cores),
        **_units("nQueueLimitWorkerMemory", limits.worker_memory),
        "resourceTypeLimits": {name: _type(one) for name, one in limits.types.items()},
        "dynamicPartition": False if limits.shares is None else dict(limits.shares) or True,
        "prodSourceLabelRandomWeightsPermille": dict(queue.label_weights), "prioritizedProdSourceLabels": list(queue.labels_first),
    }


def _ratio(name: str, quota: Quota) -> Mapping[str, int | None]:
    least, most = (None, None) if quota.ratio is None else (quota.least, quota.most)
    return {f"{name}Ratio": quota.ratio, f"{name}Min": least, f"{name}Max": most}


def _units(name: str, quota: Quota) -> Mapping[str, int | None]:
    return {name: quota.limit, f"{name}Ratio": quota.ratio, f"{name}Min": None if quota.ratio is None else quota.least}


def _type(limits: TypeLimits) -> dict[str, int | None]:
    return {
        "jobs": limits.jobs, "queuedWorkers": limits.queued_workers, "workers": limits.workers, "cores": limits.cores,
        "memoryMB": limits.memory_mb,
    }
