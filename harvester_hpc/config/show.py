"""A configuration as it was understood, in the words of its files: what ``config show`` prints."""
from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from harvester_hpc.config.queue_file import LOG_EXPOSER, NOBODY, THROTTLER
from harvester_hpc.config.show_facility import shown_facility
from harvester_hpc.config.show_limits import limits_shown
from harvester_hpc.config.values import AgentSettings, Configuration, CredentialConfiguration, QueueConfiguration
from harvester_hpc.model.queue import InputCache, Queue, Resources

_SECRET = re.compile(r"token|passw|passphrase|secret|(private|api|access)[_-]?key", re.IGNORECASE)
_SECRET_IS_ELSEWHERE = re.compile(r"(file|path|dir|name|origin)$", re.IGNORECASE)


def show(configuration: Configuration) -> dict[str, Any]:
    """Return the resolved values as plain JSON.

    It could be a harvester.json again (without ``extends``: the facility is told in full), but for the members
    ``home``, ``tag``, ``files`` and ``warnings``, and plain dollar signs, which a file doubles. Values of settings
    that look like a secret are not shown.
    """
    return {
        "home": str(configuration.home),
        "tag": configuration.tag,
        "files": [*map(str, configuration.files), *configuration.remote],
        "warnings": list(configuration.warnings),
        "instance": configuration.instance,
        "stateDir": str(configuration.state_dir),
        "facility": shown_facility(configuration.facility),
        "bigpandamon": configuration.bigpandamon,
        "communicator": _plain(configuration.communicator),
        "credentials": {name: _credential(one) for name, one in configuration.credentials.items()},
        "agents": _agents(configuration.agents),
        "queues": {name: _queue(queue) for name, queue in configuration.queues.items()},
    }


def _credential(one: CredentialConfiguration) -> dict[str, Any]:
    hours = {"renewBeforeHours": one.renew_before_s / 3600, "warnBeforeHours": one.warn_before_s / 3600}
    return {**_plain(one.section), **hours}


def _agents(agents: AgentSettings) -> dict[str, Any]:
    return {
        **{name: {"period": period} for name, period in agents.period_s.items()},
        "heartbeat": agents.heartbeat_s,
        "batch": agents.batch,
        "pool": agents.pool,
        "leaseLimit": agents.lease_limit_s,
        "leaseBeat": agents.lease_beat_s,
    }


def _queue(configuration: QueueConfiguration) -> dict[str, Any]:
    queue = configuration.queue
    said = {kind: _plain(section) for kind, section in configuration.sections.items()}
    sections = {LOG_EXPOSER: {"name": NOBODY}, THROTTLER: None, **said}
    sections["messenger"]["accessPoint"] = queue.access_point
    return {
        "prodSourceLabel": queue.label,
        "siteName": queue.site,
        "resourceType": queue.resource_type or "ANY",
        "getJobCriteria": None if queue.criteria is None else dict(queue.criteria),
        "nQueueLimitJob": queue.limit_jobs,
        "nQueueLimitWorker": queue.limit_queued_workers,
        "maxWorkers": queue.max_workers,
        "maxNewWorkersPerCycle": queue.max_new_workers,
        **limits_shown(queue),
        "maxSubmissionAttempts": queue.max_submissions,
        "mapType": queue.map_type.value,
        "useJobLateBinding": queue.late,
        "lateBindingWait": queue.late_wait_s,
        "maxWorkersPerJobInTotal": queue.workers_per_job_in_total,
        "maxWorkersPerJobPerCycle": queue.workers_per_job_per_cycle,
        "prefetchEvents": queue.prefetch_events,
        "initEventsMultiplier": queue.events_multiplier,
        "scatteredEvents": queue.scattered_events,
        "zipPerMB": queue.zip_mb,
        "allowJobMixture": queue.mixture,
        "truePilot": queue.true_pilot,
        "noHeartbeat": sorted(queue.no_heartbeat),
        "runMode": "slave" if queue.slave else "self",
        "resources": _resources(queue.resources),
        "pollInterval": queue.poll_s,
        "workerQueueTimeLimit": queue.queue_time_limit_s,
        "workerHeartbeat": None if queue.heartbeat_limit_s is None else queue.heartbeat_limit_s / 60,
        **_kept(queue),
        "inputCache": _cache(queue.cache),
        "transferPatience": queue.transfer_patience_s / 3600,
        "common": _plain(configuration.common),
        **sections,
    }


def _resources(resources: Resources) -> dict[str, Any]:
    return {
        "batchQueue": list(resources.batch_queues) or resources.batch_queue,
        "nodes": resources.nodes,
        "walltime": resources.walltime_s,
        "coresPerNode": resources.cores_per_node,
        "memoryMB": resources.memory_mb,
        "gpusPerNode": resources.gpus_per_node,
    }


def _cache(cache: InputCache) -> dict[str, Any]:
    return {
        "folder": cache.folder,
        "limitMB": cache.limit // 1_000_000,
        "maxFiles": cache.limit_files,
        "highMB": cache.high // 1_000_000,
        "lowMB": cache.low // 1_000_000,
    }


def _kept(queue: Queue) -> dict[str, float]:
    return {f"keep{state.capitalize()}": seconds / 3600 for state, seconds in (queue.keep_s or {}).items()}


def _plain(value: Any, key: str = "") -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(member, name) for name, member in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(member, key) for member in value]
    if isinstance(value, str) and value and _SECRET.search(key) and not _SECRET_IS_ELSEWHERE.search(key):
        return "(not shown)"
    return value
