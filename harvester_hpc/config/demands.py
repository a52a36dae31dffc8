"""What a facility demands of its users: an account, options that must be said, a work folder on the right file system."""
from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from harvester_hpc.config.facility_file import FacilitySettings
from harvester_hpc.config.problems import Finding
from harvester_hpc.config.queue_file import QueueSettings
from harvester_hpc.model.facility import BatchQueue, Facility
from harvester_hpc.model.queue import InputCache
from harvester_hpc.model.surroundings import FileSystem

#: Share of the time until a purge after which an unused input leaves the cache.
BEFORE_PURGE = 0.9
#: Options by which accounts are said too, in ``attributes``.
ACCOUNT_OPTIONS = ("account", "A", "P", "G")


def demand_findings(settings: FacilitySettings, facility: Facility, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Give what the facility wants and nobody has said."""
    if facility.account_required and not facility.account and not any(option in facility.attributes for option in ACCOUNT_OPTIONS):
        like = f", one like {facility.account_like}" if facility.account_like else ""
        where = '{"facility": {"account": ...}}'
        message = f"{facility.name} takes no batch job without an account{like}; say it in harvester.json: {where}"
        yield Finding(keys=("account",), message=message)
    one = file_system_of(facility, environ)
    if one is not None and not one.for_jobs:
        why = f" ({one.note})" if one.note else ""
        message = f"{facility.work_dir} lies on {one.path}, where batch jobs may not work{why}; name another folder (facility.workDir)"
        yield Finding(keys=("workDir",), message=message)


def option_demands(settings: QueueSettings, facility: Facility) -> Iterator[Finding]:
    """Give the options of the submit command that the facility wants and neither it nor the queue says."""
    for queue in _batch_queues(settings, facility):
        said = {name.removeprefix("l.") for name in (*facility.attributes_of(queue), *_own_attributes(settings))}
        for option, what in facility.required.items():
            if option.removeprefix("l.") not in said:
                where = f'{{"facility": {{"attributes": {{"{option}": ...}}}}}}'
                message = f"{facility.name} takes no batch job without the option {option} ({what}); say it in harvester.json: {where}"
                yield Finding(keys=(), message=message)


def facility_warnings(settings: FacilitySettings, facility: Facility, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Give what is possible and probably not meant."""
    if settings.retired:
        yield Finding(keys=("retired",), message=f"{settings.title or facility.name} is gone since {settings.retired}")
    if facility.account and facility.account_like and not fnmatch.fnmatchcase(facility.account, facility.account_like):
        message = f"{facility.account!r} is not like the accounts of these nodes, {facility.account_like}"
        yield Finding(keys=("account",), message=message)
    if "cores" not in settings.node.model_fields_set:
        message = 'how many cores a node has is not known: workers get 1; say it, {"facility": {"node": {"cores": ...}}}'
        yield Finding(keys=("node", "cores"), message=message)
    if facility.login.cpu_minutes and facility.login.ways and "process" not in facility.login.ways:
        ways = ", ".join(facility.login.ways)
        message = f"a process is killed there after {facility.login.cpu_minutes} minutes of CPU time; the centre knows of: {ways}"
        yield Finding(keys=("login", "cpuMinutes"), message=message)


def queue_demand_warnings(settings: QueueSettings, facility: Facility, environ: Mapping[str, str]) -> Iterator[Finding]:
    """Give what is probably not meant about a queue at this facility."""
    for queue in _batch_queues(settings, facility):
        if not queue.production:
            yield Finding(keys=("resources", "batchQueue"), message=f"batch queue {queue.name} is not meant for production")
    one = file_system_of(facility, environ)
    if one is None or not one.purge_days or not one.purges:
        return
    for key in ("keepFinished", "keepFailed", "keepCancelled", "keepMissed"):
        hours = getattr(settings, key)
        if hours > one.purge_days * 24:
            message = f"{hours:g} hours are more than files last on {one.path}, {one.purge_days} days: they are gone before"
            yield Finding(keys=(key,), message=message)


def kept_cache(cache: InputCache, facility: Facility, environ: Mapping[str, str]) -> InputCache:
    """Return a cache of inputs that keeps to its file system: no more files than the quota, and nothing as old as what is purged."""
    one = file_system_of(facility, environ, cache.folder)
    if one is None:
        return cache
    unused_s = one.purge_days * 86400 * BEFORE_PURGE if one.purges else 0.0
    return replace(cache, unused_s=unused_s, limit_files=min(cache.limit_files or one.max_files, one.max_files or cache.limit_files))


def file_system_of(facility: Facility, environ: Mapping[str, str], folder: str = "") -> FileSystem | None:
    """Return the file system of a folder (by default the work folder), the one with the longest matching path; None if none is known."""
    folder = folder or facility.work_dir
    found = [(depth, one) for one in facility.file_systems if (depth := _depth(one.path, folder, environ))]
    return max(found, key=lambda pair: pair[0])[1] if found else None


def _depth(path: str, folder: str, environ: Mapping[str, str]) -> int:
    """Return how many parts of the path ``folder`` lies below; 0 if it does not.

    ``<project>`` stands for any part, ``$NAME`` for that variable; one that is not set matches nothing.
    """
    text = re.sub(r"\$(\w+)", lambda match: environ.get(match[1], "\0"), path)
    parts, inner = PurePosixPath(text).parts, PurePosixPath(folder).parts
    if "\0" in text or len(inner) < len(parts) or not text.startswith("/"):
        return 0
    same = all(re.fullmatch(r"<[^<>]*>", one) or one == other for one, other in zip(parts, inner, strict=False))
    return len(parts) if same else 0


def _batch_queues(settings: QueueSettings, facility: Facility) -> list[BatchQueue]:
    return [queue for name in batch_queue_names(settings) if (queue := facility.batch_queue(name)) is not None]


def batch_queue_names(settings: QueueSettings) -> list[str]:
    """Return the batch queues that workers may go to, in order; [""] for the first of the facility."""
    said = settings.resources.batchQueue
    return [said] if isinstance(said, str) else list(said)


def _own_attributes(settings: QueueSettings) -> Mapping[str, Any]:
    own = (settings.submitter.model_extra or {}).get("attributes") if settings.submitter else None
    return own if isinstance(own, dict) else {}
