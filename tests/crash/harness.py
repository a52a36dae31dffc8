"""Kill the daemon again and again, and count afterwards: every job once, every worker one batch job, every output right."""
from __future__ import annotations

import json
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.strikes import Striker
from tests.integration.instance import TOLD, Instance

#: Where the program may be killed between two of its steps, in its own words.
FAULT_POINTS = (
    "jobs received", "jobs stored", "preparator committed", "intent stored", "access points fed", "submitted, not stored",
    "submission stored", "workers checked", "letters stored", "ends stored", "stager committed", "reports sent, not stored",
    "reports stored",
)
#: The same where workers ask for their jobs.
LATE_POINTS = (
    "intent stored", "access points fed", "submission stored", "jobs bound late", "letters stored", "jobs fed late", "workers checked",
    "ends stored",
)
#: The same where workers eat event ranges.
EVENT_POINTS = (
    "intent stored", "lease stored", "ranges leased, not stored", "letters stored", "ranges given, not fed", "ranges fed, not stored",
    "zips planned", "zip made, not stored", "zip staged, not stored", "ranges told, not stored", "ranges told and stored", "ends stored",
    "reports sent, not stored",
)

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
        struck: how often a worker was hit.
        ranges: event ranges that were counted.
        states: job states in the workload management system.
        executions: {PandaID: times its payload began}.
        keys: names of the batch jobs that must have been; one for each worker that was submitted.
        wrong: everything that is not as it has to be, in words.
    """

    kills: int = 0
    struck: int = 0
    ranges: int = 0
    states: Counter[str] = field(default_factory=Counter)
    executions: Counter[int] = field(default_factory=Counter)
    keys: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


class Harness:
    """One instance in a folder of its own, with jobs that leave traces.

    Args:
        site: ``local`` or ``slurm-generic``.
        environment: added to that of the daemon (SLURM_CONF).
        strike_seed: not None: workers are hit at random moments, too.
    """

    #: What the queue and the facility have besides.
    queue: Mapping[str, Any] = {}
    facility: Mapping[str, Any] = {}
    #: Seconds that a payload takes, and how probably a worker is hit at each look of the harness.
    pause_s = 0.05
    chance = 0.05

    def __init__(
        self, folder: Path, *, site: str = "local", jobs: int = 12, environment: Mapping[str, str] | None = None,
        strike_seed: int | None = None,
    ) -> None:
        self._striker = None if strike_seed is None else Striker(folder / "home" / "work" / "CRASH", strike_seed, self.chance)
        self.instance = Instance(folder / "home", environment)
        self.traces = folder / "traces.txt"
        self.jobs = jobs
        self._source = folder / "input.txt"
        self._payload = folder / "payload.sh"
        self._site = site

    def prepare(self) -> None:
        """Make the instance and hand in the jobs."""
        self._source.write_text("the input\n")
        self._payload.write_text(PAYLOAD)
        self._payload.chmod(0o755)
        self.traces.touch()
        self.instance.make({
            "extends": self._site,
            "instance": "crash-test",
            **({"facility": dict(self.facility)} if self.facility else {}),
            "queues": {"CRASH": {
                "nQueueLimitJob": 100, "nQueueLimitWorker": 20, "pollInterval": 1,
                "resources": {"nodes": 1, "walltime": 600, "coresPerNode": self.facility.get("node", {}).get("cores", 1)}, **self.queue,
            }},
        })
        self.instance.submit(*self.descriptions())

    def descriptions(self) -> list[dict[str, Any]]:
        """Return the descriptions of all jobs."""
        return [self.description()] * self.jobs

    def description(self) -> dict[str, Any]:
        """Return the description of a job."""
        return {
            "executable": str(self._payload), "inputs": [str(self._source)], "outputs": ["out.{PandaID}.txt"],
            "environment": {"TRACES": str(self.traces), "INPUT": self._source.name, "PAUSE": str(self.pause_s)},
        }

    @property
    def struck(self) -> list[int]:
        """Numbers of the workers that were hit, once for each time."""
        return self._striker.struck if self._striker else []

    def live(self, death: Death, limit_s: float = 60.0) -> bool:
        """Let the daemon live until its death; True if it was killed (False: it had nothing left to do)."""
        process = self.instance.start({"HARVESTER_HPC_FAULT": death.point} if death.point else {})
        end = time.monotonic() + (death.after_s or limit_s)
        try:
            while process.poll() is None and time.monotonic() < end:
                if self._striker:
                    self._striker.maybe()
                if not death.after_s and self.all_told():
                    break
                try:
                    process.wait(0.05)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            self.instance.end()
        return process.returncode == -signal.SIGKILL

    def finish(self, limit_s: float = 120.0) -> None:
        """Let the daemon run undisturbed until every job is told and no worker is left, then stop it properly."""
        process = self.instance.start()
        try:
            end = time.monotonic() + limit_s
            while not self._is_over() and time.monotonic() < end and process.poll() is None:
                try:
                    process.wait(0.1)
                except subprocess.TimeoutExpired:
                    continue
        finally:
            if self.instance.lives:
                self.instance.stop()

    def all_told(self) -> bool:
        """Tell whether every job has ended and the workload management system has taken it."""
        rows = self.instance.query(f"SELECT count(*) FROM job WHERE {TOLD}")
        return bool(rows) and rows[0][0] == self.jobs

    def _is_over(self) -> bool:
        lives = "SELECT count(*) FROM worker WHERE state IN ('planned', 'submitted', 'running')"
        return self.all_told() and self.instance.query(lives) == [(0,)]

    def none_is_open(self) -> bool:
        """Tell whether the store has jobs, and all of them have ended and were told."""
        rows = self.instance.query(f"SELECT count(*), sum({TOLD}) FROM job")
        return bool(rows) and rows[0][0] > 0 and rows[0][0] == rows[0][1]

    def count(self) -> Counted:
        """Count everything."""
        found = Counted(struck=len(self.struck))
        for line in self.traces.read_text().splitlines():
            found.executions[int(line.split()[0])] += 1
        self.count_jobs(found)
        self._count_workers(found)
        return found

    # -- what may come of it ----------------------------------------------------------------------

    def count_jobs(self, found: Counted) -> None:
        """Count jobs, and judge each."""
        rows = self.instance.query("SELECT job_id, state, why FROM job")
        for job_id, state, why in rows:
            found.states[str(state)] += 1
            self.check_job(found, int(str(job_id)), str(state), str(why))
        if len(rows) != self.jobs:
            found.wrong.append(f"{self.jobs} jobs were handed in, {len(rows)} are known")

    def check_job(self, found: Counted, job_id: int, state: str, why: str) -> None:
        """Every job is executed once, and well."""
        times = found.executions[job_id]
        if times != 1:
            found.wrong.append(f"job {job_id} ({state}) was executed {times} times")
        if state != "finished":
            found.wrong.append(f"job {job_id} is {state}: {why}")
        self.check_output(found, job_id)

    def check_output(self, found: Counted, job_id: int) -> None:
        """Its output is at its destination, and right."""
        urls = self.instance.query(f"SELECT url FROM file WHERE job_id = {job_id} AND kind = 'output'")
        for (url,) in urls:
            path = Path(str(url).removeprefix("file://"))
            if not path.is_file() or path.read_text() != f"the input\n{job_id}\n":
                found.wrong.append(f"the output of job {job_id} is not right: {url}")
        if not urls:
            found.wrong.append(f"job {job_id} has no output")

    def _count_workers(self, found: Counted) -> None:
        columns = "worker_id, key, state, batch_id, access_point"
        for worker_id, key, state, batch_id, access_point in self.instance.query(f"SELECT {columns} FROM worker"):
            found.keys += [str(key)] if state != "missed" else []
            claim = Path(str(access_point)) / "worker_claim.json"
            claimed = json.loads(claim.read_text())["batch_id"] if claim.exists() else ""
            if state in ("planned", "submitted", "running"):
                found.wrong.append(f"worker {worker_id} is still {state}")
            if claimed != batch_id and state != "missed":
                found.wrong.append(f"worker {worker_id} ({state}) has batch id {batch_id!r}, the claim says {claimed!r}")
        self.check_bonds(found)

    def check_bonds(self, found: Counted) -> None:
        """Every job had one worker."""
        for job_id, number in self.instance.query(
            "SELECT job_id, count(*) FROM bond JOIN worker USING (worker_id) WHERE worker.state <> 'missed' "
            "GROUP BY job_id HAVING count(*) > 1"
        ):
            found.wrong.append(f"job {job_id} had {number} workers")


def deaths(kills: int, seed: int, points: Sequence[str]) -> Iterator[Death]:
    """Yield ``kills`` deaths: every one of the fault points by turns, and in between random times."""
    draw = random.Random(seed)
    for number in range(kills):
        if number % 2:
            yield Death(after_s=draw.uniform(0.3, 1.3))
            continue
        point = points[(number // 2) % len(points)]
        yield Death(point=f"{point}:{draw.randint(1, 3)}")


def torture(
    folder: Path, *, kills: int, seed: int, jobs: int, site: str = "local", environment: Mapping[str, str] | None = None,
    points: Sequence[str] = FAULT_POINTS, kind: type[Harness] = Harness, kill_workers: bool = False,
) -> Counted:
    """Kill the daemon ``kills`` times, then let it finish, and count.

    Args:
        kind: what the workers are like.
        kill_workers: workers are hit at random moments, too.

    New instances are begun as long as kills are left and all jobs of the one before are through.
    """
    killed, total = 0, Counted()
    plan = deaths(10 * kills + 100, seed, points)
    batch = 0
    while killed < kills:
        batch += 1
        strike_seed = seed + batch if kill_workers else None
        harness = kind(folder / str(batch), site=site, jobs=jobs, environment=environment, strike_seed=strike_seed)
        (folder / str(batch)).mkdir(parents=True)
        harness.prepare()
        while killed < kills and not harness.all_told():
            death = next(plan, None)
            if death is None:
                raise AssertionError(f"only {killed} kills in {10 * kills + 100} lives: the daemon ends by itself\n{harness.instance.log}")
            killed += harness.live(death, limit_s=20.0)
        harness.finish()
        counted = harness.count()
        total.states.update(counted.states)
        total.executions.update({(batch * 10**9) + job: times for job, times in counted.executions.items()})
        total.keys += counted.keys
        total.struck += counted.struck
        total.ranges += counted.ranges
        total.wrong += [f"instance {batch}: {one}" for one in counted.wrong]
    total.kills = killed
    return total
