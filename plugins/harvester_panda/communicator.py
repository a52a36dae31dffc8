"""The communicator of a PanDA server."""
from __future__ import annotations

import json
import logging
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harvester_hpc.errors import AnswerLost, Unavailable
from harvester_hpc.model.command import Command
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import Worker
from harvester_hpc.ports.communicator import Accepted, EventReply, EventReport, JobReply, JobReport
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.orders import command_of
from harvester_panda import methods, worker_reports
from harvester_panda.cleaning import marked_time, parts, short, time_of, whole, without_nothing
from harvester_panda.credentials import credential_problems, settings_with_files
from harvester_panda.events import Events
from harvester_panda.job_reports import reply_words
from harvester_panda.job_telling import JobTelling
from harvester_panda.piecemeal import Piecemeal
from harvester_panda.server import Refused, Server
from harvester_panda.settings import PandaSettings

log = logging.getLogger(__name__)

#: Job ids in one question: the request line has a limit.
ASKED = 100
#: What a server says when it has no job for us; that is no error.
NO_JOBS = "no jobs"
TIMED_OUT = 10
NO_JOBS_CODE = 20
#: States of a job that nobody is to go on with. One that has finished may be a pilot's that is about to end.
OVER = frozenset({"failed", "cancelled", "closed", "unknown"})
TO_BE_KILLED = Accepted(commands=("tobekilled",))
#: {key of a dialog: bytes}
DIALOG = {"diagID": 20, "moduleName": 100, "identifier": 100, "messageLevel": 10, "diagMessage": 500}
DIALOGS = 50
#: What an instance may say of itself, with its length in bytes.
FACTS = {"sw_version": 50, "commit_stamp": 100, "description": 200}
#: Criteria of queues (published names) that have another name in the v1 API.
CRITERIA = {"resourceType": "resource_type", "jobType": "job_type", "mem": "memory", "diskSpace": "disk_space", "taskID": "task_id"}
NUMBERS = frozenset({"memory", "disk_space", "remaining_time", "task_id"})


class PandaCommunicator:
    """Talks with one PanDA server; safe for the threads of several agents.

    Nothing is remembered between calls but what dialect the server speaks: after a crash the next process goes on.
    """

    Settings = PandaSettings

    def __init__(self, settings: PandaSettings, context: Context) -> None:
        settings = settings_with_files(settings, context)
        self.settings = settings
        self._instance = context.instance
        self._server = Server(settings)
        self._events = Events(self._server, settings)
        self._jobs = JobTelling(self._server, settings, context.instance)

    @staticmethod
    def problems(settings: PandaSettings, context: Context) -> Iterator[str]:
        """Give what is wrong with the settings among the others of the instance."""
        return credential_problems(settings, context)

    def close(self) -> None:
        """Close all connections."""
        self._server.close()

    @property
    def gives_once(self) -> int:
        """How many jobs one call asks for at most, which the server gives once: so many can be lost with an answer."""
        return self.settings.jobs_per_call

    @property
    def ranges_per_call(self) -> int:
        """How many event ranges one call leases at most."""
        return self.settings.ranges_per_call

    def dialect(self) -> str:
        """Return the form of the API that the server speaks."""
        return str(self._server.dialect())

    def get_jobs(
        self,
        site_name: str,
        node_name: str,
        prod_source_label: str,
        computing_element: str,
        n_jobs: int,
        additional_criteria: Mapping[str, str],
    ) -> Sequence[Mapping[str, Any]]:
        """Return job dictionaries: one call, and at most ``jobs_per_call``.

        The server gives each job once. Those of an answer that is lost stay "sent" there, and are given up after half an hour.

        Raises:
            AnswerLost: it may have given some.
        """
        if n_jobs < 1:
            return []
        criteria = {CRITERIA.get(name, name): value for name, value in additional_criteria.items()}
        arguments = without_nothing({
            "site_name": site_name, "node": short(node_name, 128), "prod_source_label": prod_source_label,
            "computing_element": short(computing_element, 128), "n_jobs": min(n_jobs, self.settings.jobs_per_call),
            "scheduler_id": f"harvester-{self._instance}", "harvester_id": self._instance,
            **{name: whole(value) if name in NUMBERS else value for name, value in criteria.items()},
        })
        try:
            envelope = self._server.ask(methods.ACQUIRE_JOBS, arguments)
        except Refused as error:
            raise AnswerLost(error.what, why=error.why) from error  # it broke, perhaps when it was through
        if not envelope.success:
            if NO_JOBS in envelope.message.lower():
                return []
            raise Refused("the PanDA server gives no jobs", why=envelope.message)
        return _jobs_in(envelope.data)

    def update_jobs(self, jobs: Sequence[JobReport], id: str) -> Sequence[JobReply]:
        """Report jobs in bunches; one that the server refuses is told apart from the others."""
        return self._jobs.told(jobs)

    def get_event_ranges(self, data_map: Mapping[JobId, Mapping[str, Any]], scattered: bool) -> Mapping[JobId, Sequence[Mapping[str, Any]]]:
        """Lease ranges, a call for each job and ``ranges_per_call``."""
        return {job_id: self._events.leased(job_id, wanted, scattered=scattered) for job_id, wanted in data_map.items()}

    def update_event_ranges(self, event_ranges: Mapping[JobId, Sequence[EventReport]]) -> Mapping[JobId, Sequence[EventReply]]:
        """Report ranges; where the server breaks after it has taken them, it is asked what it knows."""
        return self._events.told(event_ranges)

    def event_statuses(
        self, ranges: Mapping[JobId, Sequence[str] | None], tasks: Mapping[JobId, int | None] | None = None
    ) -> Mapping[JobId, Mapping[str, str]]:
        """Tell what the server knows of ranges; of those of which nothing is named only for a job whose task is known."""
        return self._events.statuses(ranges, tasks or {})

    def events_available(self, job_id: JobId, wanted: Mapping[str, Any]) -> int:
        """Return how many ranges the server could lease."""
        return self._events.left(job_id, wanted)

    def get_commands(self, n_commands: int) -> Sequence[Command]:
        """Return commands; the server gives each once. Those that mean nothing to us are kept by the core."""
        data = self._server.tell(methods.COMMANDS, {"harvester_id": self._instance, "n_commands": n_commands})
        if data is not None and not isinstance(data, list):
            raise Refused("the PanDA server gives no commands", why=str(data)[:200])
        read = [(_command(one), one) for one in data or []]
        for command, one in read:
            if command is None:
                log.warning("an answer that is no command answer=%s", str(one)[:500])
        return [command for command, _ in read if command is not None]

    def ack_commands(self, command_ids: Sequence[str]) -> None:
        """Acknowledge commands."""
        numbers = [int(text.removeprefix("wms-")) for text in command_ids if text.removeprefix("wms-").isdecimal()]
        for some in parts(numbers, self.settings.items_per_call):
            self._server.tell(methods.ACKNOWLEDGE, {"command_ids": list(some)})

    def update_workers(self, workers: Sequence[Worker]) -> Sequence[bool]:
        """Report workers in bunches."""
        host = socket.gethostname()
        answers: list[bool] = []
        items = [worker_reports.item_of(worker, host) for worker in workers]
        for bunch in parts(items, self.settings.items_per_call):
            answers += Piecemeal(self._tell_workers, lambda item, why: False).tell(bunch)
        return answers

    def _tell_workers(self, items: Sequence[Mapping[str, Any]]) -> Sequence[bool]:
        data = self._server.tell(methods.UPDATE_WORKERS, {"harvester_id": self._instance, "workers": list(items)})
        if not isinstance(data, list) or len(data) != len(items):
            raise Refused("the PanDA server does not answer for each worker", why=str(data)[:200])
        return [answer is True for answer in data]

    def is_alive(self, data: Mapping[str, Any]) -> None:
        """Send a sign of life; the first one of an instance is taken, and yet answered with an error."""
        facts: dict[str, Any] = {name: short(str(data[name]), length) for name, length in FACTS.items() if data.get(name)}
        locks = [dict(one) for one in data.get("commands") or ()] or None
        said = without_nothing({**facts, "startTime": marked_time(data.get("startTime")), "commands": locks})
        arguments = {"harvester_id": self._instance, "data": said}
        if not self._server.ask(methods.HEARTBEAT, arguments).success:
            self._server.tell(methods.HEARTBEAT, arguments)

    def update_worker_stats(self, site_name: str, stats: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
        """Send {job type: {resource type: {worker state: number}}} of a site."""
        if stats:
            numbers = {job_type: {name: dict(states) for name, states in types.items()} for job_type, types in stats.items()}
            statistics = json.dumps(numbers)
            self._server.tell(
                methods.WORKER_STATISTICS, {"harvester_id": self._instance, "panda_queue": site_name, "statistics": statistics},
            )

    def check_jobs(self, job_ids: Sequence[JobId]) -> Sequence[Accepted]:
        """Ask whether jobs are still wanted; the answer has no numbers, only an order."""
        found: list[Accepted] = []
        for some in parts(job_ids, ASKED):
            data = self._server.tell(methods.JOB_STATUS, {"job_ids": [int(one) for one in some]})
            if not isinstance(data, list) or len(data) != len(some):
                raise Unavailable("the PanDA server does not answer for each job", why=str(data)[:200])
            found += [_wanted(answer) for answer in data]
        return found

    def send_dialog_messages(self, dialogs: Sequence[Mapping[str, str]]) -> None:
        """Send messages; one that the server refuses holds up no other."""
        for some in parts([_dialog(one) for one in dialogs], DIALOGS):
            Piecemeal(self._tell_dialogs, lambda item, why: False).tell(some)

    def _tell_dialogs(self, items: Sequence[Mapping[str, Any]]) -> Sequence[bool]:
        self._server.tell(methods.DIALOGS, {"harvester_id": self._instance, "dialogs": list(items)})
        return [True] * len(items)

    def update_service_metrics(self, metrics: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Send (time, host, values) of this service."""
        rows = [[_plain(when), host, json.dumps(values)] for when, host, values in metrics]
        if rows:
            self._server.tell(methods.METRICS, {"harvester_id": self._instance, "metrics": rows})

    def current_worker_id(self) -> int | None:
        """Return the highest number of a worker that the server knows of us; None if it knows none (or cannot say)."""
        envelope = self._server.ask(methods.CURRENT_WORKER, {"harvester_id": self._instance})
        return whole(envelope.data) if envelope.success else None

    def get_resource_types(self) -> Sequence[Mapping[str, Any]]:
        """Return what the server calls jobs of which size."""
        data = self._server.tell(methods.RESOURCE_TYPES, {})
        return [one for one in data if isinstance(one, Mapping)] if isinstance(data, list) else []


def _jobs_in(data: Any) -> Sequence[Mapping[str, Any]]:
    if not isinstance(data, Mapping):
        raise AnswerLost("the PanDA server gives no jobs and does not say why", why=str(data)[:200])
    if "PandaID" in data:
        return [data]
    if data.get("StatusCode") == NO_JOBS_CODE:
        return []
    if data.get("StatusCode") not in (0, None):
        # What has run out of time there goes on in the background.
        kind = AnswerLost if data["StatusCode"] == TIMED_OUT else Refused
        raise kind("the PanDA server gives no jobs", why=f"{data.get('StatusCode')} {data.get('errorDialog') or ''}".strip())
    jobs = data.get("jobs")
    if not isinstance(jobs, list):
        raise AnswerLost("the PanDA server gives no list of jobs", why=str(data)[:200])
    return [job for job in jobs if isinstance(job, Mapping)]


def _wanted(answer: Any) -> Accepted:
    if not isinstance(answer, Mapping):
        raise Unavailable("the PanDA server says of a job what is no answer", why=str(answer)[:200])
    words = tuple(reply_words(answer))
    return TO_BE_KILLED if not words and answer.get("status") in OVER else Accepted(commands=words)


def _command(one: Any) -> Command | None:
    """Return a command; None for what is none at all."""
    if not isinstance(one, Mapping) or type(one.get("command_id")) is not int:
        return None
    return command_of(one["command_id"], str(one.get("command")), one.get("params"), ack=bool(one.get("ack_requested")))


def _dialog(one: Mapping[str, str]) -> dict[str, Any]:
    cut = {key: short(str(one[key]), length) for key, length in DIALOG.items() if one.get(key)}
    return without_nothing({**cut, "diagID": whole(one.get("diagID")), "creationTime": _plain(one.get("creationTime"))})


def _plain(when: str | None) -> str | None:
    """Return a time as dialogs and metrics have it."""
    read = time_of(when)
    return read.strftime("%Y-%m-%d %H:%M:%S.%f") if read else None
