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
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from harvester_hpc.messenger.letter import read_plain
from harvester_hpc.messenger.names import NAMES
from harvester_launch.asking import Answer, Asking, listed
from harvester_launch.assignment import Unusable, assignment_of, job_ids_in
from harvester_launch.child import FORWARDED, Ending
from harvester_launch.job import JOB_UNUSABLE, Surroundings
from harvester_launch.job_process import Slot, begin
from harvester_launch.parent import tie_to_parent
from harvester_launch.room import Demand, Room, demand_of
from harvester_launch.start import start
from harvester_launch.taking import claim_in
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
        late_s: ask for jobs, and wait so many seconds for an answer; None: the worker has its jobs.
        wrapper, walltime_s, log_cap, grace_s, heartbeat_s: as for a single job.
    """

    access_point: Path
    cores: int
    memory_mb: int = 0
    late_s: float | None = None
    wrapper: tuple[str, ...] = ()
    walltime_s: int | None = None
    log_cap: int = 10 << 20
    grace_s: float = 10.0
    heartbeat_s: float = 60.0


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
        job_ids = listed(begun.worker) if options.late_s is not None else job_ids_in(options.access_point)
    except Unusable as error:
        say(f"cannot run: {error}")
        return JOB_UNUSABLE
    nodes = environ.get("HARVESTER_NNODE", "")
    return Node(options, around, job_ids, int(nodes) if nodes.isascii() and nodes.isdigit() else 1).run()


class Node:
    """The jobs of one node; ``nodes``: of the worker."""

    def __init__(self, options: Options, around: Surroundings, job_ids: list[int], nodes: int = 1) -> None:
        self._nodes = max(1, nodes)
        self._options = options
        self._around = around
        self._whole = Room(cores=options.cores, memory_mb=options.memory_mb)
        self._room = Room(cores=options.cores, memory_mb=options.memory_mb, end=around.end)
        self._waiting = dict.fromkeys(job_ids)
        self._demands: dict[int, Demand] = {}
        self._slots: dict[int, Slot] = {}
        self._asking = Asking(around.worker, options.late_s, job_ids) if options.late_s is not None else None
        self._look_at = 0.0
        self._dry = False
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
            now = time.monotonic()
            if self._may_ask() and self._ask(now):
                continue
            if not self._slots and not self._may_ask():
                break
            if now >= beat:
                heartbeat.beat()
                beat = now + self._options.heartbeat_s
            if now >= look:
                self._end_asked()
                look = now + LOOK_S
            if self._told is not None and now >= self._kill_at:
                self._send(signal.SIGKILL)
            self._wait((min(beat, look, self._look_at) if self._may_ask() else min(beat, look)) - now)
        if self._told is not None:
            say(f"ends: {self._told.name}; {len(self._waiting)} jobs may be left for another worker")
            return 128 + self._told
        return 0

    def _wait(self, seconds: float) -> None:
        """Wait for a signal, the end of a payload or a job, or the time."""
        wait = select.poll()
        for source in (self._wake_read, *(slot.over for slot in self._slots.values() if slot.over is not None)):
            wait.register(source, select.POLLIN)
        ready = {source for source, _ in wait.poll(max(0.0, seconds) * 1000.0)}
        for slot in self._slots.values():
            if slot.over in ready:
                self._free(slot)
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

    # -- asking -----------------------------------------------------------------------------------

    def _may_ask(self) -> bool:
        """Tell whether there is room for jobs, none waits for it here, and the last answer was not that there are none."""
        return self._asking is not None and self._told is None and not self._dry and not self._waiting and self._room.is_open(time.time())

    def _ask(self, now: float) -> bool:
        """Look for an answer if it is time to; True if something has come of it."""
        if self._asking is None or now < self._look_at:
            return False
        # For the neighbours too, who else would ask one after the other; the login node knows what is free in all.
        found = self._asking.look(self._room.cores * self._nodes, now)
        self._look_at = now + self._asking.pause_s
        if found is Answer.NOT_YET:
            return False
        if isinstance(found, Answer):
            say("no more jobs for now" if self._slots else "no jobs: ends")
            self._dry = True
            return True
        self._waiting.update(dict.fromkeys(found))
        return True

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
                if claim_in(self._around.worker, self._folder(job_id), job_id):
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

    def _begin(self, job_id: int, demand: Demand) -> None:
        self._room.take(demand)
        pid, slot = begin(self._around, self._options.grace_s, self._options.access_point, job_id, demand)
        self._slots[pid] = slot

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
                self._free(slot)
                self._see_that_it_is_told(slot, os.waitstatus_to_exitcode(status))

    def _free(self, slot: Slot) -> None:
        """What a job had is free as soon as its payload has ended, though its process still has to tell of that."""
        if slot.over is not None:
            slot.see_its_end()
            self._room.give_back(slot.demand)
            self._dry = False  # there is room again: jobs may have come meanwhile
            self._look_at = 0.0

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
            if not slot.asked and _lies_there(self._folder(slot.job_id) / NAMES.job_kill):
                say(f"job {slot.job_id} is asked to end")
                slot.asked = True
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)


def _lies_there(letter: Path) -> bool:
    """Tell whether a letter is seen; a file server that is away for a moment shows none, and must end no job here."""
    try:
        return letter.exists()
    except OSError:
        return False


def _nothing(number: int, frame: FrameType | None) -> None:
    """Be there: an ignored signal would wake nobody."""
