"""The methods of the server as a table: what each is called, and how its old form differs.

Source: the v1 API of panda-server 1.0, and /server/panda of panda-server up to 0.8.
"""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Verb(StrEnum):
    """How a method of the v1 API is asked for."""

    GET = "GET"
    POST = "POST"


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """What the server says: whether it worked, why not, and the answer itself."""

    success: bool
    message: str = ""
    data: Any = None


class ShapeError(ValueError):
    """An answer of another shape than the method has."""


def _coded(answer: Any) -> Envelope:
    """Read {"StatusCode": 0, ...}."""
    if not isinstance(answer, dict) or not isinstance(answer.get("StatusCode"), int):
        raise ShapeError("it has no StatusCode")
    return Envelope(success=answer["StatusCode"] == 0, message=str(answer.get("errorDialog") or answer["StatusCode"]), data=answer)


def _coded_data(key: str) -> Callable[[Any], Envelope]:
    def read(answer: Any) -> Envelope:
        envelope = _coded(answer)
        return Envelope(success=envelope.success, message=envelope.message, data=answer.get(key))
    return read


def _pair(answer: Any) -> Envelope:
    """Read [true, answer]."""
    if not isinstance(answer, list) or len(answer) != 2 or not isinstance(answer[0], bool):
        raise ShapeError("it is no pair")
    return Envelope(success=answer[0], message="" if answer[0] else str(answer[1]), data=answer[1])


def _bulk(answer: Any) -> Envelope:
    """Read [true, [{"type": "json", "content": text}, ...]] as the v1 API has it."""
    outer = _pair(answer)
    if not outer.success:
        return outer
    if not isinstance(outer.data, list):
        raise ShapeError("it holds no list")
    return Envelope(success=True, data=[_item(one) for one in outer.data])


def _item(one: Any) -> dict[str, Any]:
    try:
        content = json.loads(one["content"])
    except (KeyError, TypeError, ValueError):
        said = one.get("content") if isinstance(one, dict) else one
        return {"success": False, "message": str(said), "data": None}
    good = isinstance(content, dict) and content.get("StatusCode") in (0, None)
    return {"success": good, "message": "" if good else str(content), "data": content}


def _bare(answer: Any) -> Envelope:
    return Envelope(success=True, data=answer)


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method.

    Attributes:
        path: below ``/api/v1/``.
        old: below ``/server/panda/``.
        names: {argument: its name in the old form}, where they differ.
        packed: arguments that the old form wants as a JSON text.
        repeatable: doing it twice is as good as once.
        read_old: from the old form's answer to ours.
    """

    verb: Verb
    path: str
    old: str
    names: Mapping[str, str] = field(default_factory=dict)
    packed: frozenset[str] = frozenset()
    repeatable: bool = True
    read_old: Callable[[Any], Envelope] = _coded


_HARVESTER = {"harvester_id": "harvesterID"}
_EVENTS = {"job_id": "pandaID", "jobset_id": "jobsetID", "task_id": "taskID", "n_ranges": "nRanges"}

HEARTBEAT = Method(
    verb=Verb.POST, path="harvester/heartbeat", old="harvesterIsAlive", names=_HARVESTER, packed=frozenset({"data"}), read_old=_pair,
)
ACQUIRE_JOBS = Method(
    verb=Verb.POST, path="pilot/acquire_jobs", old="getJob", repeatable=False, names={
        "site_name": "siteName", "prod_source_label": "prodSourceLabel", "computing_element": "computingElement", "n_jobs": "nJobs",
        "scheduler_id": "schedulerID", "resource_type": "resourceType", "memory": "mem", "disk_space": "diskSpace",
        "remaining_time": "remainingTime", "task_id": "taskID", "job_type": "jobType", "prod_user_id": "prodUserID",
    },
)
UPDATE_JOBS = Method(
    verb=Verb.POST, path="pilot/update_jobs_bulk", old="updateJobsInBulk", names={"job_list": "jobList"}, packed=frozenset({"job_list"}),
    read_old=_bulk,
)
JOB_STATUS = Method(verb=Verb.GET, path="job/get_status", old="checkJobStatus", names={"job_ids": "ids"}, read_old=_coded_data("data"))
ACQUIRE_RANGES = Method(verb=Verb.POST, path="event/acquire_event_ranges", old="getEventRanges", names=_EVENTS, repeatable=False)
UPDATE_RANGES = Method(
    verb=Verb.POST, path="event/update_event_ranges", old="updateEventRanges", names={"event_ranges": "eventRanges"},
)
RANGE_STATUSES = Method(
    verb=Verb.GET, path="event/get_event_range_statuses", old="get_events_status", names={"job_task_ids": "ids"}, read_old=_bare,
)
RANGES_LEFT = Method(
    verb=Verb.GET, path="event/get_available_event_range_count", old="checkEventsAvailability", names=_EVENTS,
    read_old=_coded_data("nEventRanges"),
)
COMMANDS = Method(
    verb=Verb.POST, path="harvester/acquire_commands", old="getCommands", repeatable=False, read_old=_coded_data("Commands"),
)
ACKNOWLEDGE = Method(verb=Verb.POST, path="harvester/acknowledge_commands", old="ackCommands", packed=frozenset({"command_ids"}))
UPDATE_WORKERS = Method(
    verb=Verb.POST, path="harvester/update_workers", old="updateWorkers", names=_HARVESTER, packed=frozenset({"workers"}), read_old=_pair,
)
WORKER_STATISTICS = Method(
    verb=Verb.POST, path="harvester/report_worker_statistics", old="reportWorkerStats_jobtype",
    names={**_HARVESTER, "panda_queue": "siteName", "statistics": "paramsList"}, read_old=_pair,
)
DIALOGS = Method(
    verb=Verb.POST, path="harvester/add_dialogs", old="addHarvesterDialogs", names=_HARVESTER, packed=frozenset({"dialogs"}),
    read_old=_pair,
)
METRICS = Method(
    verb=Verb.POST, path="harvester/update_service_metrics", old="updateServiceMetrics", names=_HARVESTER, packed=frozenset({"metrics"}),
    read_old=_pair,
)
CURRENT_WORKER = Method(verb=Verb.GET, path="harvester/get_current_worker_id", old="get_max_worker_id", read_old=_bare)
RESOURCE_TYPES = Method(verb=Verb.GET, path="metaconfig/get_resource_types", old="getResourceTypes", read_old=_bare)
UPLOAD_LOG = Method(verb=Verb.POST, path="file_server/upload_jedi_log", old="uploadLog", read_old=_bare)
