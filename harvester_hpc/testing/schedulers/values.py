"""What the engine knows: batch jobs, their states and ends, what is asked for, and how a request is turned down."""
from __future__ import annotations

import os
import pwd
from dataclasses import dataclass, field
from enum import StrEnum


class State(StrEnum):
    """Where a batch job stands."""

    QUEUED = "queued"
    HELD = "held"
    RUNNING = "running"
    SUSPENDED = "suspended"
    ENDING = "ending"  # was told to end, its processes have not ended yet
    ENDED = "ended"


class Cause(StrEnum):
    """Why a batch job ended, or is made to end."""

    EXIT = "exit"          # by itself
    CANCELLED = "cancelled"
    TIME_LIMIT = "time limit"
    NODE_FAILURE = "node failure"
    PREEMPTED = "preempted"
    OUT_OF_MEMORY = "out of memory"
    REQUEUED = "requeued"  # it goes back into the queue


class Problem(StrEnum):
    """Why a request is turned down; each dialect has its own words for it."""

    NO_QUEUE = "no such queue"
    QUEUE_CLOSED = "queue closed"
    QUEUE_FULL = "limit of jobs reached"
    NOT_PERMITTED = "not permitted in this queue"
    NO_ACCOUNT = "no such account"
    TOO_MANY_NODES = "too many nodes"
    TOO_MANY_CORES = "too many cores on a node"
    TOO_LONG = "time limit too long"
    BAD_OPTION = "no such option"
    BAD_REQUEST = "request not understood"


class Refused(Exception):
    """A request was turned down.

    Attributes:
        detail: what was asked for (name of the queue, the option, ...).
    """

    def __init__(self, problem: Problem, detail: str = "") -> None:
        super().__init__(problem, detail)
        self.problem, self.detail = problem, detail


class WantsStandardInput(Exception):
    """The command reads its script from standard input."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a submit command asks for, whatever its dialect.

    Attributes:
        cores, memory_mb, gpus: on each node.
        walltime_s: 0: the queue's.
        stdout, stderr: paths as the job will use them; "" for /dev/null.
        shell: runs the script; "" for its own first line.
        environment: what the job finds, before the dialect adds its own.
        arguments: of the submit command, for the listing; script_arguments: of the script.
        array: text of an array's range; such a job is only listed, and never runs.
    """

    script: str
    name: str
    user: str
    cwd: str
    queue: str = ""
    account: str = ""
    nodes: int = 1
    cores: int = 1
    memory_mb: int = 0
    gpus: int = 0
    walltime_s: int = 0
    exclusive: bool = False
    rerunnable: bool = True
    held: bool = False
    stdout: str = ""
    stderr: str = ""
    append: bool = False
    shell: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    arguments: str = ""
    script_arguments: tuple[str, ...] = ()
    array: str = ""
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A batch job.

    Attributes:
        number: the batch system's, from 1.
        hosts: names of its nodes while it runs and afterwards.
        ending: why it is being ended; None if it is not.
        cause: why it has ended; None if it has not.
        exit_code: of the script; None: it was killed or never ran.
        signal: that ended the script; 0 if none.
        restarts: how often it was put back into the queue.
        by: user who cancelled it; "" if nobody.
        submitted, started, ended: seconds since 1970; 0 if not yet.
        kill_at: when its processes are killed that were told to end; 0 if not told.
        pid, pid_start: of the process that keeps it, and when that started (ticks since boot).
        forgotten: the queue has it no more, the accounting still has.
        lost: nobody has it any more.
        odd: a state that no table knows, shown in place of its own; "" for none.
    """

    number: int
    request: Request
    state: State = State.QUEUED
    hosts: tuple[str, ...] = ()
    ending: Cause | None = None
    cause: Cause | None = None
    exit_code: int | None = None
    signal: int = 0
    restarts: int = 0
    by: str = ""
    submitted: float = 0.0
    started: float = 0.0
    ended: float = 0.0
    kill_at: float = 0.0
    pid: int = 0
    pid_start: str = ""
    forgotten: bool = False
    lost: bool = False
    odd: str = ""

    @property
    def name(self) -> str:
        """The job's name."""
        return self.request.name

    @property
    def has_ended(self) -> bool:
        """It is over."""
        return self.state is State.ENDED

    @property
    def occupies(self) -> bool:
        """It holds its nodes."""
        return self.state in (State.RUNNING, State.SUSPENDED, State.ENDING)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A command as it was called.

    Attributes:
        cwd: of the caller.
        environment: the caller's.
        stdin: None: it was not asked for yet.
    """

    program: str
    argv: tuple[str, ...]
    cwd: str
    environment: dict[str, str]
    stdin: str | None = None

    @property
    def user(self) -> str:
        """Who calls."""
        return pwd.getpwuid(os.getuid()).pw_name


    @property
    def script(self) -> str:
        """What stands on standard input.

        Raises:
            WantsStandardInput: it was not asked for yet.
        """
        if self.stdin is None:
            raise WantsStandardInput
        return self.stdin


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command prints, and how it ends."""

    out: str = ""
    err: str = ""
    exit_code: int = 0
