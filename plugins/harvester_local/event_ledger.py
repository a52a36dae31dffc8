"""What the server does with event ranges, each a function within one transaction of the file.

Source: the PanDA server: acquire gives ready ranges to a job that is sent, starting or running; a failed range gets another attempt,
and with it another name, as long as it has one left; a fatal one gets none; only a range that the job has been given changes, and
telling the same again is harmless; what a job was given and has not told about is ready again when it ends.
"""
from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harvester_hpc.ports.communicator import EventReply, EventReport, ZipReport
from harvester_local.description import EventRanges
from harvester_local.wms_file import sentences

#: jediTaskID-PandaID-fileID-number-attempt
_NAME = re.compile(r"([0-9]{1,18})-([0-9]{1,18})-1-([0-9]{1,18})-([0-9]{1,9})")
MOST = 100_000
TAKEN = EventReply(taken=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """A range's name, taken apart. ``root``: the first attempt of its job."""

    task: int
    root: int
    number: int
    attempt: int


def add(db: sqlite3.Connection, job_id: int, ranges: EventRanges) -> None:
    """Make the ranges of a new job."""
    run = db.execute
    run(sentences()["event_root"], {"id": job_id, "root": job_id})
    run(sentences()["event_task"], {"root": job_id, "ranges": ranges.ranges, "per_range": ranges.per_range, "attempts": ranges.attempts})
    run(sentences()["event_ranges"], {"root": job_id, "ranges": ranges.ranges})


def go_on_as(db: sqlite3.Connection, parent: int, job_id: int) -> None:
    """The next attempt of a job works on the same ranges."""
    db.execute(sentences()["event_same_root"], {"id": job_id, "parent": parent})


def lease(db: sqlite3.Connection, job_id: int, number: int, *, scattered: bool) -> list[dict[str, Any]]:
    """ready -> sent; return at most ``number`` ranges for a job that may work on them."""
    job = db.execute(sentences()["event_job"], {"id": job_id}).fetchone()
    if job is None or number < 1:
        return []
    given = {"root": job["root"], "n": min(number, MOST)}
    rows = db.execute(sentences()["event_scattered" if scattered else "event_ready"], given).fetchall()
    db.executemany(sentences()["event_send"], [{"root": job["root"], "number": row["number"], "job": job_id} for row in rows])
    return [_range(job, row) for row in rows]


def _range(job: sqlite3.Row, row: sqlite3.Row) -> dict[str, Any]:
    number, size = row["number"], job["per_range"]
    return {
        "eventRangeID": _name(job, row), "startEvent": (number - 1) * size + 1, "lastEvent": number * size,
        "LFN": "events", "GUID": "NULL", "scope": "local",
    }


def _name(job: sqlite3.Row, row: sqlite3.Row) -> str:
    return f"{job['task'] or job['root']}-{job['root']}-1-{row['number']}-{row['attempt']}"


def _parsed(text: str) -> Name | None:
    found = _NAME.fullmatch(text)
    return None if found is None else Name(task=int(found[1]), root=int(found[2]), number=int(found[3]), attempt=int(found[4]))


def take(db: sqlite3.Connection, job_id: int, reports: Sequence[EventReport]) -> list[EventReply]:
    """Judge reports about the ranges of one job, in order."""
    return [_take_one(db, job_id, report) for report in reports]


def _take_one(db: sqlite3.Connection, job_id: int, report: EventReport) -> EventReply:
    name, row = _standing(db, report.range_id)
    if report.status not in ("finished", "failed", "fatal"):
        return EventReply(taken=False, why=f"status {report.status!r} is none that can be reported")
    if name is None or row is None or (row["job"] != job_id and row["attempt"] == name.attempt):
        return EventReply(taken=False, why="the job does not have this range")
    if row["attempt"] != name.attempt:
        return TAKEN if report.status == "failed" else EventReply(taken=False, why="another attempt of this range is on")
    if row["state"] != "sent":
        return TAKEN if row["state"] == report.status else EventReply(taken=False, why=f"the range is {row['state']}")
    again = report.status == "failed" and row["attempt"] < row["attempts"]
    db.execute(sentences()["event_end" if not again else "event_again"], {
        "root": name.root, "number": name.number, "state": report.status, "zip": _zip(db, job_id, report.zip), "why": report.why[:500],
    })
    return TAKEN


def _zip(db: sqlite3.Connection, job_id: int, packed: ZipReport | None) -> int | None:
    """Return the row of a zip; it is made once for each job and name."""
    if packed is None:
        return None
    given = {"job": job_id, "lfn": packed.lfn, "size": packed.size, "checksum": packed.checksum, "url": packed.url}
    db.execute(sentences()["event_zip"], given)
    number: int = db.execute(sentences()["event_zip_number"], given).fetchone()[0]
    return number


def _standing(db: sqlite3.Connection, text: str) -> tuple[Name | None, sqlite3.Row | None]:
    name = _parsed(text)
    if name is None:
        return None, None
    row = db.execute(sentences()["event_standing"], {"root": name.root, "number": name.number}).fetchone()
    return name, row if row is not None and row["task"] == name.task else None


def statuses(db: sqlite3.Connection, job_id: int, names: Sequence[str] | None) -> dict[str, str]:
    """Return {eventRangeID: status} of these ranges; None: of those that the job was given and has not told about."""
    job = db.execute(sentences()["event_job_ever"], {"id": job_id}).fetchone()
    if job is None:
        return {}
    if names is None:
        return {_name(job, row): "sent" for row in db.execute(sentences()["event_sent"], {"job": job_id})}
    found: dict[str, str] = {}
    for text in names:
        name, row = _standing(db, text)
        if name is not None and row is not None and name.root == job["root"] and name.attempt <= row["attempt"]:
            found[text] = row["state"] if name.attempt == row["attempt"] else "failed"
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class Closed:
    """What a job that has ended leaves. done: it has finished ranges; open: ranges are not finished; ready: one may be tried again."""

    done: bool
    open: bool
    ready: bool


def close(db: sqlite3.Connection, job_id: int) -> Closed | None:
    """A job has ended: what it has not told about is ready again. None: it does not work on event ranges."""
    job = db.execute(sentences()["event_job_ever"], {"id": job_id}).fetchone()
    if job is None:
        return None
    db.execute(sentences()["event_release"], {"job": job_id})
    done = db.execute(sentences()["event_any_finished"], {"job": job_id}).fetchone()[0]
    unfinished = db.execute(sentences()["event_any_unfinished"], {"root": job["root"]}).fetchone()[0]
    ready = db.execute(sentences()["event_any_ready"], {"root": job["root"]}).fetchone()[0]
    return Closed(done=bool(done), open=bool(unfinished), ready=bool(ready))


def tally(db: sqlite3.Connection, job_id: int) -> dict[str, int]:
    """Return {state: number} of the ranges that a job and its other attempts work on; {} if it works on none."""
    rows = db.execute(sentences()["event_tally"], {"id": job_id})
    return {row[0]: row[1] for row in rows}


def zips(db: sqlite3.Connection, job_id: int) -> list[dict[str, Any]]:
    """Return the zips of a job with the numbers of their ranges, for tests and people."""
    rows = db.execute(sentences()["event_zips"], {"job": job_id})
    return [{**dict(row), "ranges": json.loads(row["ranges"])} for row in rows]
