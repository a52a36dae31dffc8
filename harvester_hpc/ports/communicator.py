"""The workload management system, as the core talks to it."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

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
    """

    job_id: JobId
    attempt: int
    status: str
    sub_status: str = ""
    site: str = ""
    batch_id: str = ""
    why: str = ""
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


class Communicator(Protocol):
    """The eleven methods of the published Plugin API. Every method raises Unavailable when the system does not answer."""

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
        """Lease event ranges."""
        ...

    def update_event_ranges(self, event_ranges: Mapping[JobId, Sequence[Mapping[str, Any]]]) -> Mapping[JobId, JobReply]:
        """Report event ranges."""
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

    def update_worker_stats(self, site_name: str, stats: Mapping[str, int]) -> None:
        """Send {worker state: number} of a site."""
        ...

    def check_jobs(self, job_ids: Sequence[JobId]) -> Sequence[Accepted]:
        """Ask whether jobs are still wanted; the nth answer is of the nth job ("tobekilled" if not)."""
        ...

    def send_dialog_messages(self, dialogs: Sequence[Mapping[str, str]]) -> None:
        """Send messages for the operators' page."""
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
