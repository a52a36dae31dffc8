"""A report about a job, as the server takes it.

Source: pilot/update_jobs_bulk: types are checked strictly, an unknown key is an error, diagnostics have a length; an end must say
of each file what the catalogue needs, or the job fails for the want of it.
"""
from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.file import File
from harvester_hpc.ports.communicator import JobReport
from harvester_panda.cleaning import number_of, plain_time, short, text_of, whole, without_nothing
from harvester_panda.error_codes import pilot_code

#: What can be said of a job; our other ends are a failed one with a sub-status.
STATUSES = frozenset({"running", "failed", "finished", "holding", "starting", "transferring"})
ENDS = frozenset({"failed", "finished"})
#: Characters of a text whose length the server does not say.
LONG = 4_000
#: Of the documents: the server keeps them whole.
DOCUMENT = 4 << 20
#: Of the metrics (bytes).
METRICS = 500
#: What servers say instead of "tobekilled" when the job has another attempt by now.
BAD_ATTEMPT = "badattemptnr"
#: A batch id that may change when a job gets another worker; the server kills a job whose other id is of another form.
CHANGEABLE = re.compile(r"\d{2,}")


@dataclass(frozen=True, slots=True)
class Key:
    """How an attribute is called in the v1 API, what it is, and how long a text may be (bytes)."""

    name: str
    read: Callable[[Any], Any]
    length: int = LONG


def _document(value: Any) -> str | None:
    """Return a document as JSON; None for one that is too long, for the half of it can be read by nobody."""
    text = text_of(value)
    return None if text is None or len(text) > DOCUMENT else text


def _names_of(value: Any) -> str | None:
    """Return names with commas between them."""
    return ",".join(map(str, value)) if isinstance(value, list | tuple) else text_of(value)


def _metrics(value: Any) -> str | None:
    """Return ``name=value name=value``, as many as there is room for: the server cuts in the middle of one."""
    text = " ".join(f"{name}={one}" for name, one in value.items()) if isinstance(value, Mapping) else text_of(value)
    if text is None or len(text.encode(errors="replace")) <= METRICS:
        return text
    head = text.encode(errors="replace")[:METRICS + 1].decode(errors="ignore")
    return head.rpartition(" ")[0] or None


def _texts(**names: str) -> dict[str, Key]:
    return {old: Key(new, text_of) for old, new in names.items()}


def _wholes(**names: str) -> dict[str, Key]:
    return {old: Key(new, whole) for old, new in names.items()}


def _memory() -> dict[str, Key]:
    peaks = {f"{kind}{what}": f"{kind}_{what.lower()}" for kind in ("max", "avg") for what in ("RSS", "VMEM", "SWAP", "PSS")}
    moved = {f"{kind}{what}": f"{kind}_{what.lower()}" for kind in ("tot", "rate") for what in ("RCHAR", "WCHAR", "RBYTES", "WBYTES")}
    return {old: Key(new, number_of) for old, new in {**peaks, **moved, "cpuConversionFactor": "cpu_conversion_factor"}.items()}


#: {attribute as workers and the old form call it: key of the v1 API}
KEYS: Mapping[str, Key] = {
    **_texts(
        schedulerID="scheduler_id", pilotTiming="pilot_timing", cpuConsumptionUnit="cpu_consumption_unit",
        cpuArchitectureLevel="cpu_architecture_level", grid="grid", sourceSite="source_site", destinationSite="destination_site",
        pilotLog="pilot_log", stdout="stdout", siteName="site_name",
    ),
    "node": Key("node", text_of, 128), "batchID": Key("batch_id", text_of, 80), "pilotID": Key("pilot_id", text_of, 200),
    "pilotErrorDiag": Key("pilot_error_diag", text_of, 500), "exeErrorDiag": Key("exe_error_diag", text_of, 500),
    "jobMetrics": Key("job_metrics", _metrics, METRICS), "corruptedFiles": Key("corrupted_files", _names_of),
    "jobSubStatus": Key("job_sub_status", text_of, 80),
    "startTime": Key("start_time", plain_time), "endTime": Key("end_time", plain_time),
    "metaData": Key("meta_data", _document, 4 * DOCUMENT), "xml": Key("job_output_report", _document, 4 * DOCUMENT),
    **_wholes(
        transExitCode="trans_exit_code", pilotErrorCode="pilot_error_code", exeErrorCode="exe_error_code", nEvents="n_events",
        cpuConsumptionTime="cpu_consumption_time", nInputFiles="n_input_files", coreCount="core_count", meanCoreCount="mean_core_count",
    ),
    **_memory(),
}
#: The same from the v1 API's name to the old form's.
OLD_NAMES: Mapping[str, str] = {
    **{key.name: old for old, key in KEYS.items()}, "job_id": "jobId", "job_status": "state", "attempt_nr": "attemptNr",
}
#: The report is about these, whatever a worker says.
OURS = frozenset({"siteName", "batchID", "jobSubStatus", "xml"})


def item_of(report: JobReport) -> dict[str, Any]:
    """Return a report with the names and types of the v1 API; attributes that cannot be read so are left out."""
    status, sub_status = _status(report)
    item: dict[str, Any] = {
        "job_id": int(report.job_id), "job_status": status, "attempt_nr": report.attempt,
        "job_sub_status": short(sub_status, 80), "site_name": report.site, "batch_id": _batch_id(report.batch_id),
        **_told(report.attributes),
    }
    if status in ENDS:
        item["job_output_report"] = _outputs(report)
    if status == "failed":
        item |= _trouble(report, item)
    return without_nothing(item)


def in_old_form(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item with the names of the old form."""
    return {OLD_NAMES[name]: value for name, value in item.items()}


def left_out(report: JobReport) -> list[str]:
    """Return the attributes of a report that the server has no place for."""
    return sorted(name for name in report.attributes if name not in KEYS and name != "jobStatus")


def _status(report: JobReport) -> tuple[str, str]:
    if report.status in ("cancelled", "missed"):
        return "failed", report.sub_status or report.status
    return report.status, report.sub_status


def _batch_id(batch_id: str) -> str:
    """Return what may be told: another worker of the job has another one, and only numbers may differ (123 of 123.server)."""
    found = CHANGEABLE.match(batch_id)
    return found[0][:80] if found else ""


def _told(attributes: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for name, value in attributes.items():
        key = KEYS.get(name)
        if key is None or name in OURS:
            continue
        read = key.read(value)
        told[key.name] = short(read, key.length) if isinstance(read, str) else read
    return told


def _outputs(report: JobReport) -> str:
    """Return the catalogue's part: of files that a pilot has told of itself, and of ours, which are known better."""
    told: dict[str, Any] = {}
    try:
        given = report.attributes.get("xml")
        told = json.loads(given) if isinstance(given, str) else dict(given or {})
    except (ValueError, TypeError, RecursionError):
        told = {}
    ours = {file.lfn: _output(report, file) for file in report.outputs}
    return json.dumps({**(told if isinstance(told, dict) else {}), **ours})


def _output(report: JobReport, file: File) -> dict[str, Any]:
    kind, _, digits = file.checksum.partition(":")
    checksum = {} if not digits else {"md5sum" if kind == "md" else "adler32": digits}
    # The same name whenever it is told: a report may be told twice.
    guid = file.guid or str(uuid5(NAMESPACE_OID, f"{report.job_id}.{report.attempt}.{file.lfn}"))
    return without_nothing({"guid": guid, "fsize": file.size, **checksum, "endpoint": file.endpoint, "surl": file.url})


def _trouble(report: JobReport, item: Mapping[str, Any]) -> dict[str, Any]:
    """Return the error code, and our words where they say more than the worker's own: what the batch system did to it."""
    cause = report.cause
    if cause is Cause.UNKNOWN and item.get("job_sub_status") in ("killed", "cancelled"):
        cause = Cause.KILLED
    others = bool(item.get("trans_exit_code") or item.get("exe_error_code"))
    code = pilot_code(cause, report.why, own=item.get("pilot_error_code") or 0, others=others)
    trouble: dict[str, Any] = {} if code is None else {"pilot_error_code": code}
    if report.why and (code is not None or not item.get("pilot_error_diag")):
        trouble["pilot_error_diag"] = short(report.why, 500)
    return trouble


def problem_of(report: JobReport) -> str:
    """Return why a report can never be taken; "" if it can."""
    if _status(report)[0] not in STATUSES:
        return f"status {report.status!r} is none that can be reported; there is: {', '.join(sorted(STATUSES))}"
    return ""


def reply_words(data: Any) -> Sequence[str]:
    """Return the commands in the data of one reply: split, without "NULL"; an attempt that is no longer ours is to be killed."""
    said = data.get("command") if isinstance(data, Mapping) else None
    words = [word.strip() for word in str(said or "").split(",")]
    return ["tobekilled" if word == BAD_ATTEMPT else word for word in words if word and word.upper() != "NULL"]
