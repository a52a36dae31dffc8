"""What the server does with its jobs, each a function within one transaction of the file."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from harvester_hpc.errors import HarvesterError
from harvester_hpc.ports.communicator import JobReply, JobReport, NotAccepted
from harvester_local import event_ledger
from harvester_local.description import JobDescription
from harvester_local.dictionary import job_dictionary, output_names, resource_type
from harvester_local.rules import FINAL, Ruling, ServerState, Standing, rule, tries_again
from harvester_local.wms_file import sentences

#: Which labels of jobs a request for one label is given.
LABELS: Mapping[str, tuple[str, ...]] = {
    "": ("managed", "test", "prod_test", "install"),
    "managed": ("managed", "test", "prod_test", "install"),
    "user": ("user", "panda", "install"),
    "unified": ("managed", "test", "prod_test", "install", "user", "panda"),
}
#: Longest diagnostics that the server keeps.
DIAGNOSTICS = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request for jobs. ``before``: jobs handed out before and unheard of since are offered again."""

    site: str
    label: str
    resource_type: str
    n: int
    process: str
    before: float


def add(db: sqlite3.Connection, jobs: Sequence[JobDescription], now: float, letter: str = "") -> list[int]:
    """Store new jobs; return their numbers. Those of a letter that is stored already are only looked up."""
    known = [int(row[0]) for row in db.execute(sentences()["of_letter"], {"letter": letter})]
    if known:
        return known
    ids: list[int] = []
    for part, job in enumerate(jobs):
        ids.append(_insert(db, job, now, task=ids[0] if ids else None, letter=letter, part=part))
    return ids


def _insert(
    db: sqlite3.Connection, job: JobDescription, now: float, *, task: int | None, attempt: int = 1, parent: int | None = None,
    letter: str = "", part: int = 0,
) -> int:
    row = db.execute(sentences()["add"], {
        "queue": job.queue, "label": job.label, "priority": job.priority, "resource_type": resource_type(job), "attempt": attempt,
        "attempts": job.attempts, "parent": parent, "task": task, "letter": letter, "part": part, "now": now, "description": job.as_json(),
    }).lastrowid
    assert row is not None
    if job.events is not None and parent is None:
        event_ledger.add(db, row, job.events)
    elif job.events is not None and parent is not None:
        event_ledger.go_on_as(db, parent, row)
    return row


def hand_out(db: sqlite3.Connection, request: Request, now: float) -> list[dict[str, Any]]:
    """activated -> sent, after those that were sent before and of which nothing was heard."""
    labels = LABELS.get(request.label, (request.label,))
    given = {"site": request.site, "process": request.process, "now": now}
    again = db.execute(sentences()["unheard"], {**given, "before": request.before, "n": request.n}).fetchall()
    fresh = db.execute(sentences()["waiting"], {
        "site": request.site, "labels": json.dumps(labels), "resource_type": request.resource_type, "n": request.n - len(again),
    }).fetchall()
    for sentence, rows in (("given_again", again), ("first_given", fresh)):
        if rows:
            db.executemany(sentences()[sentence], [{**given, "id": row["id"]} for row in rows])
    return dictionaries(db, [*again, *fresh])


def dictionaries(db: sqlite3.Connection, rows: Sequence[sqlite3.Row]) -> list[dict[str, Any]]:
    """Return the job dictionaries of rows with id, attempt, task and description."""
    if not rows:
        return []
    identity = UUID(db.execute(sentences()["identity"]).fetchone()[0])
    return [
        job_dictionary(JobDescription.from_json(row["description"]), row["id"], row["attempt"], row["task"] or row["id"], identity)
        for row in rows
    ]


def sent(db: sqlite3.Connection) -> list[tuple[int, dict[str, Any]]]:
    """Return jobs that were handed out and of which nothing was heard."""
    rows = db.execute(sentences()["sent"]).fetchall()
    return [(row["id"], dictionary) for row, dictionary in zip(rows, dictionaries(db, rows), strict=True)]


def take_report(db: sqlite3.Connection, report: JobReport, now: float) -> JobReply:
    """Judge one report and store what follows from it; one that cannot be stored spoils no other."""
    try:
        return _take_report(db, report, now)
    except (TypeError, ValueError, OverflowError) as error:
        return NotAccepted(why=f"a report that cannot be stored: {error}", final=True)


def _take_report(db: sqlite3.Connection, report: JobReport, now: float) -> JobReply:
    row = db.execute(sentences()["standing"], {"id": report.job_id}).fetchone()
    ruling = rule(_standing(row), report, lambda: output_names(JobDescription.from_json(row["description"]), row["id"]))
    if ruling.after is None:
        return ruling.reply
    after, why, goes_on = _with_events(db, row["id"], ruling)
    db.execute(sentences()["report"], {
        "id": row["id"], "state": after, "now": now, "sub_status": report.sub_status[:80],
        "why": _sound(why[:DIAGNOSTICS]), "report": _as_json(report), "batch_id": report.batch_id[:80],
    })
    if goes_on or tries_again(after, report, killed=bool(row["killed"])):
        _try_again(db, row, now)
    return ruling.reply


def _with_events(db: sqlite3.Connection, job_id: int, ruling: Ruling) -> tuple[ServerState, str, bool]:
    """Return what a job becomes, why, and whether another attempt works on the ranges that it has left.

    Source: an event service job that ends with ranges left is followed by another one; without any done it has failed.
    """
    assert ruling.after is not None
    closed = event_ledger.close(db, job_id) if ruling.after in FINAL else None
    if closed is None or ruling.after is not ServerState.FINISHED:
        return ruling.after, ruling.why, False
    if closed.open and not closed.done:
        return ServerState.FAILED, "it has finished no event range", False
    return ruling.after, ruling.why, closed.ready


def _standing(row: sqlite3.Row | None) -> Standing | None:
    if row is None:
        return None
    return Standing(state=ServerState(row["state"]), attempt=row["attempt"], killed=bool(row["killed"]))


def _sound(text: str) -> str:
    """Words of a scheduler may hold bytes that are no text."""
    return text.encode(errors="backslashreplace").decode()


def _as_json(report: JobReport) -> str:
    return json.dumps({
        "status": report.status, "site": report.site, "attributes": dict(report.attributes),
        "outputs": [
            {"lfn": file.lfn, "kind": file.kind, "size": file.size, "checksum": file.checksum, "guid": file.guid, "url": file.url}
            for file in report.outputs
        ],
    })


def _try_again(db: sqlite3.Connection, row: sqlite3.Row, now: float) -> None:
    if row["attempt"] < row["attempts"]:
        _next_attempt(db, row, now)


def _next_attempt(db: sqlite3.Connection, row: sqlite3.Row, now: float) -> int:
    job = JobDescription.from_json(row["description"])
    return _insert(db, job, now, task=row["task"] or row["id"], attempt=row["attempt"] + 1, parent=row["id"])


def expire(db: sqlite3.Connection, now: float, sent_before: float, silent_before: float) -> list[int]:
    """End jobs of which nothing was heard for too long; return their numbers."""
    rows = db.execute(sentences()["overdue"], {"sent_before": sent_before, "silent_before": silent_before}).fetchall()
    for row in rows:
        state = ServerState.CANCELLED if row["killed"] else ServerState.FAILED
        why = "nothing was heard of it after it was handed out" if row["state"] == "sent" else "lost heartbeat"
        db.execute(sentences()["end"], {"id": row["id"], "state": state, "why": why, "now": now})
        event_ledger.close(db, row["id"])
        if state is ServerState.FAILED:
            _try_again(db, row, now)
    return [row["id"] for row in rows]


def retry(db: sqlite3.Connection, job_id: int, now: float) -> int:
    """Make the next attempt of a job that failed or was cancelled; of its newest attempt, if it has several.

    Raises:
        HarvesterError: there is no such job, or its newest attempt has not failed.
    """
    newest = job_id
    while following := db.execute(sentences()["next_attempt"], {"id": newest}).fetchone():
        newest = following[0]
    row = _known(db, newest)
    if row["state"] not in (ServerState.FAILED, ServerState.CANCELLED):
        attempt = "" if newest == job_id else f"its later attempt {newest} "
        raise HarvesterError(f"job {job_id} is not tried again", why=f"{attempt}is {row['state']}",
                             remedy="only a job that failed or was cancelled can be")
    return _next_attempt(db, row, now)


def kill(db: sqlite3.Connection, job_id: int, now: float) -> None:
    """End a job that was not handed out; let any other be ended by the answer to its next report.

    Raises:
        HarvesterError: there is no such job.
    """
    row = _known(db, job_id)
    if row["state"] == ServerState.ACTIVATED:
        db.execute(sentences()["end"], {"id": job_id, "state": ServerState.CANCELLED, "why": "killed before it was handed out", "now": now})
    else:
        db.execute(sentences()["mark_killed"], {"id": job_id})


def is_wanted(db: sqlite3.Connection, job_id: int) -> bool:
    """Tell whether the client shall go on with a job."""
    standing = _standing(db.execute(sentences()["standing"], {"id": job_id}).fetchone())
    return standing is not None and standing.state not in FINAL and not standing.killed


def _known(db: sqlite3.Connection, job_id: int) -> sqlite3.Row:
    row: sqlite3.Row | None = db.execute(sentences()["standing"], {"id": job_id}).fetchone()
    if row is None:
        raise HarvesterError(f"there is no job {job_id}", remedy="look at the list of jobs")
    return row


def all_of(db: sqlite3.Connection, job_id: int) -> dict[str, Any] | None:
    """Return all that is known of a job; None if there is none of that number."""
    row = db.execute(sentences()["job"], {"id": job_id}).fetchone()
    if row is None:
        return None
    following = db.execute(sentences()["next_attempt"], {"id": job_id}).fetchone()
    return {
        **dict(row), "ranges": event_ledger.tally(db, job_id),
        "killed": bool(row["killed"]), "retried_as": following[0] if following else None,
        "description": json.loads(row["description"]), "report": json.loads(row["report"]), "dictionary": dictionaries(db, [row])[0],
    }
