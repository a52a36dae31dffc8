"""The logs of a worker, and what becomes of those that are shown to people far away."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from harvester_hpc.model.worker import MapType, Worker, WorkerId

#: Of the batch script; of the payload.
BATCH_NAME, OUT_NAME, ERROR_NAME = "batch.log", "payload.stdout", "payload.stderr"


class LogKind(StrEnum):
    """What wrote a log."""

    STDOUT = "stdout"
    STDERR = "stderr"
    BATCH = "batch"


class LogState(StrEnum):
    """All of them are the log exposer's turn."""

    LIVE = "live"      # the worker runs
    WANTED = "wanted"  # the worker has ended, and its logs are to be shown
    SHOWN = "shown"    # they are, until their time is over


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKeeping:
    """How the logs of a queue's workers are shown.

    Attributes:
        most: bytes that are shown of one log, its head and tail.
        keep_s: seconds after a worker's end for which they are.
        patience_s: seconds after its end for which it is tried, and its access point stays.
        live_s: seconds between two copies of the logs of a worker that runs; 0: none before its end.
    """

    most: int = 10_000_000
    keep_s: float = 14 * 86400.0
    patience_s: float = 24 * 3600.0
    live_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LogCopy:
    """One log as it is shown.

    Attributes:
        name: under which the exposer has it; "" if nothing was copied: somebody shows the file itself.
        url: where people find it.
        size, stamp: bytes and time of change (ns since 1970) of the log when it was copied.
    """

    kind: LogKind
    name: str
    url: str
    size: int = 0
    stamp: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerLog:
    """The logs of one worker on their way.

    Attributes:
        since: when they were first wanted, seconds since 1970; for those of an ended worker its end.
        copies: those that are shown already.
    """

    worker_id: WorkerId
    queue: str
    state: LogState
    since: float
    tries: int = 0
    why: str = ""
    copies: tuple[LogCopy, ...] = ()


def files_of(worker: Worker) -> Mapping[LogKind, str]:
    """Return where the logs of a worker lie, within its access point.

    Payloads of a worker for many jobs print into the folder of each; of several of them none is shown for the worker.
    """
    if worker.map_type is not MapType.MANY_TO_ONE:
        return {LogKind.BATCH: BATCH_NAME, LogKind.STDOUT: OUT_NAME, LogKind.STDERR: ERROR_NAME}
    if len(worker.job_ids) != 1:
        return {LogKind.BATCH: BATCH_NAME}
    (job,) = worker.job_ids
    return {LogKind.BATCH: BATCH_NAME, LogKind.STDOUT: f"{job}/{OUT_NAME}", LogKind.STDERR: f"{job}/{ERROR_NAME}"}


def name_of(instance: str, worker_id: int, kind: LogKind) -> str:
    """Return the name of a copy: the same for the same log, so that a second copy replaces the first.

    A browser shows ``.txt`` as text, whatever is in it.
    """
    return f"{instance}__{worker_id}.{kind}.txt"
