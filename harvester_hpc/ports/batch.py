"""The batch system: submitter, monitor, sweeper."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.outcome import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """The batch system has it under this number."""

    batch_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """This worker will never be accepted (no such partition, too many nodes, ...).

    Attributes:
        may_run: nobody can tell any more whether it was: a batch job of it may run all the same, and its jobs get no other worker.
    """

    why: str
    may_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Busy:
    """Not now: the queue is full or closed. Nothing was submitted; the same worker may be tried later."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncertain:
    """It may or may not have been accepted (time-out, crash). Only ``find_workers`` settles it."""

    why: str


Submission = Submitted | Refused | Busy | Uncertain


@dataclass(frozen=True, slots=True, kw_only=True)
class NotThere:
    """The batch system answered clearly that it has no such worker, and nothing on its way can still become one."""


Lookup = Submitted | Refused | NotThere | Uncertain


class Submitter(Protocol):
    """Hands workers to the batch system."""

    def submit_workers(self, workers: Sequence[Worker]) -> Sequence[Submission]:
        """Submit each worker under the name ``worker.key``; the nth result is of the nth worker.

        The access point exists and is fed. The intent is stored. Called twice with the same key, a submitter
        never makes two batch jobs if it can help it.

        Raises:
            Unavailable: none of the workers was submitted, and none is on its way.
        """
        ...

    def find_workers(self, workers: Sequence[Worker]) -> Sequence[Lookup]:
        """Look up what became of submissions whose end is unknown; the nth result is of the nth worker.

        Raises:
            Unavailable: the batch system does not answer: nothing is known.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a worker would be submitted with.

    Attributes:
        script: the whole batch script.
        command: argv of the submit command; the script stands in it by the name that it would have.
        on_input: the submit command reads the script from its standard input.
    """

    script: str
    command: tuple[str, ...]
    on_input: bool = False


class Previewer(Protocol):
    """What a submitter offers besides if it can show what it would do."""

    def preview_worker(self, worker: Worker) -> Preview:
        """Return what the worker would be submitted with; touches nothing outside, and needs no batch system."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What is known of a worker in the batch system.

    Attributes:
        state: submitted, running, finished, failed or cancelled.
        native_status: the batch system's word and reason ("PENDING (Priority)").
        exit_code: of the batch script; None if it told none.
        node: first or only node; "" if unknown.
        batch_id: the number that holds the claim, if it is another than the one we knew; "" otherwise.
        why, cause: of an end that is not good, in words and as one; cause UNKNOWN if nobody knows.
        started, ended: seconds since 1970; None if unknown.
    """

    state: WorkerState
    native_status: str = ""
    exit_code: int | None = None
    node: str = ""
    batch_id: str = ""
    why: str = ""
    cause: Cause = Cause.UNKNOWN
    started: float | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """Nothing is known of this worker at the moment; its state stays.

    Attributes:
        gone: the batch system answered and does not know it (any more); after a patience the monitor gives it up.
        away: the accounting, which alone could tell, does not answer: a trouble that ``status`` shows.
    """

    why: str
    gone: bool = False
    away: bool = False


Sight = Seen | Unseen


class Monitor(Protocol):
    """Looks at workers in the batch system.

    A monitor may have more: ``asks``, an object that is the same for all monitors that ask the same (one of them then looks at the
    workers of all their queues); ``next_answer()``, when asking tells something new, seconds since 1970 (what is past: at any time);
    ``shortest_look_s``, seconds until the first look at a new worker; ``check_letters(workers)``, asked after ``check_workers`` has
    raised Unavailable: the nth result is what the nth worker's own letters settle, Unseen if they settle nothing.
    """

    def check_workers(self, workers: Sequence[Worker]) -> Sequence[Sight]:
        """Look at all of them with as few calls as the batch system needs; the nth result is of the nth worker.

        Raises:
            Unavailable: the batch system does not answer: nothing is known, nothing changes.
        """
        ...

    def report_updated_workers(self, time_window: float) -> Sequence[tuple[int, float]]:
        """Return (worker id, time) of workers that changed within ``time_window`` seconds; empty if it cannot tell."""
        ...


class Sweeper(Protocol):
    """Kills workers and cleans up after them.

    A sweeper may have ``kill_workers(workers)`` too, which ends many at a time; the nth result is of the nth worker.
    """

    def kill_worker(self, worker: Worker) -> Result:
        """Ask the batch system to end it. Done also if it has ended already; Retry if there is no answer."""
        ...

    def sweep_worker(self, worker: Worker) -> Result:
        """Remove what the batch side keeps of an ended worker (script, records, access point). Done if all is gone.

        Failed: it must not be removed (it does not carry our sentinel, it is a symbolic link, ...); it is left alone.
        """
        ...
