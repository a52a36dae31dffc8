"""The Transfer service: what each call answers."""
from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from harvester_hpc.testing.globus.faults import Answer, RefusedError, consent_required, data_access
from harvester_hpc.testing.globus.moving import Mover, within
from harvester_hpc.testing.globus.world import Collection, World

#: Seconds after which a task without a deadline of its own ends.
DEADLINE_S = 86400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request: who asks, for what (the id in the path), with which query and body."""

    identity: str
    now: float
    id: str = ""
    query: Mapping[str, str]
    body: Any = None


def as_time(seconds: float | None) -> str | None:
    """Return a time as the service writes it."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")


class TransferApi:
    """Answers calls out of a world, and moves its tasks on."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.mover = Mover(world)
        self.answers: Mapping[str, Callable[[Call], Answer]] = MappingProxyType({
            "submission_id": self.submission_id, "submit": self.submit, "task": self.task, "task_list": self.task_list,
            "cancel": self.cancel, "event_list": self.event_list, "successful_transfers": self.successful_transfers,
            "skipped_errors": self.skipped_errors, "pause_info": self.pause_info, "endpoint": self.endpoint, "ls": self.ls,
        })

    # -- submission ------------------------------------------------------------------------------

    def submission_id(self, call: Call) -> Answer:
        """Give an id that makes a submission unique."""
        made = str(uuid.uuid4())
        self.world.rows("INSERT INTO submission VALUES (?, ?)", made, call.now)
        return Answer(body={"DATA_TYPE": "submission_id", "value": made})

    def submit(self, call: Call) -> Answer:
        """Take a task; the same submission id is the same task."""
        wanted = call.body
        with self.world.change():
            known = self.world.row("SELECT id FROM task WHERE submission_id = ?", wanted.get("submission_id"))
            if known is not None and self._is_fresh(wanted, call.now):
                return Answer(status=202, body=_result("Duplicate", known["id"], wanted["submission_id"]))
            self._refuse(wanted, call)
            task = str(uuid.uuid4())
            self._store(task, wanted, call)
        return Answer(status=202, body=_result("Accepted", task, wanted["submission_id"]))

    def _is_fresh(self, wanted: Mapping[str, Any], now: float) -> bool:
        found = self.world.row("SELECT made FROM submission WHERE id = ?", wanted.get("submission_id"))
        return found is not None and now - found["made"] < float(self.world.setting("submission_life_s"))

    def _refuse(self, wanted: Mapping[str, Any], call: Call) -> None:
        if not self._is_fresh(wanted, call.now):
            raise RefusedError(400, "ClientError.BadRequest.InvalidSubmissionId", "the submission_id is unknown or has expired")
        if not wanted.get("DATA"):
            raise RefusedError(400, "ClientError.BadRequest.NoTransferItems", "A transfer requires at least one item")
        label = wanted.get("label") or ""
        if len(label) > 128 or label != label.strip() or "\n" in label:
            raise RefusedError(400, "ClientError.BadRequest", "the label is too long, or has blanks at its ends")
        if any(not item[end].startswith(("/", "~")) for item in wanted["DATA"] for end in ("source_path", "destination_path")):
            raise RefusedError(400, "ClientError.BadRequest", "a path is not absolute")
        self._refuse_places([wanted["source_endpoint"], wanted["destination_endpoint"]], call.identity)
        pending = self.world.row("SELECT count(*) AS n FROM task WHERE owner = ? AND completed IS NULL", call.identity)
        if pending is not None and pending["n"] >= int(self.world.setting("pending_limit")):
            raise RefusedError(409, "TooManyPendingJobs", "you have too many tasks that are not complete")

    def _refuse_places(self, ids: list[str], identity: str) -> None:
        places = [self._collection(one) for one in ids]
        lacking = [place.id for place in places if place.mapped and not place.high_assurance and not self._consented(place.id, identity)]
        if lacking:
            raise consent_required(lacking)

    def _consented(self, collection: str, identity: str) -> bool:
        sentence = "SELECT 1 FROM consent WHERE identity = ? AND scope = ?"
        return self.world.row(sentence, identity, data_access(collection)) is not None

    def _store(self, task: str, wanted: dict[str, Any], call: Call) -> None:
        deadline = wanted.get("deadline")
        ends = call.now + DEADLINE_S if not deadline else datetime.fromisoformat(deadline).timestamp()
        self.world.rows(
            "INSERT INTO task (id, submission_id, owner, label, status, nice_status, requested, deadline, wanted)"
            " VALUES (?, ?, ?, ?, 'ACTIVE', 'Queued', ?, ?, ?)",
            task, wanted["submission_id"], call.identity, wanted.get("label") or "", call.now, ends,
            json.dumps({key: value for key, value in wanted.items() if key != "DATA"}),
        )
        self.world.many(
            "INSERT INTO item (task, number, source, destination, checksum, state) VALUES (?, ?, ?, ?, ?, 'pending')",
            [(task, number, item["source_path"], item["destination_path"], _checksum(item)) for number, item in enumerate(wanted["DATA"])],
        )

    # -- tasks -----------------------------------------------------------------------------------

    def task(self, call: Call) -> Answer:
        """Tell of one task."""
        self.mover.advance(call.now)
        return Answer(body=self._document(self._task(call)))

    def task_list(self, call: Call) -> Answer:
        """Tell of many tasks: those of a filter ``task_id:a,b``, ``label:x``, ``status:S``, joined by ``/``."""
        self.mover.advance(call.now)
        limit, offset = int(call.query.get("limit", 10)), int(call.query.get("offset", 0))
        wanted = dict(part.split(":", 1) for part in call.query.get("filter", "").split("/") if part)
        mine = self.world.rows("SELECT * FROM task WHERE owner = ? ORDER BY number DESC", call.identity)
        rows = [row for row in mine if _fits(row, wanted)]
        shown = [self._document(row) for row in rows[offset:offset + limit]]
        body = {"DATA_TYPE": "task_list", "DATA": shown, "length": len(shown), "limit": limit, "offset": offset, "total": len(rows)}
        return Answer(body=body)

    def cancel(self, call: Call) -> Answer:
        """End a task."""
        task = self._task(call)
        if task["completed"] is not None:
            return Answer(body={"DATA_TYPE": "result", "code": "TaskComplete", "message": "the task is complete"})
        self.mover.end(task["id"], "FAILED", call.now, "CANCELED", "canceled by the user")
        return Answer(body={"DATA_TYPE": "result", "code": "Canceled", "message": "The task has been cancelled successfully."})

    def event_list(self, call: Call) -> Answer:
        """Tell what happened to a task, newest first."""
        task = self._task(call)
        limit = int(call.query.get("limit", 10))
        rows = self.world.rows("SELECT * FROM event WHERE task = ? ORDER BY number DESC LIMIT ?", task["id"], limit)
        shown = [
            {"DATA_TYPE": "event", "code": row["code"], "description": row["code"].lower().replace("_", " "), "details": row["details"],
             "is_error": bool(row["is_error"]), "time": as_time(row["time"])}
            for row in rows
        ]
        return Answer(body={"DATA_TYPE": "event_list", "DATA": shown, "length": len(shown), "limit": limit, "offset": 0})

    def successful_transfers(self, call: Call) -> Answer:
        """Tell what was moved (not what lay there already), a page at a time."""
        return self._page(call, "successful_transfer", "moved")

    def skipped_errors(self, call: Call) -> Answer:
        """Tell what was passed over, a page at a time."""
        return self._page(call, "skipped_error", "skipped")

    def _page(self, call: Call, kind: str, state: str) -> Answer:
        task = self._task(call)
        start, length = int(call.query.get("marker") or 0), int(self.world.setting("page"))
        rows = self.world.rows(
            "SELECT * FROM item WHERE task = ? AND state = ? AND number >= ? ORDER BY number LIMIT ?", task["id"], state, start, length + 1
        )
        shown: list[dict[str, Any]] = [
            {"DATA_TYPE": kind, "source_path": row["source"], "destination_path": row["destination"]} for row in rows[:length]
        ]
        if state == "skipped":
            shown = [
                {**one, "error_code": row["code"], "error_details": "", "is_directory": False}
                for one, row in zip(shown, rows, strict=False)
            ]
        more = rows[length]["number"] if len(rows) > length else None
        return Answer(body={"DATA_TYPE": f"{kind}s", "DATA": shown, "marker": start, "next_marker": more})

    def pause_info(self, call: Call) -> Answer:
        """Tell why a task is paused."""
        wanted = json.loads(self._task(call)["wanted"])
        places = [self._collection(wanted[end]) for end in ("source_endpoint", "destination_endpoint")]
        rules = [
            {"DATA_TYPE": "pause_rule_limited", "message": place.paused, "endpoint_id": place.id, "endpoint_display_name": place.name}
            for place in places if place.paused
        ]
        return Answer(body={"DATA_TYPE": "pause_info_limited", "pause_rules": rules, "source_pause_message": None})

    def _task(self, call: Call) -> sqlite3.Row:
        found = self.world.row("SELECT * FROM task WHERE id = ? AND owner = ?", call.id, call.identity)
        if found is None:
            raise RefusedError(404, "ClientError.NotFound", f"No task {call.id}")
        return found

    def _document(self, task: sqlite3.Row) -> dict[str, Any]:
        wanted = json.loads(task["wanted"])
        counted = self.world.rows("SELECT state, count(*) AS n, sum(size) AS size FROM item WHERE task = ? GROUP BY state", task["id"])
        n = {row["state"]: row["n"] for row in counted}
        left, over = n.get("pending", 0), task["completed"] is not None
        return {
            "DATA_TYPE": "task", "task_id": task["id"], "type": "TRANSFER", "label": task["label"] or None, "status": task["status"],
            "nice_status": None if over else task["nice_status"], "nice_status_short_description": None, "nice_status_details": None,
            "source_endpoint_id": wanted["source_endpoint"], "destination_endpoint_id": wanted["destination_endpoint"],
            "files": sum(n.values()), "files_transferred": n.get("moved", 0), "files_skipped": n.get("synced", 0), "faults": task["faults"],
            "bytes_transferred": sum(row["size"] for row in counted if row["state"] == "moved"), "is_ok": task["nice_status"] == "OK",
            "subtasks_total": sum(n.values()), "subtasks_succeeded": n.get("moved", 0) + n.get("synced", 0), "subtasks_retrying": 0,
            "subtasks_failed": n.get("failed", 0) + (left if over and task["fatal"] not in ("DEADLINE", "CANCELED") else 0),
            "subtasks_pending": 0 if over else left, "subtasks_canceled": left if task["fatal"] == "CANCELED" else 0,
            "subtasks_expired": left if task["fatal"] == "DEADLINE" else 0, "subtasks_skipped_errors": n.get("skipped", 0),
            "is_paused": not over and task["nice_status"] == "PAUSED", "deadline": as_time(task["deadline"]),
            "request_time": as_time(task["requested"]), "completion_time": as_time(task["completed"]),
            "fatal_error": {"code": task["fatal"], "description": task["fatal"].lower()} if task["fatal"] else None,
            "verify_checksum": wanted.get("verify_checksum"), "sync_level": wanted.get("sync_level"),
        }

    # -- collections -----------------------------------------------------------------------------

    def endpoint(self, call: Call) -> Answer:
        """Tell of one collection."""
        place = self._collection(call.id)
        kind = "GCSv5_mapped_collection" if place.mapped else "GCSv5_guest_collection"
        return Answer(body={
            "DATA_TYPE": "endpoint", "id": place.id, "display_name": place.name, "entity_type": kind,
            "high_assurance": place.high_assurance,
        })

    def ls(self, call: Call) -> Answer:
        """Tell what lies in a folder of a collection."""
        place = self._collection(call.id)
        self._refuse_places([place.id], call.identity)
        folder = within(place, call.query.get("path", "/"))
        if not folder.is_dir():
            raise RefusedError(404, "ClientError.NotFound", "Directory not found on the endpoint")
        shown = [
            {"DATA_TYPE": "file", "name": one.name, "type": "dir" if one.is_dir() else "file", "size": one.stat().st_size}
            for one in sorted(folder.iterdir())
        ]
        return Answer(body={"DATA_TYPE": "file_list", "DATA": shown, "endpoint": place.id, "path": call.query.get("path", "/")})

    def _collection(self, collection: str) -> Collection:
        found = self.world.collection(collection)
        if found is None:
            raise RefusedError(404, "EndpointNotFound", f"No such endpoint '{collection}'")
        return found


def _result(code: str, task: str, submission: str) -> dict[str, Any]:
    return {
        "DATA_TYPE": "transfer_result", "code": code, "message": f"the transfer is {code.lower()}", "request_id": "emulated0",
        "resource": "/v0.10/transfer", "submission_id": submission, "task_id": task,
        "task_link": {"DATA_TYPE": "link", "href": f"/v0.10/task/{task}?format=json", "rel": "related", "resource": "task"},
    }


def _checksum(item: Mapping[str, Any]) -> str:
    wanted = item.get("external_checksum")
    return f"{item.get('checksum_algorithm') or 'MD5'}:{wanted}" if wanted else ""


def _fits(row: sqlite3.Row, wanted: Mapping[str, str]) -> bool:
    columns = {"task_id": "id", "label": "label", "status": "status"}
    return all(row[columns[name]] in values.split(",") for name, values in wanted.items() if name in columns)
