"""Many jobs in one allocation: each node takes the next job as soon as it has room for it.

One of these runs on each node of the worker. They share nothing but the access point: a job belongs to the launcher
that made the claim in the job's folder. No MPI is needed, and a node that dies loses only what it had begun. An abandoned
claim is left alone: its job is not run again in this worker, and the login node reports it as failed.
"""
from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from harvester_hpc.messenger.batch_letters import claim_job
from harvester_hpc.messenger.letter import read_plain
from harvester_hpc.messenger.names import NAMES
from harvester_launch.assignment import Unusable, assignment_of, job_ids_in
from harvester_launch.child import FORWARDED, Ending, Signals
from harvester_launch.job import JOB_UNUSABLE, Surroundings, refuse_in, run_job
from harvester_launch.parent import tie_to_parent
from harvester_launch.room import Demand, Room, demand_of
from harvester_launch.start import start
from harvester_launch.telling import Attributes, Heartbeat, say

#: Seconds between two looks for letters that ask to end one job.
LOOK_S = 5.0
#: Seconds that a job has, after its payload is gone, to tell of its end before it is killed itself.
TELL_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The command line.

    Attributes:
        access_point: absolute.
        cores, memory_mb: of this node, for all jobs side by side; memory_mb 0: not counted.
        wrapper, walltime_s, log_cap, grace_s, heartbeat_s: as for a single job.
    """

    access_point: Path
    cores: int
    memory_mb: int = 0
    wrapper: tuple[str, ...] = ()
    walltime_s: int | None = None
    log_cap: int = 10 << 20
    grace_s: float = 10.0
    heartbeat_s: float = 60.0


@dataclass(slots=True, kw_only=True)
class Slot:
    """A job that runs here, in a process of its own. asked: it was told to end by itself."""

    job_id: int
    demand: Demand
    asked: bool = False


def run(options: Options, environ: Mapping[str, str] = os.environ) -> int:
    """Run jobs until none is left that this node can take; return 0, or 128 + n if signal n came.

    How a job ends is its own: it changes nothing for its neighbours, nor for the exit code.
    """
    started = time.time()
    begun = start(options.access_point, environ, started, options.walltime_s)
    if begun is None:
        return 0
    own = {**environ, "HARVESTER_NNODE": "1", "HARVESTER_NTASKS": "1"}  # what one job has
    around = Surroundings(worker=begun.worker, environ=own, end=begun.end, wrapper=options.wrapper, log_cap=options.log_cap)
    try:
        job_ids = job_ids_in(options.access_point)
    except Unusable as error:
        say(f"cannot run: {error}")
        return JOB_UNUSABLE
    return Node(options, around, job_ids).run()


class Node:
    """The jobs of one node."""

    def __init__(self, options: Options, around: Surroundings, job_ids: list[int]) -> None:
        self._options = options
        self._around = around
        self._whole = Room(cores=options.cores, memory_mb=options.memory_mb)
        self._room = Room(cores=options.cores, memory_mb=options.memory_mb, end=around.end)
        self._waiting = dict.fromkeys(job_ids)
        self._demands: dict[int, Demand] = {}
        self._slots: dict[int, Slot] = {}
        self._told: signal.Signals | None = None
        self._kill_at = 0.0
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)

    def run(self) -> int:
        """Take and run jobs; return the exit code."""
        heartbeat = Heartbeat(self._options.access_point, self._options.heartbeat_s)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _nothing)
        for number in FORWARDED:
            signal.signal(number, self._receive)
        tie_to_parent(signal.SIGTERM)
        beat = look = 0.0
        while True:
            self._reap()
            while self._told is None and self._take_next():
                pass
            if not self._slots:
                break
            now = time.monotonic()
            if now >= beat:
                heartbeat.beat()
                beat = now + self._options.heartbeat_s
            if now >= look:
                self._end_asked()
                look = now + LOOK_S
            if self._told is not None and now >= self._kill_at:
                self._send(signal.SIGKILL)
            self._wait(min(beat, look) - now)
        if self._told is not None:
            say(f"ends: {self._told.name}; {len(self._waiting)} jobs may be left for another worker")
            return 128 + self._told
        return 0

    def _wait(self, seconds: float) -> None:
        select.select([self._wake_read], [], [], max(0.0, seconds))
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake_read, 4096)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._told is None:
            self._told = signal.Signals(number)
            self._kill_at = time.monotonic() + self._options.grace_s + TELL_S
        self._send(signal.Signals(number))

    def _send(self, number: signal.Signals) -> None:
        for pid in list(self._slots):
            # It is not reaped yet: its number still stands for it and nobody else.
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    # -- taking -----------------------------------------------------------------------------------

    def _take_next(self) -> bool:
        """Begin the first job in order that nobody has and for which there is room; False if there is none."""
        for job_id in list(self._waiting):
            demand = self._demand(job_id)
            if not self._room.lasts(demand, time.time()):
                say(f"job {job_id} is left for another worker: {demand.walltime_s} s asked, and that is more than is left")
                del self._waiting[job_id]
            elif self._room.has(demand):
                del self._waiting[job_id]
                if self._claim(job_id):
                    self._begin(job_id, demand)
                    return True
        return False

    def _demand(self, job_id: int) -> Demand:
        if job_id not in self._demands:
            try:
                self._demands[job_id] = demand_of(assignment_of(self._options.access_point, job_id), self._whole)
            except Unusable:
                self._demands[job_id] = Demand()  # it fails as soon as it is begun
        return self._demands[job_id]

    def _claim(self, job_id: int) -> bool:
        letter = self._options.access_point / str(job_id) / NAMES.job_claim
        fields = {
            "batch_id": self._around.worker.batch_id, "host": socket.gethostname(), "pid": os.getpid(), "started": int(time.time()),
        }
        try:
            return claim_job(letter, fields)
        except OSError as error:
            say(f"job {job_id} is left for another worker: it cannot be claimed: {error}")
            return False

    def _begin(self, job_id: int, demand: Demand) -> None:
        self._room.take(demand)
        sys.stderr.flush()
        sys.stdout.flush()
        # Until the child has handlers of its own, a signal would make it act for us.
        signal.pthread_sigmask(signal.SIG_BLOCK, FORWARDED)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._be_the_job(job_id, parent)
        self._slots[pid] = Slot(job_id=job_id, demand=demand)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)

    def _be_the_job(self, job_id: int, parent: int) -> None:
        """Be the process of one job, and never return."""
        code = 1
        try:
            signals = Signals(self._options.grace_s)
            signals.install()  # from now on it gets a signal when its launcher dies
            signal.pthread_sigmask(signal.SIG_UNBLOCK, FORWARDED)
            if os.getppid() == parent:
                code = self._run(job_id, signals)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code & 0xFF)

    def _run(self, job_id: int, signals: Signals) -> int:
        started = time.time()
        try:
            assignment = assignment_of(self._options.access_point, job_id)
        except Unusable as error:
            return refuse_in(self._around, self._folder(job_id), started, error)
        return run_job(self._around, assignment, started, signals)

    def _folder(self, job_id: int) -> Path:
        return self._options.access_point / str(job_id)

    # -- ending -----------------------------------------------------------------------------------

    def _reap(self) -> None:
        while self._slots:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            slot = self._slots.pop(pid, None)
            if slot is not None:
                self._room.give_back(slot.demand)
                self._see_that_it_is_told(slot, os.waitstatus_to_exitcode(status))

    def _see_that_it_is_told(self, slot: Slot, code: int) -> None:
        """Tell the end of a job whose process could not do it itself."""
        folder = self._folder(slot.job_id)
        told = read_plain(folder / NAMES.attributes)
        if told.get("jobStatus") in ("finished", "failed"):
            return
        how = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
        why = f"the process that ran the job {how}"
        say(f"job {slot.job_id} failed: {why}")
        attributes = Attributes(worker=self._around.worker, folder=folder, told=told)
        attributes.end(Ending(exit_code=code if code > 0 else 128 - code, why=why), why)
        attributes.ring()

    def _end_asked(self) -> None:
        """End the jobs that the login node wants to end."""
        for pid, slot in self._slots.items():
            if not slot.asked and (self._folder(slot.job_id) / NAMES.job_kill).exists():
                say(f"job {slot.job_id} is asked to end")
                slot.asked = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


def _nothing(number: int, frame: FrameType | None) -> None:
    """Be there: an ignored signal would wake nobody."""
