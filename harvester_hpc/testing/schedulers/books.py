"""The engine's books: every batch job that ever was, in one SQLite file, written through."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harvester_hpc.testing.schedulers.values import Cause, Job, Request, State

SCHEMA = """
CREATE TABLE IF NOT EXISTS job (number INTEGER PRIMARY KEY, said TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS struck (fault TEXT PRIMARY KEY, times INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS down (node TEXT PRIMARY KEY);
"""


class Books:
    """All jobs, in memory and on disk.

    Args:
        folder: of the emulated batch system; its ``spool`` holds a folder a job, with script and environment.
        first: number of the very first job; large, so that nobody takes it for a number of something else.
    """

    def __init__(self, folder: Path, first: int = 1001) -> None:
        self.folder = folder
        self._first = first
        self._file = sqlite3.connect(folder / "books.sqlite", isolation_level=None)
        self._file.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;" + SCHEMA)
        rows = self._file.execute("SELECT number, said FROM job ORDER BY number")
        self._jobs = {number: job_of(json.loads(said)) for number, said in rows}
        self._active = {number for number, job in self._jobs.items() if not job.has_ended}
        self._down = {node for (node,) in self._file.execute("SELECT node FROM down")}

    def __iter__(self) -> Iterator[Job]:
        return iter(list(self._jobs.values()))

    def active(self) -> list[Job]:
        """Return the jobs that have not ended, in the order in which they came."""
        return [self._jobs[number] for number in sorted(self._active)]

    def close(self) -> None:
        """Write all that is left."""
        self._file.close()

    def get(self, number: int) -> Job | None:
        """Return the job with this number; None if there never was one."""
        return self._jobs.get(number)

    def spool(self, number: int) -> Path:
        """Return the folder of a job's script, environment and exit status."""
        return self.folder / "spool" / str(number)

    def next_number(self) -> int:
        """Return a number that no job ever had."""
        return max(self._jobs, default=self._first - 1) + 1

    def write(self, job: Job) -> Job:
        """Keep a job as it is now."""
        slim = asdict(job)
        slim["request"] |= {"script": "", "environment": {}}
        self._file.execute("INSERT OR REPLACE INTO job (number, said) VALUES (?, ?)", (job.number, json.dumps(slim)))
        self._jobs[job.number] = job
        if job.has_ended:
            self._active.discard(job.number)
        else:
            self._active.add(job.number)
        return job

    def down(self) -> frozenset[str]:
        """Return the nodes that are down."""
        return frozenset(self._down)

    def set_down(self, node: str, is_down: bool) -> None:
        """Note that a node is down, or serves again."""
        if is_down:
            self._down.add(node)
            self._file.execute("INSERT OR IGNORE INTO down (node) VALUES (?)", (node,))
            return
        self._down.discard(node)
        self._file.execute("DELETE FROM down WHERE node = ?", (node,))

    def strikes(self, fault: str) -> int:
        """Return how often a fault has struck, and count this time."""
        row = self._file.execute("SELECT times FROM struck WHERE fault = ?", (fault,)).fetchone()
        times = row[0] if row else 0
        self._file.execute("INSERT OR REPLACE INTO struck (fault, times) VALUES (?, ?)", (fault, times + 1))
        return int(times)

    def take_back(self, fault: str) -> None:
        """Count one time less: the command was not through yet."""
        self._file.execute("UPDATE struck SET times = times - 1 WHERE fault = ?", (fault,))

    def forget_strikes(self) -> None:
        """Let every fault strike as often as at first."""
        self._file.execute("DELETE FROM struck")


def job_of(said: dict[str, Any]) -> Job:
    """Return a job from its JSON form, which is used up."""
    asked = said.pop("request")
    request = Request(**(asked | {"script_arguments": tuple(asked["script_arguments"])}))
    causes = {name: Cause(said[name]) if said[name] else None for name in ("ending", "cause")}
    return Job(**(said | causes | {"request": request, "state": State(said["state"]), "hosts": tuple(said["hosts"])}))
