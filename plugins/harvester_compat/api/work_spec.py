"""A worker, as such plugins see it."""
from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Mapping
from typing import Any

from harvester_compat.api.spec_base import SpecBase

_PLACE = re.compile(r"\$\{([A-Za-z\d_.]+)\}")


class WorkSpec(SpecBase):
    """One worker."""

    # statuses
    ST_submitted, ST_running, ST_finished, ST_failed, ST_ready = "submitted", "running", "finished", "failed", "ready"
    ST_cancelled, ST_idle, ST_missed, ST_pending = "cancelled", "idle", "missed", "pending"
    ST_LIST = (ST_submitted, ST_running, ST_finished, ST_failed, ST_ready, ST_cancelled, ST_idle, ST_missed)
    # how jobs and workers belong together
    MT_NoJob, MT_OneToOne, MT_MultiJobs, MT_MultiWorkers = "NoJob", "OneToOne", "ManyToOne", "OneToMany"
    # event ranges
    EV_noEvents, EV_useEvents, EV_requestEvents = 0, 1, 2

    attributesWithTypes = (
        "workerID:integer", "batchID:text", "mapType:text", "queueName:text", "status:text", "hasJob:integer", "workParams:blob",
        "workAttributes:blob", "eventsRequestParams:blob", "eventsRequest:integer", "computingSite:text", "creationTime:timestamp",
        "submitTime:timestamp", "startTime:timestamp", "endTime:timestamp", "nCore:integer", "walltime:timestamp", "accessPoint:text",
        "modificationTime:timestamp", "lastUpdate:timestamp", "eventFeedTime:timestamp", "lockedBy:text", "postProcessed:integer",
        "nodeID:text", "minRamCount:integer", "maxDiskCount:integer", "maxWalltime:integer", "killTime:timestamp", "computingElement:text",
        "nJobsToReFill:integer", "logFilesToUpload:blob", "jobType:text", "resourceType:text", "nativeExitCode:integer",
        "nativeStatus:text", "diagMessage:text", "nJobs:integer", "submissionHost:text", "configID:integer", "syncLevel:integer",
        "checkTime:timestamp", "ioIntensity:integer", "harvesterHost:text", "pilotType:text", "eventFeedLock:text", "errorCode:integer",
        "errorDiag:text",
    )

    accessPoint: Any
    status: Any
    startTime: Any
    endTime: Any
    workParams: Any
    workAttributes: Any

    def __init__(self) -> None:
        for name, value in (
            ("isNew", False), ("nextLookup", False), ("jobspec_list", None), ("pandaid_list", None), ("new_status", False),
            ("pilot_closed", False),
        ):
            object.__setattr__(self, name, value)
        super().__init__()
        self.pack({"workParams": {}, "workAttributes": {}})

    # -- its folder ----------------------------------------------------------------------------------------

    def get_access_point(self) -> str:
        """Return its folder, with placeholders filled; unknown ones stay."""
        self.accessPoint = _PLACE.sub(self._filled, self.accessPoint or "")
        return str(self.accessPoint)

    getAccessPoint = get_access_point

    def _filled(self, found: re.Match[str]) -> str:
        name = found[1]
        if name.startswith("_"):  # ${_workerID_3.2}: two digits, from the third one from behind
            name, _, digits = name[1:].rpartition("_")
            place, _, length = digits.partition(".")
            value = str(getattr(self, name, ""))
            start = len(value) - int(place or 0)
            return value[max(0, start):max(0, start) + int(length or 1)] or "0" * int(length or 1)
        return str(getattr(self, name)) if hasattr(self, name) else found[0]

    # -- its jobs --------------------------------------------------------------------------------------------

    def set_jobspec_list(self, jobspec_list: Iterable[Any] | None) -> None:
        """Take its jobs."""
        object.__setattr__(self, "jobspec_list", None if jobspec_list is None else list(jobspec_list))

    def get_jobspec_list(self) -> Any:
        """Return its jobs; None if it has none."""
        return self.jobspec_list

    def convert_to_job_status(self, status: str | None = None) -> tuple[str, str]:
        """Return (status, sub-status) of its jobs."""
        own = self.status if status is None else status
        if own in (self.ST_submitted, self.ST_ready):
            return "starting", own
        if own in (self.ST_finished, self.ST_failed, self.ST_cancelled):
            return own, "to_transfer"
        return (self.ST_missed, own) if own == self.ST_missed else ("running", own)

    # -- its state --------------------------------------------------------------------------------------------

    def set_status(self, value: str) -> None:
        """Take a status."""
        if self.status != value:
            object.__setattr__(self, "new_status", True)
        self.status = value

    def is_final_status(self) -> bool:
        """Tell whether it has come to an end."""
        return self.status in (self.ST_finished, self.ST_failed, self.ST_cancelled, self.ST_missed)

    def set_start_time(self, force: bool = False) -> None:
        """It starts now."""
        if self.startTime is None or force:
            self.startTime = _now()

    def set_end_time(self) -> None:
        """It ends now."""
        if self.endTime is None:
            self.endTime = _now()

    def trigger_next_lookup(self) -> None:
        """It is to be looked at soon."""
        object.__setattr__(self, "nextLookup", True)

    trigger_propagation = disable_propagation = trigger_next_lookup

    def set_pilot_closed(self) -> None:
        """The pilot has closed itself; its jobs may be tried again."""
        object.__setattr__(self, "pilot_closed", True)

    def set_dialog_message(self, msg: Any) -> None:
        """Say what is to be known of it."""
        if msg is not None:
            self.diagMessage = _line(msg)

    def set_pilot_error(self, error_code: int, error_diag: Any) -> None:
        """Say why it has failed, in the codes of the pilot."""
        self.set_work_attributes({"pilotErrorCode": error_code, "pilotErrorDiag": _line(error_diag)})

    def set_supplemental_error(self, error_code: int, error_diag: Any) -> None:
        """Say why it has failed, in the codes of Harvester."""
        self.errorCode, self.errorDiag = error_code, _line(error_diag)

    # -- what belongs to it -------------------------------------------------------------------------------------

    def set_work_params(self, data: Mapping[str, Any] | None) -> None:
        """Add parameters."""
        if data:
            self.workParams = {**_mapping(self.workParams), **data}

    def get_work_params(self, name: str) -> tuple[bool, Any]:
        """Return whether there is such a parameter, and its value."""
        known = _mapping(self.workParams)
        return name in known, known.get(name)

    def has_work_params(self, name: str) -> bool:
        """Tell whether there is such a parameter."""
        return name in _mapping(self.workParams)

    def set_work_attributes(self, data: Mapping[Any, Any] | None) -> None:
        """Add what it tells."""
        if data:
            self.workAttributes = {**_mapping(self.workAttributes), **data}

    def get_work_attribute(self, name: str) -> Any:
        """Return one of what it tells; None if it is not there."""
        return _mapping(self.workAttributes).get(name)

    def has_work_attribute(self, name: str) -> bool:
        """Tell whether it tells this."""
        return name in _mapping(self.workAttributes)

    def update_log_files_to_upload(self, *arguments: Any) -> None:
        """Nothing to do: logs are published by the instance."""

    def set_log_file(self, log_type: str, stream: Any) -> None:
        """Take where a log is: ``stdout``, ``stderr``, ``jdl`` or ``batch_log``; an address or a path."""
        keys = {"stdout": "stdOut", "stderr": "stdErr", "jdl": "jdl"}
        self.set_work_attributes({keys.get(log_type, "batchLog"): stream})

    def get_changed_attributes(self) -> dict[str, Any]:
        """Return what was changed."""
        return dict(self.changedAttrs)

    def set_attributes_with_dict(self, attr_dict: Mapping[str, Any]) -> None:
        """Take values of attributes."""
        for name, value in attr_dict.items():
            setattr(self, name, value)


def _mapping(value: Any) -> dict[Any, Any]:
    return dict(value) if isinstance(value, Mapping) else {}


def _line(words: Any) -> str:
    return " ".join(str(words).split())[:500]


def _now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
