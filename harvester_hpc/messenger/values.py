"""What letters say, as values."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPoint:
    """The folder of one worker.

    Attributes:
        root: the folder below which all access points of the queue lie; absolute.
        path: the worker's own folder, below root; absolute.
        instance, worker_id: whose it is; written into its sentinel.
        job_ids: jobs bound to the worker.
        many: ManyToOne: each job has a sub-folder named by its number.
    """

    root: Path
    path: Path
    instance: str
    worker_id: int
    job_ids: tuple[int, ...] = ()
    many: bool = False

    def folder_of(self, job_id: int) -> Path:
        """Return the folder with the letters of one job."""
        return self.path / str(job_id) if self.many else self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredFile:
    """A file that a worker has declared for stage-out.

    Attributes:
        kind: output, log, es_output, zip_output or checkpoint.
        path: absolute.
        size: bytes; None if the worker did not say.
        checksum: ``ad:xxxxxxxx``; "" if the worker did not say.
        outside: it lies outside the root of the access points: the payload writes elsewhere.
    """

    job_id: int
    lfn: str
    path: str
    kind: str
    size: int | None = None
    checksum: str = ""
    guid: str = ""
    event_range_id: str = ""
    event_status: str = ""
    outside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventUpdate:
    """What a worker says of one event range, without a file.

    Attributes:
        event_status: running, finished, failed or fatal.
        core_count: cores used; None if the worker did not say.
        cpu_s: CPU time in seconds; None if the worker did not say.
        why: what went wrong (errorDiag); "" if the worker did not say.
    """

    event_range_id: str
    event_status: str
    core_count: int | None = None
    cpu_s: float | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class BadLetter:
    """A letter that could not be used; it is kept aside at ``path`` with its reason beside it."""

    path: Path
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The first act of a batch job: who owns the access point. ``started`` in seconds since 1970, by the worker's clock.

    ``restart`` counts how often the batch system has run it again.
    """

    batch_id: str
    host: str = ""
    pid: int = 0
    started: float = 0.0
    restart: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The last act of a batch job: exit code of the script, and when (seconds since 1970, by the worker's clock).

    Attributes:
        terminated: it was told to end (SIGTERM), by whomever.
    """

    exit_code: int
    ended: float = 0.0
    terminated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """All that one look into an access point has found.

    Attributes:
        attributes: {job id: what the worker tells of it}, jobReport under "metaData".
        files: declared files whose letters are not yet acknowledged.
        job_status: {job id: "finished" or "failed"} where the worker has said so.
        heartbeat: when the worker last wrote its heartbeat letter (seconds since 1970, by the file's mtime); None: never.
        kill_requested: the worker asks to be killed.
        bad: letters that were put aside in this look.
        taken: letters to acknowledge once their content is stored.
        waiting: declared files that are not visible here yet (attribute caches of shared file systems); their
            letter is not in ``taken`` and is read again next time.
        event_updates: {job id: what the worker says of its event ranges}, from the letters in ``taken``.
        begun: jobs of a ManyToOne or late worker that a launcher has taken; the others may still be given to another worker.
        wants_events: it asks for event ranges; ``events_requested`` says how many.
        wants_jobs: it asks for jobs; ``job_requested`` says how many.
    """

    claim: Claim | None = None
    exit: Exit | None = None
    attributes: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)
    job_status: Mapping[int, str] = field(default_factory=dict)
    files: tuple[DeclaredFile, ...] = ()
    heartbeat: float | None = None
    kill_requested: bool = False
    bad: tuple[BadLetter, ...] = ()
    taken: tuple[Path, ...] = ()
    waiting: tuple[str, ...] = ()
    event_updates: Mapping[int, tuple[EventUpdate, ...]] = field(default_factory=dict)
    begun: frozenset[int] = frozenset()
    wants_events: bool = False
    wants_jobs: bool = False
