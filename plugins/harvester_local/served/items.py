"""Items of bulk calls as a PanDA server judges them: reports about jobs, and workers."""
from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import JobReport
from harvester_local.served.strict import ArgumentError

STATUSES = frozenset({"running", "failed", "finished", "holding", "starting", "transferring"})
TEXTS = frozenset({
    "job_status", "site_name", "node", "batch_id", "scheduler_id", "pilot_id", "pilot_error_diag", "exe_error_diag", "pilot_timing",
    "job_metrics", "job_sub_status", "cpu_consumption_unit", "corrupted_files", "cpu_architecture_level", "grid", "source_site",
    "destination_site", "start_time", "end_time", "pilot_log", "stdout", "meta_data", "job_output_report",
})
WHOLES = frozenset({
    "job_id", "attempt_nr", "trans_exit_code", "pilot_error_code", "exe_error_code", "cpu_consumption_time", "n_events", "n_input_files",
    "core_count", "mean_core_count", "timeout",
})
NUMBERS = frozenset({"cpu_conversion_factor"}) | {
    f"{kind}_{what}" for kind in ("max", "avg") for what in ("rss", "vmem", "swap", "pss")
} | {f"{kind}_{what}" for kind in ("tot", "rate") for what in ("rchar", "wchar", "rbytes", "wbytes")}

#: Bytes of a worker's texts; a longer one is an error of the database.
COLUMNS = {
    "batchID": 80, "queueName": 80, "status": 80, "computingSite": 128, "nodeID": 80, "nativeStatus": 80, "diagMessage": 500,
    "computingElement": 128, "submissionHost": 128, "harvesterHost": 128, "resourceType": 56, "jobType": 52,
    "stdOut": 250, "stdErr": 250, "batchLog": 250, "jdl": 250,
}
WORKER_STATUSES = frozenset({"submitted", "ready", "running", "idle", "pending", "finished", "failed", "cancelled", "missed"})


class PoisonError(Exception):
    """An item that breaks the loop over a bunch: those before it are done, those behind it are not."""


def check_types(item: Mapping[str, Any], unknown: Collection[str] = ()) -> None:
    """Check one report.

    Raises:
        PoisonError: it breaks the whole call.
        ArgumentError: it is not taken.
    """
    if "job_id" not in item or any(name in NUMBERS and isinstance(value, str) for name, value in item.items()):
        raise PoisonError("failed with AttributeError 'str' object has no attribute '__name__'")
    for name, value in item.items():
        if name not in TEXTS | WHOLES | NUMBERS or name in unknown:
            raise ArgumentError(f"Argument error: got an unexpected keyword argument '{name}'")
        wanted = str if name in TEXTS else int if name in WHOLES else None
        if (wanted is not None and type(value) is not wanted) or (wanted is None and type(value) not in (int, float)):
            raise ArgumentError(f"Type error: '{name}' must be of type {wanted and wanted.__name__}, got {type(value).__name__}.")
    if "job_status" not in item:
        raise ArgumentError("Argument error: missing a required argument: 'job_status'")


def report_of(item: Mapping[str, Any], attempt: int) -> JobReport:
    """Return the report that an item makes.

    Args:
        attempt: if the item does not say it.
    """
    rest = {name: value for name, value in item.items() if name not in ("job_id", "job_status", "attempt_nr", "job_output_report")}
    return JobReport(
        job_id=JobId(item["job_id"]), attempt=item.get("attempt_nr", attempt), status=item["job_status"],
        sub_status=item.get("job_sub_status", ""), site=item.get("site_name", ""), batch_id=item.get("batch_id", ""),
        why=item.get("pilot_error_diag") or item.get("exe_error_diag") or "", attributes=rest, outputs=_outputs(item),
    )


def _outputs(item: Mapping[str, Any]) -> tuple[File, ...]:
    try:
        told = json.loads(item.get("job_output_report") or "{}")
    except ValueError:
        return ()
    return tuple(_output(item["job_id"], lfn, one) for lfn, one in told.items() if isinstance(one, dict) and one.get("guid"))


def _output(job_id: int, lfn: str, one: Mapping[str, Any]) -> File:
    checksum = f"ad:{one['adler32']}" if one.get("adler32") else f"md:{one['md5sum']}" if one.get("md5sum") else ""
    return File(
        job_id=job_id, kind=FileKind.OUTPUT, lfn=lfn, state=FileState.FINISHED, size=one.get("fsize"), checksum=checksum,
        guid=one["guid"], endpoint=one.get("endpoint", ""), url=one.get("surl", ""),
    )


def fits_its_row(item: Mapping[str, Any]) -> bool:
    """Tell whether a worker can be stored."""
    texts = all(not isinstance(item.get(name), str) or len(item[name].encode()) <= length for name, length in COLUMNS.items())
    return texts and type(item.get("workerID")) is int and None not in item.values() and item.get("status") in WORKER_STATUSES
