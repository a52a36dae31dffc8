"""An event range on a Droid, how it ended, and what a Droid has to know to run it."""
from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from harvester_launch.seats import Sharing

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,150}")


class Range(NamedTuple):
    """One event range.

    Attributes:
        number: of Yoda's ledger.
        tried: 1 at the first try.
        shared: its other keys (LFN, GUID, scope, ...).
    """

    number: int
    job_id: int
    range_id: str
    start: int
    last: int
    tried: int
    shared: Mapping[str, Any]

    def fields(self, out: str) -> dict[str, Any]:
        """Return what a payload is told, by the names of the protocol; ``out``: where its output belongs."""
        own = {"eventRangeID": self.range_id, "startEvent": self.start, "lastEvent": self.last, "PandaID": self.job_id, "out": out}
        return {**self.shared, **own}


class Result(NamedTuple):
    """How a range ended. path: "" if it makes no file, or failed; code, why: of a failure."""

    range: Range
    ok: bool
    path: str = ""
    size: int = 0
    checksum: str = ""
    guid: str = ""
    seconds: float = 0.0
    code: int = 0
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSetup:
    """How the ranges of a job are run: argv with fields, the job's folder, the environment that is added to the rank's own."""

    argv: tuple[str, ...]
    folder: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What Yoda tells each Droid at the start.

    Attributes:
        run: a text that no other run of this worker has.
        own: folder for journals and outputs.
        mode: "bunch" or "lines".
        slots: payloads side by side on each rank; None: by the cores.
        limit_s: seconds that a range may take; None for no limit.
        grace_s: seconds between TERM and KILL.
        suffix: of the names of outputs.
        sharing: how the cores and GPUs of a node are shared out.
    """

    run: str
    own: Path
    jobs: Mapping[int, JobSetup]
    mode: str = "bunch"
    slots: int | None = None
    cores_per_payload: int = 1
    limit_s: float | None = None
    grace_s: float = 20.0
    suffix: str = ""
    sharing: Sharing = field(default_factory=Sharing)


def plain(range_id: str) -> str:
    """Return a range id as (part of) a file name; a strange one is replaced by its hash."""
    return range_id if _PLAIN.fullmatch(range_id) else sha256(range_id.encode("utf-8", "replace")).hexdigest()[:32]


def output_path(setup: Setup, one: Range, rank: int) -> Path:
    """Return where the output of a try belongs; no other range, try, rank, run or worker has this name."""
    return setup.own / "out" / f"{rank}" / f"{try_name(setup, one, rank)}{setup.suffix}"


def try_name(setup: Setup, one: Range, rank: int) -> str:
    """Return a file name that only this try of this range has; ranges of two jobs may have the same id."""
    return f"{plain(one.range_id)}.{setup.run}-{rank}-{one.number}-{one.tried}"
