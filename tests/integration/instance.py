"""One instance of the real program: its folder, its commands, and ``harvester-hpc run`` as a child process."""
from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any

PROGRAM = [sys.executable, "-m", "harvester_hpc.cli"]
#: Seconds within which whatever is waited for happens even on a very slow machine.
PATIENCE_S = 90.0
LOOK_S = 0.05
FINAL = frozenset({"finished", "failed", "cancelled"})
#: SQL: a job has ended, and the workload management system has taken its end.
TOLD = "state IN ('finished', 'failed', 'cancelled') AND due IS NOT NULL"


def until(true: Callable[[], bool], what: str | Callable[[], str], patience_s: float = PATIENCE_S) -> None:
    """Look until ``true()``.

    Raises:
        AssertionError: it was not within ``patience_s`` seconds; ``what`` says what was waited for.
    """
    end = time.monotonic() + patience_s
    pause = threading.Event()
    while not true():
        assert time.monotonic() < end, f"not within {patience_s:g} s: {what if isinstance(what, str) else what()}"
        pause.wait(LOOK_S)


class Instance:
    """One instance in a folder, driven through the command line as a user would.

    As a context: its daemon is killed at the end if it still lives.

    Args:
        home: folder of the instance; need not exist.
        environment: added to that of the tests (SLURM_CONF).
        prefix: argv put before that of each command (nsenter).
    """

    def __init__(self, home: Path, environment: Mapping[str, str] | None = None, prefix: Sequence[str] = ()) -> None:
        self.home = home
        self.prefix = prefix
        self.environment = {**os.environ, **(environment or {}), "HARVESTER_HPC_HOME": str(home)}
        self.environment.pop("HARVESTER_HPC_FAULT", None)
        self.process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Instance:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.end()

    @property
    def store(self) -> Path:
        """The store's file."""
        return self.home / "state" / "store.db"

    @property
    def log(self) -> str:
        """What the daemon has logged, in all its lives."""
        path = self.home / "state" / "log" / "daemon.log"
        return path.read_text() if path.exists() else ""

    # -- commands ---------------------------------------------------------------------------------

    def make(self, configuration: Mapping[str, Any]) -> None:
        """Make the instance; ``configuration`` is its harvester.json."""
        self("init", self.home, "--site", configuration["extends"])
        (self.home / "harvester.json").write_text(json.dumps(configuration, indent=1))

    def __call__(self, *words: object, code: int | None = 0, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Run one command to its end.

        Args:
            code: the exit code that it must have; None: any.

        Raises:
            AssertionError: it ended otherwise.
        """
        done = subprocess.run(
            [*self.prefix, *PROGRAM, *map(str, words)], env=self.environment, capture_output=True, text=True, timeout=PATIENCE_S,
            check=False, input=stdin,
        )
        if code is not None and done.returncode != code:
            raise AssertionError(f"harvester-hpc {' '.join(map(str, words))} ended with {done.returncode}: {done.stderr}{done.stdout}")
        return done

    def json(self, *words: object, code: int | None = 0, stdin: str = "") -> Any:
        """Run one command with ``--json``, and return what it says."""
        return json.loads(self(*words, "--json", code=code, stdin=stdin).stdout)

    def submit(self, *descriptions: Mapping[str, Any]) -> list[int]:
        """Hand in jobs as in a job file; return their numbers."""
        jobs: list[int] = self.json("submit", "-", stdin=json.dumps(descriptions))["jobs"]
        return jobs

    def shell(self, script: str, **more: Any) -> int:
        """Hand in one job that runs a shell script; ``more`` is the rest of its description."""
        (job,) = self.submit(shell(script, **more))
        return job

    # -- the daemon -------------------------------------------------------------------------------

    @property
    def lives(self) -> bool:
        """The daemon of the last ``start`` has not ended."""
        return self.process is not None and self.process.poll() is None

    def start(self, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        """Start ``harvester-hpc run`` in a session of its own; when this returns it may not have the store yet."""
        with (self.home / "console.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*self.prefix, *PROGRAM, "run"], env={**self.environment, **(environment or {})}, stdout=log, stderr=log,
                stdin=subprocess.DEVNULL, start_new_session=True,
            )
        return self.process

    def serve(self) -> None:
        """Start it, and return when its agents are at work."""
        console = self.home / "console.log"
        before = console.stat().st_size if console.exists() else 0
        process = self.start()
        words: list[str] = []

        def began() -> bool:
            with console.open() as stream:
                stream.seek(before)
                words[:] = [stream.read()]
            return "started pid=" in words[0] or process.poll() is not None

        until(began, lambda: f"the daemon starts: {words}")
        assert process.poll() is None, words

    def stop(self) -> int:
        """End it with SIGTERM; return its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(PATIENCE_S)

    def kill(self) -> None:
        """End it as a crash would."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        """End it if it lives, whatever way."""
        if self.lives:
            self.kill()

    # -- the store, read only ---------------------------------------------------------------------

    def query(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Return rows of the store; none while there is no store, or one that is just being made."""
        if not self.store.exists():
            return []
        with closing(sqlite3.connect(f"file:{self.store}?mode=ro", uri=True, timeout=10)) as connection:
            try:
                return connection.execute(sql, values).fetchall()
            except sqlite3.OperationalError:
                return []

    def state(self, job: int) -> str:
        """Return the state of a job; "" if the instance has not fetched it yet."""
        rows = self.query("SELECT state FROM job WHERE job_id = ?", job)
        return str(rows[0][0]) if rows else ""

    def wait(self, job: int, states: Collection[str] = FINAL, patience_s: float = PATIENCE_S) -> str:
        """Wait until a job is in one of ``states``; return which.

        Raises:
            AssertionError: it ended otherwise, or not within ``patience_s`` seconds.
        """
        found: list[str] = []

        def there() -> bool:
            found[:] = [self.state(job)]
            return found[0] in states or found[0] in FINAL

        until(there, lambda: f"job {job} is {' or '.join(sorted(states))}; it is {found[0]!r}\n{self.log[-4000:]}", patience_s)
        assert found[0] in states, f"job {job} is {found[0]}, not {' or '.join(sorted(states))}: {self.why(job)}\n{self.log[-4000:]}"
        return found[0]

    def why(self, job: int) -> str:
        """Return the reason that the store has for the state of a job."""
        return "".join(str(why) for (why,) in self.query("SELECT why FROM job WHERE job_id = ?", job))

    def is_told(self, job: int) -> bool:
        """Tell whether a job has ended and the workload management system has taken its end."""
        return bool(self.query(f"SELECT 1 FROM job WHERE job_id = ? AND {TOLD}", job))

    def worker(self, job: int) -> dict[str, Any]:
        """Return the last worker of a job as ``workers show --json`` tells of it."""
        shown: dict[str, Any] = self.json("workers", "show", self.json("jobs", "show", job)["workers"][-1])
        return shown

    def batch_id(self, job: int) -> str:
        """Return the number of the last batch job of a job; "" if it has none yet."""
        rows = self.query("SELECT batch_id FROM worker JOIN bond USING (worker_id) WHERE job_id = ? ORDER BY worker_id DESC", job)
        return str(rows[0][0] or "") if rows else ""


def shell(script: str, **more: Any) -> dict[str, Any]:
    """Return the description of a job that runs a shell script."""
    return {"executable": "/bin/sh", "arguments": ["-c", script], **more}


def gated(folder: Path, name: str = "go", then: str = "true") -> str:
    """Return a script that leaves a line in ``NAME.begun`` of ``folder``, and goes on when there is a file NAME, or after two minutes."""
    gate, waits = folder / name, "n=0; until [ -e '{}' ] || [ $((n += 1)) -gt 1200 ]; do sleep 0.1; done"
    return f"echo begun >> '{gate}.begun'; {waits.format(gate)}; {then}"


def times_begun(folder: Path, *names: str) -> list[int]:
    """Return how often each of the gated scripts of these names began."""
    traces = [folder / f"{name}.begun" for name in names]
    return [len(trace.read_text().splitlines()) if trace.exists() else 0 for trace in traces]
