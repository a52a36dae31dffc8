"""A batch system that is a file in the worker's folder, for learning and for trying a configuration: no program is ever run.

In a queue: ``{"submitter": {"name": "dummy"}, "monitor": {"name": "dummy"}, "sweeper": {"name": "dummy"}}``. A worker waits and runs
for the seconds that the settings say, and then tells what a payload would: each job has finished, with small outputs of the names that
it was to make.
"""
from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from harvester_hpc.messenger.letter import deliver, read_plain, write
from harvester_hpc.messenger.names import NAMES
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Lookup, NotThere, Seen, Sight, Submission, Submitted, Unseen
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.outcome import Done, Result

#: The batch job's file in the folder of its worker.
FILE = "dummy_batch.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class DummySettings:
    """How batch jobs go.

    Attributes:
        wait_s: seconds that one waits.
        run_s: seconds that it runs.
        exit_code: with which it ends; other than 0: its jobs have failed.
    """

    wait_s: float = 0.0
    run_s: float = 1.0
    exit_code: int = 0


class _OfTheFile:
    """What the three plugins have in common."""

    Settings: ClassVar[type[Any]] = DummySettings

    def __init__(self, settings: DummySettings, context: Context, now: Callable[[], float] = time.time) -> None:
        """Keep what was given. ``now``: seconds since 1970."""
        self.settings, self.context, self.now = settings, context, now

    def batch_job(self, worker: Worker) -> Mapping[str, Any]:
        """Return what stands in the file; {} if there is none."""
        return read_plain(Path(worker.access_point) / FILE)

    def put(self, worker: Worker, content: Mapping[str, Any]) -> None:
        """Write the file, whole."""
        write(Path(worker.access_point) / FILE, content)


class DummySubmitter(_OfTheFile):
    """Writes the file."""

    def submit_workers(self, workers: Sequence[Worker]) -> Sequence[Submission]:
        """Submit each worker once; see ``ports.batch``."""
        return [self._submitted(worker) for worker in workers]

    def _submitted(self, worker: Worker) -> Submitted:
        if not self.batch_job(worker):
            self.put(worker, {"batch_id": f"dummy-{worker.id}", "submitted": self.now()})
        return Submitted(batch_id=f"dummy-{worker.id}")

    def find_workers(self, workers: Sequence[Worker]) -> Sequence[Lookup]:
        """Look whether there is a file; see ``ports.batch``."""
        return [Submitted(batch_id=f"dummy-{worker.id}") if self.batch_job(worker) else NotThere() for worker in workers]


class DummyMonitor(_OfTheFile):
    """Looks at the file and at the clock; at the end it writes what a payload would have written."""

    def check_workers(self, workers: Sequence[Worker]) -> Sequence[Sight]:
        """Look at each worker; see ``ports.batch``."""
        return [self._sight(worker) for worker in workers]

    def _sight(self, worker: Worker) -> Sight:
        job = self.batch_job(worker)
        if not job:
            return Unseen(why=f"there is no {FILE} in its folder", gone=True)
        if job.get("cancelled"):
            return Seen(state=WorkerState.CANCELLED, native_status="CANCELLED", why=str(job["cancelled"]))
        age_s = self.now() - float(job["submitted"])
        if age_s < self.settings.wait_s:
            return Seen(state=WorkerState.SUBMITTED, native_status="WAITING")
        if age_s < self.settings.wait_s + self.settings.run_s:
            return Seen(state=WorkerState.RUNNING, native_status="RUNNING", node="dummy")
        _play(worker, self.settings.exit_code)
        good = self.settings.exit_code == 0
        return Seen(
            state=WorkerState.FINISHED if good else WorkerState.FAILED, native_status="ENDED", exit_code=self.settings.exit_code,
            node="dummy", why="" if good else f"exit code {self.settings.exit_code}",
        )

    def report_updated_workers(self, time_window: float) -> Sequence[tuple[int, float]]:
        """It cannot tell."""
        return []


class DummySweeper(_OfTheFile):
    """Marks the file, and removes it."""

    def kill_worker(self, worker: Worker) -> Result:
        """End it; see ``ports.batch``."""
        job = self.batch_job(worker)
        if job:
            self.put(worker, {**job, "cancelled": worker.kill or "killed"})
        return Done()

    def sweep_worker(self, worker: Worker) -> Result:
        """Remove the file; see ``ports.batch``."""
        (Path(worker.access_point) / FILE).unlink(missing_ok=True)
        return Done()


def _play(worker: Worker, exit_code: int) -> None:
    """Write the letters of a payload, for each job of the worker; once."""
    for folder, number, job in _jobs(worker):
        if (folder / "dummy_outputs").is_dir():
            continue
        made = folder / "dummy_outputs.part"
        shutil.rmtree(made, ignore_errors=True)
        made.mkdir()
        names = [name for name in str(job.get("outFiles", "")).split(",") if name not in ("", "NULL")]
        for name in names:
            (made / name).write_text(f"{name} of job {number}\n", encoding="utf-8")
        outputs = [
            {"path": str(folder / "dummy_outputs" / name), "type": "log" if name == job.get("logFile") else "output"}
            for name in names if not exit_code or name == job.get("logFile")
        ]
        status = "failed" if exit_code else "finished"
        deliver(folder / NAMES.attributes, {"jobStatus": status, "transExitCode": exit_code, "node": "dummy"})
        deliver(folder / NAMES.status_dump, {number: outputs})
        made.rename(folder / "dummy_outputs")


def _jobs(worker: Worker) -> Iterator[tuple[Path, str, Mapping[str, Any]]]:
    point = Path(worker.access_point)
    for folder in dict.fromkeys((point, *(point / str(number) for number in worker.job_ids))):
        for number, job in read_plain(folder / NAMES.job_spec, largest=64 << 20).items():
            if isinstance(job, dict):
                yield folder, number, job
