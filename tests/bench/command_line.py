"""``status`` on a store of 100,000 jobs: wall time and file-metadata calls."""
from __future__ import annotations

import os
import sys
from pathlib import Path

from harvester_hpc.clock import SystemClock
from harvester_hpc.model.file import File, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState
from harvester_hpc.store import job as jobs
from harvester_hpc.store.database import Database
from harvester_hpc.store.migrate import migrate
from tests.bench.measure import Figure, best_ms, metadata_calls

JOBS = 100_000


def run(folder: Path) -> list[Figure]:
    """Fill a store and measure."""
    home = folder / "status"
    (home / "state").mkdir(parents=True)
    (home / "harvester.json").write_text('{"extends": "local", "queues": {"Q": {}}}')
    _fill(home / "state" / "store.db")
    environment = {**os.environ, "HARVESTER_HPC_HOME": str(home)}
    status = [str(Path(sys.executable).with_name("harvester-hpc")), "status"]
    nothing = [sys.executable, "-c", "pass"]
    figures = [
        Figure(name=f"status, {JOBS} jobs", value=best_ms(status, environment), unit="ms", yardstick=100.0, source="aim"),
        Figure(name="bare interpreter on this machine", value=best_ms(nothing, environment), unit="ms", yardstick=100.0, source="aim"),
    ]
    calls = metadata_calls(status, environment)
    if calls is not None:
        figures.append(Figure(name="status, file-metadata calls", value=calls, unit="calls", yardstick=1000.0, source="aim"))
    return figures


def _fill(path: Path) -> None:
    clock = SystemClock()
    migrate(path, clock)
    with Database(path, clock) as database:
        for start in range(1, JOBS + 1, 5000):
            with database.write() as write:
                jobs.insert(write, [_job(number) for number in range(start, start + 5000)])


def _job(number: int) -> Job:
    files = (File(job_id=number, kind=FileKind.OUTPUT, lfn="out.root", state=FileState.EXPECTED),)
    return Job(id=JobId(number), queue="Q", state=JobState.FETCHED, params={"PandaID": number, "jobPars": "x" * 200}, files=files)
