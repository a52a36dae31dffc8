"""The start of every launcher: whose access point this is, whether it is ours to use, and when the allocation ends."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.messenger.batch_letters import read_claim
from harvester_hpc.messenger.names import NAMES
from harvester_launch.assignment import Worker, worker_in
from harvester_launch.telling import say
from harvester_launch.walltime import end_of, remaining_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A launcher at work. end: of the allocation, seconds since 1970; None if it is not known."""

    worker: Worker
    end: float | None


def start(access_point: Path, environ: Mapping[str, str], started: float, walltime_s: float | None) -> Begun | None:
    """Return what the launcher works with; None if another batch job has claimed the access point.

    Args:
        started: of this launcher, seconds since 1970.
        walltime_s: what the batch job was given, seconds; None if it is not known.
    """
    claim = read_claim(access_point / NAMES.claim)
    own = environ.get("HARVESTER_BATCH_ID")
    if claim is not None and own and claim.batch_id != own:
        say(f"the worker is claimed by batch job {claim.batch_id}, and this is {own}: nothing to do")
        return None
    worker = worker_in(access_point, environ)
    end = end_of(environ, min(claim.started, started) if claim and claim.started else started, walltime_s)
    left = remaining_s(end, started)
    say(f"worker {worker.worker_id or '?'} starts" + ("" if left is None else f", {left:.0f} seconds of walltime are left"))
    return Begun(worker=worker, end=end)
