"""The older form, ``/server/panda/<method>``, over the methods of the v1 API: other names, texts for everything, other answers."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harvester_local.served.items import NUMBERS, WHOLES
from harvester_local.served.system import BreaksError, SaysNoError


def _integer(text: str) -> int:
    return int(text)


def _truth(text: str) -> bool:
    return text.lower() == "true"


def _ids(text: str) -> list[int]:
    return [int(one) for one in text.split(",")]


@dataclass(frozen=True, slots=True, kw_only=True)
class OldMethod:
    """A method of the v1 API in its older form: {old name: (name, reader)}, and what its answer becomes (None: it said no)."""

    path: str
    names: Mapping[str, tuple[str, Callable[[str], Any]]] = field(default_factory=dict)
    answer: Callable[[Any], Any] = lambda data: {"StatusCode": 0}
    no: Callable[[str], Any] = lambda message: {"StatusCode": 30, "errorDialog": message}


def _pair_no(message: str) -> Any:
    return [False, message]


def _bulk(data: Any) -> Any:
    return [True, [{"type": "json", "content": json.dumps(one["data"] if one["data"] is not None else {"StatusCode": 50})} for one in data]]


_OLD_ITEMS = {
    "jobId": "job_id", "state": "job_status", "attemptNr": "attempt_nr", "siteName": "site_name", "jobSubStatus": "job_sub_status",
    "batchID": "batch_id", "schedulerID": "scheduler_id", "pilotID": "pilot_id", "transExitCode": "trans_exit_code",
    "pilotErrorCode": "pilot_error_code", "pilotErrorDiag": "pilot_error_diag", "exeErrorCode": "exe_error_code",
    "exeErrorDiag": "exe_error_diag", "jobMetrics": "job_metrics", "nEvents": "n_events", "nInputFiles": "n_input_files",
    "startTime": "start_time", "endTime": "end_time", "coreCount": "core_count", "cpuConsumptionTime": "cpu_consumption_time",
    "cpuConsumptionUnit": "cpu_consumption_unit", "cpuConversionFactor": "cpu_conversion_factor", "pilotTiming": "pilot_timing",
    "pilotLog": "pilot_log", "metaData": "meta_data", "xml": "job_output_report", "maxRSS": "max_rss", "meanCoreCount": "mean_core_count",
}


def _items(text: str) -> list[dict[str, Any]]:
    """Read reports: strings are taken for numbers there."""
    items = []
    for given in json.loads(text):
        item = {_OLD_ITEMS.get(name, name): value for name, value in given.items()}
        for name in item:
            if name in WHOLES and isinstance(item[name], str):
                item[name] = int(item[name])
            if name in NUMBERS and isinstance(item[name], str):
                item[name] = float(item[name])
        items.append(item)
    return items


_EVENTS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "pandaID": ("job_id", _integer), "jobsetID": ("jobset_id", _integer), "taskID": ("task_id", _integer),
    "nRanges": ("n_ranges", _integer), "scattered": ("scattered", _truth),
}
_WHO: Mapping[str, tuple[str, Callable[[str], Any]]] = {"harvesterID": ("harvester_id", str), "harvester_id": ("harvester_id", str)}

OLD: Mapping[str, OldMethod] = {
    "harvesterIsAlive": OldMethod(
        path="harvester/heartbeat", names={**_WHO, "data": ("data", json.loads)}, answer=lambda data: [True, data], no=_pair_no),
    "getJob": OldMethod(
        path="pilot/acquire_jobs", names={
            **_WHO, "siteName": ("site_name", str), "node": ("node", str), "prodSourceLabel": ("prod_source_label", str),
            "computingElement": ("computing_element", str), "nJobs": ("n_jobs", _integer), "schedulerID": ("scheduler_id", str),
            "resourceType": ("resource_type", str),
        }, answer=lambda data: data, no=lambda message: {"StatusCode": 20, "errorDialog": "no jobs in PanDA"}),
    "updateJobsInBulk": OldMethod(
        path="pilot/update_jobs_bulk", names={**_WHO, "jobList": ("job_list", _items)}, answer=_bulk, no=_pair_no),
    "checkJobStatus": OldMethod(
        path="job/get_status", names={"ids": ("job_ids", _ids)}, answer=lambda data: {"StatusCode": 0, "data": data}),
    "getEventRanges": OldMethod(
        path="event/acquire_event_ranges", names=_EVENTS,
        answer=lambda data: {"StatusCode": 0, "eventRanges": data if isinstance(data, list) else data["eventRanges"]}),
    "updateEventRanges": OldMethod(
        path="event/update_event_ranges", names={"eventRanges": ("event_ranges", str), "version": ("version", _integer)},
        answer=lambda data: {"StatusCode": 0, "Returns": data["Returns"], "Command": data["Commands"]}),
    "get_events_status": OldMethod(
        path="event/get_event_range_statuses", names={"ids": ("job_task_ids", str)}, answer=lambda data: data),
    "checkEventsAvailability": OldMethod(
        path="event/get_available_event_range_count", names=_EVENTS, answer=lambda data: {"StatusCode": 0, "nEventRanges": data}),
    "getCommands": OldMethod(
        path="harvester/acquire_commands", names={**_WHO, "n_commands": ("n_commands", _integer)},
        answer=lambda data: {"StatusCode": 0, "Commands": data}),
    "ackCommands": OldMethod(path="harvester/acknowledge_commands", names={"command_ids": ("command_ids", json.loads)}),
    "updateWorkers": OldMethod(
        path="harvester/update_workers", names={**_WHO, "workers": ("workers", json.loads)}, answer=lambda data: [True, data], no=_pair_no),
    "reportWorkerStats_jobtype": OldMethod(
        path="harvester/report_worker_statistics", names={**_WHO, "siteName": ("panda_queue", str), "paramsList": ("statistics", str)},
        answer=lambda data: [True, "OK"], no=_pair_no),
    "addHarvesterDialogs": OldMethod(
        path="harvester/add_dialogs", names={**_WHO, "dialogs": ("dialogs", json.loads)}, answer=lambda data: [True, ""], no=_pair_no),
    "updateServiceMetrics": OldMethod(
        path="harvester/update_service_metrics", names={**_WHO, "metrics": ("metrics", json.loads)}, answer=lambda data: [True, ""],
        no=_pair_no),
    "get_max_worker_id": OldMethod(
        path="harvester/get_current_worker_id", names=_WHO, answer=lambda data: data, no=lambda message: None),
    "getResourceTypes": OldMethod(path="metaconfig/get_resource_types", answer=lambda data: data),
}


def answered(method: OldMethod, call: Callable[..., Any], given: Mapping[str, str], *, one_return_more: bool) -> Any:
    """Return the old form's answer to a call.

    Raises:
        BreaksError: the handler breaks.
    """
    arguments = {name: read(given[old]) for old, (name, read) in method.names.items() if old in given}
    try:
        data = call(**arguments)
    except SaysNoError as no:
        return method.no(str(no))
    except TypeError as error:
        raise BreaksError(str(error)) from error
    answer = method.answer(data)
    if one_return_more and isinstance(answer, dict) and "Returns" in answer:
        answer["Returns"].append(False)
    return answer
