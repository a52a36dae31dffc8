"""One job of many in a process of its own."""
from __future__ import annotations

import contextlib
import os
import signal
import sys
import time
import traceback
from dataclasses import dataclass
from pathlib import Path

from harvester_launch.assignment import Unusable, assignment_of
from harvester_launch.child import FORWARDED, Signals
from harvester_launch.job import Surroundings, refuse_in, run_job
from harvester_launch.room import Demand


@dataclass(slots=True, kw_only=True)
class Slot:
    """A job that runs here, in a process of its own.

    Attributes:
        over: read end of a pipe: it ends when the payload has, a moment before its process; None once that was seen.
        asked: it was told to end by itself.
    """

    job_id: int
    demand: Demand
    over: int | None
    asked: bool = False

    def see_its_end(self) -> None:
        """Its payload has ended: what it had is free."""
        if self.over is not None:
            os.close(self.over)
            self.over = None


def begin(around: Surroundings, grace_s: float, access_point: Path, job_id: int, demand: Demand) -> tuple[int, Slot]:
    """Start the process of a job; return its number, and the slot that it takes."""
    over, end = os.pipe2(os.O_CLOEXEC)
    sys.stderr.flush()
    sys.stdout.flush()
    # Until the child has handlers of its own, a signal would make it act for us.
    signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        _be_the_job(around, grace_s, access_point, job_id, parent, end)
    os.close(end)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
    return pid, Slot(job_id=job_id, demand=demand, over=over)


def _be_the_job(around: Surroundings, grace_s: float, access_point: Path, job_id: int, parent: int, end: int) -> None:
    """Be the process of one job, and never return."""
    code = 1
    try:
        signals = Signals(grace_s, on_over=lambda: _close(end))
        signals.install()  # from now on it gets a signal when its launcher dies
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
        if os.getppid() == parent:
            code = _run(around, access_point, job_id, signals)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code & 0xFF)


def _run(around: Surroundings, access_point: Path, job_id: int, signals: Signals) -> int:
    started = time.time()
    try:
        assignment = assignment_of(access_point, job_id)
    except Unusable as error:
        return refuse_in(around, access_point / str(job_id), started, error)
    return run_job(around, assignment, started, signals)


def _close(end: int) -> None:
    with contextlib.suppress(OSError):
        os.close(end)
