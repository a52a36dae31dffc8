"""Event ranges as the wire has them: groups with a zip in, statuses out."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from typing import Any

from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import EventReport, ZipReport

STATUSES = frozenset({"running", "transferring", "finished", "failed", "fatal"})


def reports_in(db: sqlite3.Connection, text: str) -> tuple[dict[JobId, list[EventReport]], list[tuple[JobId, int]]]:
    """Return {job: reports}, and of each range in the order of the text its job and its place there.

    Raises:
        ValueError, KeyError, TypeError: the server's handler breaks; nothing was done.
    """
    reports: dict[JobId, list[EventReport]] = {}
    order: list[tuple[JobId, int]] = []
    for group in json.loads(text):
        packed = _zip(group.get("zipFile"))
        for one in group["eventRanges"]:
            job_id = _job_of(db, str(one["eventRangeID"]))
            mine = reports.setdefault(job_id, [])
            order.append((job_id, len(mine)))
            mine.append(EventReport(
                range_id=str(one["eventRangeID"]), status=str(one["eventStatus"]), core_count=one.get("coreCount"),
                cpu_s=one.get("cpuConsumptionTime"), why=str(one.get("errorDiag") or ""), zip=packed,
            ))
    return reports, order


def _job_of(db: sqlite3.Connection, range_id: str) -> JobId:
    """Return the job that has a range; the first attempt of it, which the name has, if none has."""
    parts = range_id.split("-")
    if len(parts) != 5 or not all(part.isdecimal() and len(part) <= 18 for part in parts):
        return JobId(0)
    row = db.execute("SELECT job FROM event_range WHERE root = ? AND number = ?", (int(parts[1]), int(parts[3]))).fetchone()
    return JobId(int(parts[1]) if row is None or row["job"] is None else row["job"])


def _zip(packed: Mapping[str, Any] | None) -> ZipReport | None:
    if not packed:
        return None
    checksum = f"ad:{packed['adler32']}" if packed.get("adler32") else f"md:{packed['md5']}"
    return ZipReport(lfn=packed["lfn"], size=packed["fsize"], checksum=checksum, endpoint=packed["objstoreID"])


def statuses(db: sqlite3.Connection, job_id: int, task_id: int) -> dict[str, Any]:
    """Return {eventRangeID: {"status": ...}} of what a job has had, and of what is ready for it."""
    rows = db.execute(
        "SELECT event_range.number, event_range.attempt, event_range.state, event_job.root, coalesce(job.task, event_job.root) AS task"
        " FROM event_job JOIN job ON job.id = event_job.job JOIN event_range ON event_range.root = event_job.root"
        " WHERE event_job.job = :job AND (event_range.job = :job OR event_range.state = 'ready')",
        {"job": job_id},
    )
    return {
        f"{row['task']}-{row['root']}-1-{row['number']}-{row['attempt']}": {"status": row["state"], "error": None, "dialog": None}
        for row in rows if row["task"] == task_id
    }
