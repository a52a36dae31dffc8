"""A file of a job: input, output or log, and its lifecycle."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NewType

from harvester_hpc.model.lifecycle import Lifecycle

FileId = NewType("FileId", int)
"""Number of a file row in the store."""


class FileKind(StrEnum):
    """What a file is to its job. Outputs of event ranges become files when they are zipped."""

    INPUT = "input"
    OUTPUT = "output"
    LOG = "log"
    EVENT_ZIP = "event_zip"


class FileState(StrEnum):
    """Inputs: to_prepare, preparing, ready. Outputs and logs: expected, defined, transferring, finished. Both: failed."""

    TO_PREPARE = "to_prepare"      # known from the job dictionary
    PREPARING = "preparing"        # stage-in under way
    READY = "ready"                # readable where the worker runs
    EXPECTED = "expected"          # named in the job dictionary, not yet declared by the worker
    DEFINED = "defined"            # declared by the worker, lies on scratch
    TRANSFERRING = "transferring"  # stage-out under way
    FINISHED = "finished"          # verified at its destination
    FAILED = "failed"


FILE_LIFECYCLE: Lifecycle[FileState] = Lifecycle(
    "file",
    {
        FileState.TO_PREPARE: frozenset({FileState.PREPARING, FileState.READY, FileState.FAILED}),
        FileState.PREPARING: frozenset({FileState.TO_PREPARE, FileState.READY, FileState.FAILED}),
        FileState.READY: frozenset(),
        FileState.EXPECTED: frozenset({FileState.DEFINED, FileState.FAILED}),
        FileState.DEFINED: frozenset({FileState.TRANSFERRING, FileState.FINISHED, FileState.FAILED}),
        FileState.TRANSFERRING: frozenset({FileState.DEFINED, FileState.FINISHED, FileState.FAILED}),
        FileState.FINISHED: frozenset(),
        FileState.FAILED: frozenset(),
    },
)


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """One row of the store.

    Attributes:
        id: 0 until it is stored.
        lfn: logical file name; unique within its job and kind.
        size: bytes; None if unknown.
        checksum: ``ad:`` + 8 hex digits of adler32, or ``md:`` + 32 of md5; "" if unknown.
        path: where it lies for us: the staged copy of an input, the worker's output on scratch; "" if nowhere yet.
        url: where stage-out has put it; "" before that.
        tries: attempts of the transfer so far.
    """

    id: FileId = FileId(0)
    job_id: int
    kind: FileKind
    lfn: str
    state: FileState
    scope: str = ""
    dataset: str = ""
    endpoint: str = ""
    guid: str = ""
    size: int | None = None
    checksum: str = ""
    path: str = ""
    url: str = ""
    tries: int = 0
    why: str = ""
