"""The sweeper: ends workers, and removes what the batch side keeps of them.

The access point itself is the messenger's; it goes last, when this plugin has nothing left there.
"""
from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

from harvester_hpc.errors import Unavailable
from harvester_hpc.model.worker import Worker
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Done, Failed, Result, Retry
from harvester_psij.desk import Desk, desk_of
from harvester_psij.letters import claim_of
from harvester_psij.processes import Process, end, process_of
from harvester_psij.records import Record, StillHeld, record_of
from harvester_psij.setup_problems import setup_problems

#: Processes of this machine that are ended at the same time.
AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class SweeperSettings:
    """Settings of the sweeper.

    Attributes:
        command_timeout_s: seconds that a command of the batch system is waited for.
        grace_s: seconds after which a submission with an uncertain end is taken not to arrive any more.
        kill_wait_s: seconds that a local worker has to end by itself.
    """

    command_timeout_s: float = 30.0
    grace_s: float = 60.0
    kill_wait_s: float = 15.0  # longer than the launcher gives its payload


class PsijSweeper:
    """Kills workers and cleans up after them."""

    Settings: ClassVar[type[Any]] = SweeperSettings

    def __init__(self, settings: SweeperSettings, context: Context) -> None:
        """Keep what was given; nothing is imported or touched."""
        self._settings, self._context = settings, context
        self._desk = desk_of(context, settings.command_timeout_s)

    @staticmethod
    def problems(settings: SweeperSettings, context: Context) -> tuple[str, ...]:
        """Return what types cannot tell, one line each."""
        return setup_problems(settings, context)

    def kill_worker(self, worker: Worker) -> Result:
        """End it; see ``ports.batch.Sweeper``."""
        fence = self._fence_of(worker)
        if self._desk is None:
            return fence if isinstance(fence, Retry) else self._end_process(worker, record_of(self._context, worker.key))
        if isinstance(fence, Retry):
            return fence
        try:
            # By name as well: a second copy must not start when the first is gone.
            self._desk.cancel(ids=[worker.batch_id] if worker.batch_id else [], keys=[worker.key])
        except Unavailable as error:
            return Retry(why=str(error))
        return _killed(worker, fence, time.time())

    def kill_workers(self, workers: Sequence[Worker]) -> Sequence[Result]:
        """End all of them with as few commands as it takes; see ``ports.batch.Sweeper``."""
        if self._desk is None or len(workers) == 1:
            with ThreadPoolExecutor(max(1, min(AT_ONCE, len(workers))), "kill") as pool:  # each may take its time to end
                return list(pool.map(self.kill_worker, workers))
        fences = [self._fence_of(worker) for worker in workers]
        free = [worker for worker, fence in zip(workers, fences, strict=True) if isinstance(fence, float)]
        why = self._cancel(self._desk, free) if free else ""
        now = time.time()
        return [
            Retry(why=why) if why and isinstance(fence, float) else _killed(worker, fence, now)
            for worker, fence in zip(workers, fences, strict=True)
        ]

    def _cancel(self, desk: Desk, workers: Sequence[Worker]) -> str:
        """Cancel all batch jobs of these workers, copies of them too; return why that did not work, "" if it did."""
        ids = [worker.batch_id for worker in workers if worker.batch_id]
        try:
            listing = desk.named([worker.key for worker in workers])
            keys = {worker.key for worker in workers}
            copies = [row.batch_id for row in listing.rows if row.name in keys and not row.has_ended]
            desk.cancel(ids=list(dict.fromkeys([*ids, *copies])))
        except Unavailable as error:
            return str(error)
        return "the batch system's answer could not be read in full" if listing.cut else ""

    def _fence_of(self, worker: Worker) -> float | Retry:
        try:
            return self._fence(record_of(self._context, worker.key))
        except StillHeld:
            return Retry(why="its submit command has not ended yet")

    def _fence(self, record: Record) -> float:
        """Stop an attempt that has not begun; return until when one that has begun may still arrive (seconds since 1970)."""
        if not record.folder.is_dir():
            return 0.0
        with record.locked(0.0):
            if record.output is not None:
                return 0.0
            began = record.began
            if began is not None and self._desk is not None:
                return began + self._settings.grace_s
            record.forget_attempt()
            return 0.0

    def _end_process(self, worker: Worker, record: Record) -> Result:
        claim = claim_of(worker.access_point)
        named = [worker.batch_id, record.output or "", claim.batch_id if claim else ""]
        processes = {process for batch_id in named if (process := process_of(batch_id)) is not None}
        for process in processes:
            if not process.is_here:
                return Retry(why=f"it runs on {process.host}, which cannot be reached from here")
            if not self._end(process):
                return Retry(why=f"process {process.pid} does not end")
        return Done()

    def _end(self, process: Process) -> bool:
        try:
            return end(process, self._settings.kill_wait_s)
        except PermissionError:
            return False

    def sweep_worker(self, worker: Worker) -> Result:
        """Remove scripts and records of its submission; see ``ports.batch.Sweeper``."""
        record = record_of(self._context, worker.key)
        if record.folder.is_symlink():
            return Failed(why=f"{record.folder} is a symbolic link")
        if not record.folder.is_dir():
            return Done()
        try:
            with record.locked(0.0):
                record.remove()
        except StillHeld:
            return Retry(why="its submit command has not ended yet")
        except OSError as error:
            return Retry(why=f"{error.strerror}: {error.filename}")
        return Done()


def _killed(worker: Worker, fence: float | Retry, now: float) -> Result:
    if isinstance(fence, Retry):
        return fence
    if not worker.batch_id and now < fence:
        return Retry(why="its submission has an uncertain end and may still arrive")
    return Done()
