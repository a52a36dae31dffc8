"""The methods of the v1 API over the embedded system: arguments and answers as a PanDA server has them.

The names and types of the arguments are the server's; they are checked before a method is called.
"""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from itertools import takewhile
from pathlib import Path
from typing import Any

from harvester_hpc.clock import as_datetime
from harvester_hpc.model.facility import Facility
from harvester_hpc.model.job import JobId
from harvester_hpc.ports.communicator import Accepted, JobReply, JobReport
from harvester_hpc.ports.context import Context
from harvester_local import event_ledger
from harvester_local.communicator import RESOURCE_TYPES, LocalCommunicator
from harvester_local.served import ranges
from harvester_local.served.faults import Quirks
from harvester_local.served.items import STATUSES, PoisonError, check_types, fits_its_row, report_of
from harvester_local.served.strict import ArgumentError
from harvester_local.wms_file import WmsFile, sentences

#: Labels, times and the like come and go with an instance of this name.
NOBODY = "served"
ENDS = frozenset({"finished", "failed", "cancelled"})
BROKEN = "database error in the PanDA server"


class SaysNoError(Exception):
    """The server's words when a call is not done; HTTP 200."""


class BreaksError(Exception):
    """The server's words when a handler breaks; HTTP 500."""


def made(folder: Path) -> LocalCommunicator:
    """Return the system that lives in ``folder``, which gives each job once, as a server does."""
    context = Context(instance=NOBODY, tag="serve", state_dir=folder, facility=Facility(name="served", scheduler="local"))
    return LocalCommunicator(LocalCommunicator.Settings(folder=str(folder), offer_again_s=10 * 365 * 86400.0), context)


class System:
    """One embedded system as a server.

    Args:
        folder: where it lives; job files are dropped into its ``inbox``.
        local: the system itself, if it is served in another form already.
    """

    def __init__(self, folder: Path, quirks: Quirks, local: LocalCommunicator | None = None) -> None:
        self.quirks = quirks
        self.local = local or made(folder)
        self.local.summary()  # its file is there from now on, for those who look for it
        self._file = WmsFile(folder / "wms.sqlite", 30.0)
        self.methods: Mapping[str, tuple[str, Callable[..., Any]]] = {
            "system/is_alive": ("GET", self.is_alive), "harvester/heartbeat": ("POST", self.heartbeat),
            "pilot/acquire_jobs": ("POST", self.acquire_jobs), "pilot/update_jobs_bulk": ("POST", self.update_jobs_bulk),
            "job/get_status": ("GET", self.get_status), "event/acquire_event_ranges": ("POST", self.acquire_event_ranges),
            "event/update_event_ranges": ("POST", self.update_event_ranges),
            "event/get_event_range_statuses": ("GET", self.get_event_range_statuses),
            "event/get_available_event_range_count": ("GET", self.get_available_event_range_count),
            "harvester/acquire_commands": ("POST", self.acquire_commands),
            "harvester/acknowledge_commands": ("POST", self.acknowledge_commands),
            "harvester/update_workers": ("POST", self.update_workers),
            "harvester/report_worker_statistics": ("POST", self.report_worker_statistics),
            "harvester/add_dialogs": ("POST", self.add_dialogs),
            "harvester/update_service_metrics": ("POST", self.update_service_metrics),
            "harvester/get_current_worker_id": ("GET", self.get_current_worker_id),
            "metaconfig/get_resource_types": ("GET", self.get_resource_types),
        }

    def is_alive(self) -> Any:
        """Answer."""
        return None

    def heartbeat(self, harvester_id: str, data: dict) -> Any:  # type: ignore[type-arg]
        """Keep an instance's sign of life; its first is kept, and yet an error."""
        if set(data) - {"startTime", "sw_version", "commit_stamp", "description", "commands"}:
            raise SaysNoError(BROKEN)
        with self._file.write() as db:
            known = db.execute("SELECT 1 FROM told WHERE instance = ? AND subject = 'heartbeat'", (harvester_id,)).fetchone()
            if "commands" in data:
                self._tell(db, harvester_id, "commands", data["commands"])
            if known is None or data.keys() - {"commands"}:
                self._tell(db, harvester_id, "heartbeat", data)
        if known is None and self.quirks.first_heartbeat_fails:
            raise SaysNoError(BROKEN)
        return "succeeded"

    def acquire_jobs(
        self, site_name: str, prod_source_label: str | None = None, node: str | None = None, computing_element: str | None = None,
        n_jobs: int = 1, scheduler_id: str | None = None, harvester_id: str | None = None, worker_id: int | None = None,
        resource_type: str | None = None, memory: int | None = None, disk_space: int | None = None, remaining_time: int | None = None,
        task_id: int | None = None, prod_user_id: str | None = None, job_type: str | None = None, background: bool | None = None,
        via_topic: bool | None = None, get_proxy_key: bool | None = None, target_architecture: str | None = None, timeout: int = 60,
    ) -> Any:
        """activated -> sent."""
        criteria = {"resource_type": resource_type} if resource_type else {}
        jobs = self.local.get_jobs(site_name, node or "", prod_source_label or "managed", computing_element or "", n_jobs, criteria)
        if not jobs:
            raise SaysNoError("No jobs in PanDA")
        return {"StatusCode": 0, "jobs": [dict(job) for job in jobs]}

    def update_jobs_bulk(self, job_list: list, harvester_id: str | None = None) -> Any:  # type: ignore[type-arg]
        """Take reports, one after the other, up to one that breaks the loop."""
        answers: list[dict[str, Any] | None] = []
        reports: list[JobReport] = []
        poison: PoisonError | None = None
        for item in job_list:
            try:
                answers.append(self._refusal(item))
            except PoisonError as error:
                poison = error
                break
            if answers[-1] is None:
                reports.append(report_of(item, item.get("attempt_nr") or self._attempt(item["job_id"])))
        replies = iter(self.local.update_jobs(reports, NOBODY))
        if poison is not None:
            raise SaysNoError(str(poison)) from poison
        return [self._answer(next(replies)) if answer is None else answer for answer in answers]

    def _refusal(self, item: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the answer to a report that is not even looked at."""
        try:
            check_types(item, self.quirks.does_not_know)
        except ArgumentError as error:
            return {"success": False, "message": str(error), "data": None}
        return None if item["job_status"] in STATUSES else {"success": False, "message": "", "data": {"StatusCode": 50}}

    def _attempt(self, job_id: int) -> int:
        known = self.local.job(job_id)
        return int(known["attempt"]) if known else 1

    def _answer(self, reply: JobReply) -> dict[str, Any]:
        if not isinstance(reply, Accepted):
            # It calls this a success.
            return {"success": True, "message": reply.why, "data": {"StatusCode": 30}}
        return {"success": True, "message": "", "data": {"StatusCode": 0, "command": self._word(reply)}}

    def _word(self, reply: Accepted) -> str:
        word = ",".join(reply.commands) or "NULL"
        return f"debug,{word}" if word == "tobekilled" and self.quirks.joined_commands else word

    def get_status(self, job_ids: list[int]) -> Any:
        """Tell of each job what it is, and whether it is to be killed."""
        with self._file.read() as db:
            marks = ",".join("?" * len(job_ids))
            rows = db.execute(f"SELECT id, state, killed FROM job WHERE id IN ({marks})", job_ids)
            known = {row["id"]: (row["state"], bool(row["killed"])) for row in rows}
        answers = []
        for job_id in job_ids:
            state, killed = known.get(job_id, ("unknown", True))
            answers.append({"command": "tobekilled" if killed and state not in ENDS else None, "status": state})
        return answers

    def acquire_event_ranges(
        self, job_id: int, jobset_id: int, task_id: int | None = None, n_ranges: int = 10, scattered: bool = False,
        segment_id: int | None = None, timeout: int = 60,
    ) -> Any:
        """ready -> sent."""
        found = list(self.local.get_event_ranges({JobId(job_id): {"nRanges": n_ranges}}, scattered)[JobId(job_id)])
        return found if self.quirks.bare_ranges else {"StatusCode": 0, "eventRanges": found}

    def update_event_ranges(self, event_ranges: str, timeout: int = 120, version: int = 0) -> Any:
        """Take reports about ranges, all or none; a server of 1.0 breaks after that."""
        try:
            with self._file.read() as db:
                told, order = ranges.reports_in(db, event_ranges)
        except (ValueError, KeyError, TypeError) as error:
            raise BreaksError(str(error)) from error
        replies = self.local.update_event_ranges(told)
        if self.quirks.breaks_after_ranges:
            raise BreaksError("unhashable type: 'list'")
        return {"Returns": [replies[job_id][number].taken for job_id, number in order], "Commands": {str(one): None for one in told}}

    def get_event_range_statuses(self, job_task_ids: str) -> Any:
        """Tell what is known of the ranges of jobs."""
        with self._file.read() as db:
            return {str(one["panda_id"]): ranges.statuses(db, one["panda_id"], one["task_id"]) for one in json.loads(job_task_ids)}

    def get_available_event_range_count(self, job_id: int, jobset_id: int, task_id: int, timeout: int = 60) -> Any:
        """Count ranges that may be leased."""
        with self._file.read() as db:
            return event_ledger.tally(db, job_id).get("ready", 0)

    def acquire_commands(self, harvester_id: str, n_commands: int, timeout: int = 30) -> Any:
        """Give commands, each once."""
        with self._file.write() as db:
            rows = db.execute(
                "SELECT id, command, params, ack, created FROM command WHERE state = 'new' ORDER BY id LIMIT ?", (n_commands,)
            ).fetchall()
            db.executemany(sentences()["take_command"], [{"id": row["id"], "state": "retrieved", "process": NOBODY} for row in rows])
        return [
            {"command_id": row["id"], "command": row["command"], "params": json.loads(row["params"]), "ack_requested": row["ack"],
             "creation_date": as_datetime(row["created"]).strftime("%Y-%m-%dT%H:%M:%S.%f")}
            for row in rows
        ]

    def acknowledge_commands(self, command_ids: list, timeout: int = 30) -> Any:  # type: ignore[type-arg]
        """retrieved -> acknowledged."""
        self.local.ack_commands([f"wms-{number}" for number in command_ids])
        return None

    def update_workers(self, harvester_id: str, workers: list, timeout: int = 60) -> Any:  # type: ignore[type-arg]
        """Keep workers, one after the other, up to one that does not fit its row."""
        if not workers:
            raise SaysNoError(BROKEN)
        good = list(takewhile(fits_its_row, workers))
        rows = [
            {"instance": harvester_id, "id": item["workerID"], "state": item["status"], "queue": item.get("computingSite", ""),
             "batch_id": item.get("batchID", ""), "report": json.dumps(item), "now": 0.0}
            for item in good
        ]
        with self._file.write() as db:
            db.executemany(sentences()["worker"], rows)
        if len(good) < len(workers):
            raise SaysNoError(BROKEN)
        return [True] * len(workers)

    def report_worker_statistics(self, harvester_id: str, panda_queue: str, statistics: str) -> Any:
        """Keep the numbers of a site."""
        with self._file.write() as db:
            self._tell(db, harvester_id, f"workers {panda_queue}", json.loads(statistics))
        return "OK"

    def add_dialogs(self, harvester_id: str, dialogs: list) -> Any:  # type: ignore[type-arg]
        """Keep messages."""
        if any(len(str(one.get("diagMessage", ""))) > 500 or len(str(one.get("moduleName", ""))) > 100 for one in dialogs) or not dialogs:
            raise SaysNoError(BROKEN)
        rows = [{"instance": harvester_id, "id": str(one["diagID"]), "message": json.dumps(one)} for one in dialogs]
        with self._file.write() as db:
            db.executemany(sentences()["dialog"], rows)
        return ""

    def update_service_metrics(self, harvester_id: str, metrics: list) -> Any:  # type: ignore[type-arg]
        """Keep the last numbers of a service."""
        with self._file.write() as db:
            self._tell(db, harvester_id, "metrics", metrics)
        return None

    def get_current_worker_id(self, harvester_id: str) -> Any:
        """Tell the highest number of a worker."""
        with self._file.read() as db:
            highest = db.execute("SELECT max(id) FROM worker WHERE instance = ?", (harvester_id,)).fetchone()[0]
        if highest is None:
            raise SaysNoError(BROKEN)
        return highest

    def get_resource_types(self) -> Any:
        """Tell what jobs of which size are called."""
        return [dict(one) for one in RESOURCE_TYPES]

    def workers(self) -> Mapping[int, Mapping[str, Any]]:
        """Return the last word about each worker, for tests and people."""
        with self._file.read() as db:
            return {row["id"]: json.loads(row["report"]) for row in db.execute("SELECT id, report FROM worker")}

    @staticmethod
    def _tell(db: sqlite3.Connection, instance: str, subject: str, value: Any) -> None:
        db.execute(sentences()["tell"], {"instance": instance, "subject": subject, "value": json.dumps(value), "now": 0.0})
