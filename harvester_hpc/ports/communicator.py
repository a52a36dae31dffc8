"""The workload management system, as the core talks to it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.command import Command
from harvester_hpc.model.file import File
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import Worker


@dataclass(frozen=True, slots=True, kw_only=True)
class JobReport:
    """What one job's row says to the workload management system.

    Attributes:
        status: running, failed, finished, starting or transferring (PanDA's words).
        sub_status: killed, missed, ... ; "" for none.
        attributes: what the worker told (transExitCode, node, startTime, nEvents, ...), with PanDA's names.
        outputs: outputs and log with checksum, size, guid, endpoint; given with finished and failed only.
        why: diagnostics; "" for none.
        cause: of an end that is not good, as one word; UNKNOWN if nobody knows.
    """

    job_id: JobId
    attempt: int
    status: str
    sub_status: str = ""
    site: str = ""
    batch_id: str = ""
    why: str = ""
    cause: Cause = Cause.UNKNOWN
    attributes: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The report is taken. ``commands`` is what the system wants of the job ("tobekilled", ...), split and without "NULL"."""

    commands: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAccepted:
    """The report was not taken; ``final``: it never will be (malformed), else it is sent again later."""

    why: str
    final: bool = False


JobReply = Accepted | NotAccepted


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipReport:
    """A zip with outputs of event ranges, at its destination.

    Attributes:
        size: bytes.
        checksum: ``ad:...`` or ``md:...``.
    """

    lfn: str
    size: int
    checksum: str
    url: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReport:
    """What is told of one event range.

    Attributes:
        status: finished, failed or fatal (PanDA's words).
        zip: where its output is; None if it has none.
    """

    range_id: str
    status: str
    core_count: int | None = None
    cpu_s: float | None = None
    why: str = ""
    zip: ZipReport | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EventReply:
    """What the system says to a report: taken (also when it is repeated), or not wanted any more, which is final."""

    taken: bool
    why: str = ""


#: What ``event_statuses`` says of a range that the system has handed out and of whose end it has not heard.
EVENT_OPEN = frozenset({"sent", "running"})


class Communicator(Protocol):
    """The methods of the published Plugin API, and a question about event ranges.

    Every method raises Unavailable when the system does not answer.
    """

    def get_jobs(
        self,
        site_name: str,
        node_name: str,
        prod_source_label: str,
        computing_element: str,
        n_jobs: int,
        additional_criteria: Mapping[str, str],
    ) -> Sequence[Mapping[str, Any]]:
        """Return at most ``n_jobs`` job dictionaries with PanDA's keys; empty if there is no work."""
        ...

    def update_jobs(self, jobs: Sequence[JobReport], id: str) -> Sequence[JobReply]:
        """Report jobs; the nth reply is of the nth job. ``id`` names the caller in logs."""
        ...

    def get_event_ranges(self, data_map: Mapping[JobId, Mapping[str, Any]], scattered: bool) -> Mapping[JobId, Sequence[Mapping[str, Any]]]:
        """Lease event ranges.

        Args:
            data_map: {job: {"pandaID", "taskID", "jobsetID", "nRanges"}}; every job stands in the answer.
            scattered: from as many input files as can be, rather than from few.

        Returns:
            {job: ranges with eventRangeID, startEvent, lastEvent, LFN, GUID, scope}; fewer than asked: there are no more now.
        """
        ...

    def update_event_ranges(self, event_ranges: Mapping[JobId, Sequence[EventReport]]) -> Mapping[JobId, Sequence[EventReply]]:
        """Report event ranges; the nth reply is of the nth report of its job. Telling the same twice is harmless to the system.

        Raises:
            Unavailable: nobody knows which of them were taken; ``event_statuses`` tells.
        """
        ...

    def event_statuses(
        self, ranges: Mapping[JobId, Sequence[str] | None], tasks: Mapping[JobId, int | None] | None = None
    ) -> Mapping[JobId, Mapping[str, str]]:
        """Return {job: {eventRangeID: status}} of these ranges; None: of all that the job has and whose end was not told.

        Args:
            tasks: taskID of the jobs whose ranges are not named; a server does not find them without.

        A range that the system does not know is left out. Statuses are PanDA's: ready, sent, running, finished, failed, fatal, ...
        """
        ...

    def get_commands(self, n_commands: int) -> Sequence[Command]:
        """Return at most ``n_commands`` commands; each is given once, so store them before anything is done."""
        ...

    def ack_commands(self, command_ids: Sequence[str]) -> None:
        """Acknowledge commands that were carried out (``Command.ack``)."""
        ...

    def update_workers(self, workers: Sequence[Worker]) -> Sequence[bool]:
        """Report workers; the nth answer is of the nth worker: taken or not."""
        ...

    def is_alive(self, data: Mapping[str, Any]) -> None:
        """Send the instance's heartbeat (startTime, sw_version, ...)."""
        ...

    def update_worker_stats(self, site_name: str, stats: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
        """Send {job type: {resource type: {worker state: number}}} of a site, in place of what was sent before."""
        ...

    def update_service_metrics(self, metrics: Sequence[tuple[str, str, Mapping[str, Any]]]) -> None:
        """Send (time in ISO 8601, host, {name: value}) of this service."""
        ...

    def get_resource_types(self) -> Sequence[Mapping[str, Any]]:
        """Return what the system calls jobs of which size (resource_name, mincore, maxcore, ...)."""
        ...

    def check_jobs(self, job_ids: Sequence[JobId]) -> Sequence[Accepted]:
        """Ask whether jobs are still wanted; the nth answer is of the nth job ("tobekilled" if not)."""
        ...

    def send_dialog_messages(self, dialogs: Sequence[Mapping[str, str]]) -> None:
        """Send messages for the operators' page."""
        ...


class Describer(Protocol):
    """What a communicator with an inbox offers besides if it can tell what jobs would become."""

    def job_dictionaries(self, descriptions: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Return the job dictionaries that would be handed out, numbered from 1; nothing is stored.

        Raises:
            ConfigurationError: with every problem of every description.
        """
        ...


class Inbox(Protocol):
    """What a communicator offers besides when work can be handed to it from the command line (the embedded one)."""

    def submit_job(self, description: Mapping[str, Any]) -> int:
        """Take one job; return its number. Raises ConfigurationError if the description is bad."""
        ...

    def submit_jobs(self, descriptions: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Take several jobs, all or none; return their numbers in the same order. Raises ConfigurationError with every problem."""
        ...

    def retry_job(self, job_id: int) -> int:
        """Make a new attempt of a job that ended failed; return its number."""
        ...

    def kill_job(self, job_id: int) -> None:
        """Mark a job as to be killed."""
        ...
