"""Kill the daemon again and again, and count afterwards: every job once, every worker one batch job, every output right."""
from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: Where the program may be killed between two of its steps, in its own words.
FAULT_POINTS = (
    "jobs received", "jobs stored", "preparator committed", "intent stored", "access points fed", "submitted, not stored",
    "submission stored", "workers checked", "letters stored", "ends stored", "stager committed", "reports sent, not stored",
    "reports stored",
)
PROGRAM = [sys.executable, "-m", "harvester_hpc.cli"]

PAYLOAD = """#!/bin/sh
# leave a trace that a second execution would double
echo "$PANDAID $HARVESTER_WORKER_ID $$" >> "$TRACES"
cat "$INPUT" > "out.$PANDAID.txt"
echo "$PANDAID" >> "out.$PANDAID.txt"
sleep "$PAUSE"
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How one life of the daemon ends: at a fault point (``point:n``), or after some seconds."""

    point: str = ""
    after_s: float = 0.0


@dataclass(slots=True, kw_only=True)
class Counted:
    """What was found when all was over.

    Attributes:
        kills: how often the daemon was killed.
        states: job states in the workload management system.
        executions: {PandaID: times its payload began}.
        wrong: everything that is not as it has to be, in words.
    """

    kills: int = 0
    states: Counter[str] = field(default_factory=Counter)
    executions: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Harness:
    """One instance in a folder of its own, with jobs that leave traces.

    Args:
        site: ``local`` or ``slurm-generic``.
        environment: added to that of the daemon (SLURM_CONF).
    """

    def __init__(
        self, folder: Path, *, site: str = "local", jobs: int = 12, environment: dict[str, str] | None = None, pause_s: float = 0.05
    ) -> None:
        self.home = folder / "home"
        self.traces = folder / "traces.txt"
        self.jobs = jobs
        self._source = folder / "input.txt"
        self._payload = folder / "payload.sh"
        self._site = site
        self._pause_s = pause_s
        self._environment = {**os.environ, **(environment or {}), "HARVESTER_HPC_HOME": str(self.home)}
        self._environment.pop("HARVESTER_HPC_FAULT", None)

    def prepare(self) -> None:
        """Make the instance and hand in the jobs."""
        self._source.write_text("the input\n")
        self._payload.write_text(PAYLOAD)
        self._payload.chmod(0o755)
        self.traces.touch()
        self._run("init", str(self.home), "--site", self._site)
        self._configure()
        for _ in range(self.jobs):
            self._run(
                "submit", "--exec", str(self._payload), "--in", str(self._source), "--out", "out.{PandaID}.txt",
                "--env", f"TRACES={self.traces}", "--env", f"INPUT={self._source.name}", "--env", f"PAUSE={self._pause_s}",
            )

    def live(self, death: Death, limit_s: float = 60.0) -> bool:
        """Let the daemon live until its death; True if it was killed (False: it had nothing left to do)."""
        environment = {**self._environment, **({"HARVESTER_HPC_FAULT": death.point} if death.point else {})}
        process = self._start(environment)
        end = time.monotonic() + (death.after_s or limit_s)
        while process.poll() is None and time.monotonic() < end:
            if not death.after_s and self.all_told():
                break
            try:
                process.wait(0.05)
            except subprocess.TimeoutExpired:
                continue
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait()
        return process.returncode == -signal.SIGKILL

    def finish(self, limit_s: float = 120.0) -> None:
        """Let the daemon run undisturbed until every job is told, then stop it properly."""
        process = self._start(self._environment)
        try:
            end = time.monotonic() + limit_s
            while not self.all_told() and time.monotonic() < end and process.poll() is None:
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(60)

    def all_told(self) -> bool:
        """Tell whether every job has ended and the workload management system has taken it."""
        rows = self._query("SELECT count(*) FROM job WHERE state IN ('finished', 'failed', 'cancelled') AND due IS NOT NULL")
        return bool(rows) and rows[0][0] == self.jobs

    def count(self) -> Counted:
        """Count everything."""
        found = Counted()
        for line in self.traces.read_text().splitlines():
            found.executions[int(line.split()[0])] += 1
        self._count_jobs(found)
        self._count_workers(found)
        return found

    # -- inside -----------------------------------------------------------------------------------

    def _configure(self) -> None:
        path = self.home / "harvester.json"
        path.write_text(json.dumps({
            "extends": self._site,
            "instance": "crash-test",
            "queues": {"CRASH": {
                "nQueueLimitJob": 100, "nQueueLimitWorker": 20, "pollInterval": 1,
                "resources": {"nodes": 1, "walltime": 600, "coresPerNode": 1},
            }},
        }))

    def _start(self, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        with (self.home / "console.log").open("ab") as log:
            return subprocess.Popen(
                [*PROGRAM, "run"], env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True
            )

    def _run(self, *arguments: str) -> str:
        done = subprocess.run([*PROGRAM, *arguments], env=self._environment, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise AssertionError(f"harvester-hpc {' '.join(arguments)} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done.stdout

    def _query(self, sql: str) -> list[tuple[object, ...]]:
        path = self.home / "state" / "store.db"
        if not path.exists():
            return []
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10)
        try:
            return connection.execute(sql).fetchall()
        except sqlite3.OperationalError:
            return []
        finally:
            connection.close()

    def _count_jobs(self, found: Counted) -> None:
        rows = self._query("SELECT job_id, state, why FROM job")
        for job_id, state, why in rows:
            found.states[str(state)] += 1
            times = found.executions[int(str(job_id))]
            if times != 1:
                found.wrong.append(f"job {job_id} ({state}) was executed {times} times")
            if state != "finished":
                found.wrong.append(f"job {job_id} is {state}: {why}")
            self._check_output(found, int(str(job_id)))
        if len(rows) != self.jobs:
            found.wrong.append(f"{self.jobs} jobs were handed in, {len(rows)} are known")

    def _check_output(self, found: Counted, job_id: int) -> None:
        urls = self._query(f"SELECT url FROM file WHERE job_id = {job_id} AND kind = 'output'")
        for (url,) in urls:
            path = Path(str(url).removeprefix("file://"))
            if not path.is_file() or path.read_text() != f"the input\n{job_id}\n":
                found.wrong.append(f"the output of job {job_id} is not right: {url}")
        if not urls:
            found.wrong.append(f"job {job_id} has no output")

    def _count_workers(self, found: Counted) -> None:
        for worker_id, state, batch_id, access_point in self._query("SELECT worker_id, state, batch_id, access_point FROM worker"):
            claim = Path(str(access_point)) / "worker_claim.json"
            claimed = json.loads(claim.read_text())["batch_id"] if claim.exists() else ""
            if state in ("planned", "submitted", "running"):
                found.wrong.append(f"worker {worker_id} is still {state}")
            if claimed != batch_id and state != "missed":
                found.wrong.append(f"worker {worker_id} ({state}) has batch id {batch_id!r}, the claim says {claimed!r}")
        for job_id, number in self._query(
            "SELECT job_id, count(*) FROM bond JOIN worker USING (worker_id) WHERE worker.state <> 'missed' "
            "GROUP BY job_id HAVING count(*) > 1"
        ):
            found.wrong.append(f"job {job_id} had {number} workers")


def deaths(kills: int, seed: int) -> Iterator[Death]:
    """Yield ``kills`` deaths: every fault point by turns, and in between random times."""
    draw = random.Random(seed)
    for number in range(kills):
        if number % 2:
            yield Death(after_s=draw.uniform(0.3, 2.0))
            continue
        point = FAULT_POINTS[(number // 2) % len(FAULT_POINTS)]
        yield Death(point=f"{point}:{draw.randint(1, 3)}")


def torture(folder: Path, *, kills: int, seed: int, jobs: int, site: str = "local", environment: dict[str, str] | None = None) -> Counted:
    """Kill the daemon ``kills`` times, then let it finish, and count.

    New instances are begun as long as kills are left and all jobs of the one before are through.
    """
    killed, total = 0, Counted()
    plan = deaths(10 * kills + 100, seed)
    batch = 0
    while killed < kills:
        batch += 1
        harness = Harness(folder / str(batch), site=site, jobs=jobs, environment=environment)
        (folder / str(batch)).mkdir(parents=True)
        harness.prepare()
        while killed < kills and not harness.all_told():
            death = next(plan, None)
            if death is None:
                raise AssertionError(f"only {killed} kills in {10 * kills + 100} lives: the daemon ends by itself, see {harness.home}")
            killed += harness.live(death, limit_s=20.0)
        harness.finish()
        counted = harness.count()
        total.states.update(counted.states)
        total.executions.update({(batch * 10**9) + job: times for job, times in counted.executions.items()})
        total.wrong += [f"instance {batch}: {one}" for one in counted.wrong]
    total.kills = killed
    return total
