"""A workload management system in memory: instant, and as strict about reports as the real one."""
from __future__ import annotations

import threading
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harvester_hpc.errors import ConfigurationError, HarvesterError
from harvester_hpc.model.command import Command
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import Worker, WorkerId
from harvester_hpc.ports.communicator import Accepted, EventReply, EventReport, JobReply, JobReport, NotAccepted
from harvester_hpc.ports.context import Context
from harvester_hpc.testing.fake_events import FakeEvents
from harvester_hpc.testing.faults import Faults

#: What may be reported, in the order in which a job goes on.
REPORTABLE = {state: rank for rank, state in enumerate(("starting", "running", "transferring", "holding", "finished", "failed"))}
ENDS = frozenset({"finished", "failed", "cancelled"})
TO_BE_KILLED = Accepted(commands=("tobekilled",))
ALREADY_DONE = Accepted(commands=("alreadydone",))
TAKEN = Accepted()


class FakeCommunicator:
    """Holds jobs for any site and label, and remembers every report.

    Attributes:
        faults: lets calls fail.
        gives_once: as a server that gives each job once: so many in one call; 0: it is as the embedded system.
        reports: every report that was taken, in order.
        states: {PandaID: state on the server's side}.
        events: the ranges of jobs that were added with ``nRanges``.
        questions: (label, number, criteria) of every question for jobs.
        killed: jobs whose next reports are answered "tobekilled".
        workers, dialogs, acknowledged, stats, metrics, heartbeats: what was told.
    """

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Settings:
        """The communicator's section: how many ready-made jobs there are, and what each asks for (seconds, MB)."""

        jobs: int = 0
        cores: int = 1
        memory_mb: int = 0
        walltime_s: int = 0
        outputs: tuple[str, ...] = ()

    def __init__(self, settings: Settings, context: Context) -> None:
        self.settings = settings
        self.context = context
        self.faults = Faults()
        self.gives_once = 0
        self.reports: list[JobReport] = []
        self.states: dict[int, str] = {}
        self.attempts: dict[int, int] = {}
        self.events = FakeEvents()
        self.killed: set[int] = set()
        self.workers: dict[WorkerId, Worker] = {}
        self.dialogs: list[Mapping[str, str]] = []
        self.acknowledged: list[str] = []
        self.stats: dict[str, Mapping[str, Mapping[str, Mapping[str, int]]]] = {}
        self.metrics: list[tuple[str, str, Mapping[str, Any]]] = []
        self.resource_types: list[Mapping[str, Any]] = [{"resource_name": "SCORE"}, {"resource_name": "MCORE"}]
        self.heartbeats: list[Mapping[str, Any]] = []
        self.questions: list[tuple[str, int, dict[str, str]]] = []
        self._lock = threading.RLock()
        self._waiting: deque[Mapping[str, Any]] = deque()
        self._descriptions: dict[int, Mapping[str, Any]] = {}
        self._commands: deque[Command] = deque()
        self.add_jobs(settings.jobs)

    def add_jobs(self, n: int, **keys: Any) -> Sequence[int]:
        """Add ``n`` jobs; ``keys`` replace keys of their dictionaries. Return their PandaIDs."""
        with self._lock:
            return [self._add(keys) for _ in range(n)]

    def add_commands(self, commands: Iterable[Command]) -> None:
        """Add commands to be fetched."""
        with self._lock:
            self._commands.extend(commands)

    def counts(self) -> Mapping[str, int]:
        """Return {state on the server's side: number of jobs}."""
        with self._lock:
            return Counter(self.states.values())

    # The port's methods.

    def get_jobs(
        self, site_name: str, node_name: str, prod_source_label: str, computing_element: str, n_jobs: int,
        additional_criteria: Mapping[str, str],
    ) -> Sequence[Mapping[str, Any]]:
        """Hand out the oldest jobs, of the type of resources that is asked for, whatever the site and label."""
        self.faults.check("get_jobs")
        with self._lock:
            self.questions.append((prod_source_label, n_jobs, dict(additional_criteria)))
            wanted = additional_criteria.get("resource_type")
            given = [job for job in self._waiting if wanted in (None, job.get("resource_type"))][:n_jobs]
            taken = {job["PandaID"] for job in given}
            self._waiting = deque(job for job in self._waiting if job["PandaID"] not in taken)
            self.states.update((job["PandaID"], "sent") for job in given)
        return given

    def update_jobs(self, jobs: Sequence[JobReport], id: str) -> Sequence[JobReply]:
        """Take reports by the server's rules."""
        self.faults.check("update_jobs")
        with self._lock:
            return [self._take(report) for report in jobs]

    def get_event_ranges(self, data_map: Mapping[JobId, Mapping[str, Any]], scattered: bool) -> Mapping[JobId, Sequence[Mapping[str, Any]]]:
        """Lease ranges of jobs that were added with ``nRanges``."""
        self.faults.check("get_event_ranges")
        with self._lock:
            return {job_id: self.events.lease(job_id, wanted["nRanges"]) for job_id, wanted in data_map.items()}

    def update_event_ranges(self, event_ranges: Mapping[JobId, Sequence[EventReport]]) -> Mapping[JobId, Sequence[EventReply]]:
        """Take reports about ranges by the server's rules."""
        self.faults.check("update_event_ranges")
        with self._lock:
            return {job_id: [self.events.take(job_id, report) for report in reports] for job_id, reports in event_ranges.items()}

    def event_statuses(
        self, ranges: Mapping[JobId, Sequence[str] | None], tasks: Mapping[JobId, int | None] | None = None
    ) -> Mapping[JobId, Mapping[str, str]]:
        """Tell what is known of ranges."""
        self.faults.check("event_statuses")
        with self._lock:
            return {job_id: self.events.statuses(job_id, names) for job_id, names in ranges.items()}

    def get_commands(self, n_commands: int) -> Sequence[Command]:
        """Hand out the oldest commands, each once."""
        self.faults.check("get_commands")
        with self._lock:
            return [self._commands.popleft() for _ in range(min(n_commands, len(self._commands)))]

    def ack_commands(self, command_ids: Sequence[str]) -> None:
        """Remember them."""
        self.faults.check("ack_commands")
        self.acknowledged.extend(command_ids)

    def update_workers(self, workers: Sequence[Worker]) -> Sequence[bool]:
        """Remember the last word about each."""
        self.faults.check("update_workers")
        self.workers.update((worker.id, worker) for worker in workers)
        return [True] * len(workers)

    def is_alive(self, data: Mapping[str, Any]) -> None:
        """Remember it."""
        self.faults.check("is_alive")
        self.heartbeats.append(data)

    def update_worker_stats(self, site_name: str, stats: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
        """Remember the last."""
        self.faults.check("update_worker_stats")
        self.stats[site_name] = stats

    def update_service_metrics(self, metrics: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Remember them."""
        self.faults.check("update_service_metrics")
        self.metrics.extend(metrics)

    def get_resource_types(self) -> Sequence[Mapping[str, Any]]:
        """Tell what the test says."""
        self.faults.check("get_resource_types")
        return self.resource_types

    def check_jobs(self, job_ids: Sequence[JobId]) -> Sequence[Accepted]:
        """Answer "tobekilled" for jobs that are unknown, ended or to be killed."""
        self.faults.check("check_jobs")
        with self._lock:
            return [TO_BE_KILLED if job in self.killed or self.states.get(job, "failed") in ENDS else TAKEN for job in job_ids]

    def send_dialog_messages(self, dialogs: Sequence[Mapping[str, str]]) -> None:
        """Remember them."""
        self.faults.check("send_dialog_messages")
        self.dialogs.extend(dialogs)

    # The inbox.

    def submit_job(self, description: Mapping[str, Any]) -> int:
        """Add a job whose dictionary has these keys besides the ready-made ones."""
        return self.submit_jobs([description])[0]

    def submit_jobs(self, descriptions: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Add jobs whose dictionaries have these keys besides the ready-made ones."""
        problems = tuple(f"job {number}: must be an object" for number, one in enumerate(descriptions, 1) if not isinstance(one, Mapping))
        if problems:
            raise ConfigurationError("jobs cannot be used", problems)
        with self._lock:
            return [self._add(description) for description in descriptions]

    def retry_job(self, job_id: int) -> int:
        """Add the next attempt of a job that failed."""
        with self._lock:
            if self.states.get(job_id) not in ("failed", "cancelled"):
                raise HarvesterError(f"job {job_id} is not tried again", why=f"it is {self.states.get(job_id, 'unknown')}")
            again = {**self._descriptions[job_id], "attemptNr": self.attempts[job_id] + 1}
            again.pop("PandaID", None)
            return self._add(again)

    def kill_job(self, job_id: int) -> None:
        """Cancel it if it was not handed out, else have it killed by the answer to its next report."""
        with self._lock:
            if job_id not in self.states:
                raise HarvesterError(f"there is no job {job_id}")
            if self.states[job_id] != "activated":
                self.killed.add(job_id)
                return
            self.states[job_id] = "cancelled"
            self._waiting = deque(job for job in self._waiting if job["PandaID"] != job_id)

    def _add(self, keys: Mapping[str, Any]) -> int:
        number = len(self.states) + 1
        settings = self.settings
        job = {
            "PandaID": number, "attemptNr": 1, "taskID": 1, "jobsetID": 1, "currentPriority": 1000, "prodSourceLabel": "managed",
            "transformation": "/bin/true", "jobPars": "", "coreCount": settings.cores, "minRamCount": settings.memory_mb,
            "maxWalltime": settings.walltime_s, "resource_type": "SCORE" if settings.cores == 1 else "MCORE",
            "inFiles": "", "outFiles": ",".join(name.replace("{PandaID}", str(number)) for name in settings.outputs), "logFile": "",
            **keys,
        }
        if "nRanges" in keys:
            job["eventService"] = "True"
            self.events.add(number, int(keys["nRanges"]))
        self.states[number] = "activated"
        self.attempts[number] = int(job["attemptNr"])
        self._descriptions[number] = job
        self._waiting.append(job)
        return number

    def _take(self, report: JobReport) -> JobReply:
        if report.status not in REPORTABLE:
            return NotAccepted(why=f"status {report.status!r} is none that can be reported", final=True)
        state = self.states.get(report.job_id)
        if state is None or report.attempt != self.attempts[report.job_id]:
            return TO_BE_KILLED
        if state in ENDS:
            return ALREADY_DONE if report.status in ENDS and state != "cancelled" else TO_BE_KILLED
        killed = report.job_id in self.killed
        if REPORTABLE[report.status] >= REPORTABLE.get(state, 0):
            self.states[report.job_id] = "cancelled" if killed and report.status == "failed" else report.status
        self.reports.append(report)
        return TO_BE_KILLED if killed else TAKEN
