"""Instances whose workers have many jobs (ManyToOne), or share one job (OneToMany), and what may come of them when anybody is killed."""
from __future__ import annotations

import json
import sqlite3
import sys
import zipfile
from collections import Counter
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

from tests.crash.harness import Counted, Harness
from tests.integration import event_worker

PYTHON_PATH = ":".join(str(Path(__file__).parents[2] / root) for root in (".", "launchers", "plugins"))
#: Ranges of each job that workers share.
RANGES = 300


class ManyJobs(Harness):
    """Many jobs in a worker. A job that was begun in a worker that is killed has failed; one that was not goes to another."""

    queue: Mapping[str, Any] = {
        "mapType": "ManyToOne", "maxSubmissionAttempts": 1000,
        "workerMaker": {"name": "multi_job", "nJobsPerWorker": 4, "waitForFullChunk": 0.5},
    }
    facility: Mapping[str, Any] = {"node": {"cores": 2}}
    pause_s = 0.4
    chance = 0.05

    def check_job(self, found: Counted, job_id: int, state: str, why: str) -> None:
        """A job is executed once at most, and has failed only if a worker of it was hit after it had begun."""
        times = found.executions[job_id]
        workers = {int(str(number)) for (number,) in self.instance.query(f"SELECT worker_id FROM bond WHERE job_id = {job_id}")}
        if times > 1 or (times == 0 and state == "finished"):
            found.wrong.append(f"job {job_id} ({state}) was executed {times} times")
        if state == "finished":
            self.check_output(found, job_id)
        elif state != "failed" or not workers & set(self.struck):
            found.wrong.append(f"job {job_id} is {state}, and none of its workers was hit: {why}")
        elif times == 0 and not self._was_claimed(job_id):
            found.wrong.append(f"job {job_id} is failed, and was never begun: {why}")

    def _was_claimed(self, job_id: int) -> bool:
        """Tell whether a launcher has taken the job: its claim names a process (ours, which fences it, has none)."""
        claims = (self.instance.home / "work" / "CRASH").glob(f"*/{job_id}/job_claim.json")
        return any(json.loads(claim.read_text()).get("pid") for claim in claims)

    def check_bonds(self, found: Counted) -> None:
        """A job may have been with several workers, but no two may have run it: executions tell."""


class LateJobs(ManyJobs):
    """Many jobs in a worker, bound when it asks."""

    queue: Mapping[str, Any] = {**ManyJobs.queue, "useJobLateBinding": True, "lateBindingWait": 3}

    def all_told(self) -> bool:
        """Tell whether all jobs are told, and no worker waits for another."""
        alive = self.instance.query("SELECT count(*) FROM worker WHERE state IN ('planned', 'submitted', 'running')")
        return super().all_told() and alive == [(0,)]


class SharedJobs(Harness):
    """Several workers of one job. Whoever is killed, each range is done once in the end, perhaps in another attempt of range or job."""

    queue: Mapping[str, Any] = {
        "mapType": "OneToMany", "zipPerMB": 1, "maxWorkersPerJobPerCycle": 2, "maxWorkersPerJobInTotal": 100000,
        "submitter": {"name": "psij", "launch": "single"},  # the payload speaks the letters itself
        "workerMaker": {"name": "jumbo", "nWorkersPerJob": 2},
    }

    def description(self) -> dict[str, Any]:
        """Return a job with ranges, which an event worker of the existing protocol eats."""
        return {
            "executable": sys.executable, "arguments": [event_worker.__file__], "attempts": 50, "environment": {"PYTHONPATH": PYTHON_PATH},
            "events": {"ranges": RANGES, "attempts": 100},
        }

    def all_told(self) -> bool:
        """Tell whether no range is left to do, and every job that there is has ended and was told."""
        states = dict(self._wms("SELECT state, count(*) FROM event_range GROUP BY state"))
        return sum(states.values()) == self.jobs * RANGES and set(states) <= {"finished", "fatal", "failed"} and self.none_is_open()

    def count_jobs(self, found: Counted) -> None:
        """Every range is finished where the jobs come from, and its output lies in one zip, once."""
        for job_id, state in self.instance.query("SELECT job_id, state FROM job"):
            found.states[str(state)] += 1
            found.executions[int(str(job_id))] += 1
        ranges = self._wms("SELECT root, number, event_range.state, event_zip.url FROM event_range LEFT JOIN event_zip ON zip = id")
        inside: Counter[tuple[str, int, int]] = Counter()
        for url in {str(row[3]) for row in ranges if row[3]}:
            with zipfile.ZipFile(url.removeprefix("file://")) as archive:
                if archive.testzip() is not None:
                    found.wrong.append(f"{url} is damaged")
                inside.update(_range_of(url, archive.read(name).decode()) for name in archive.namelist())
        everywhere = Counter((root, number) for _, root, number in inside.elements())
        for root, number, state, url in ranges:
            there, all_in_all = inside[(str(url), root, number)], everywhere[(root, number)]
            if state != "finished" or there != 1 or all_in_all != 1:
                found.wrong.append(f"range {number} of job {root} is {state}; it is {there} times in its zip, {all_in_all} times in all")
        found.ranges += len(ranges)

    def check_bonds(self, found: Counted) -> None:
        """A job has as many workers as it takes."""

    def _wms(self, sql: str) -> list[tuple[Any, ...]]:
        path = self.instance.home / "state" / "wms" / "wms.sqlite"
        if not path.exists():
            return []
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)) as connection:
            try:
                return connection.execute(sql).fetchall()
            except sqlite3.OperationalError:
                return []


def _range_of(url: str, name: str) -> tuple[str, int, int]:
    """Return (zip, first attempt of the job, number) of a range by its name: task-job-file-number-attempt."""
    _, root, _, number, _ = name.split("-")
    return url, int(root), int(number)
