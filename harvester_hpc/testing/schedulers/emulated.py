"""An emulated batch system of one's own: started, spoken to, made to fail, and stopped."""
from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from harvester_hpc.errors import HarvesterError
from harvester_hpc.testing.schedulers import client as client_module
from harvester_hpc.testing.schedulers import running
from harvester_hpc.testing.schedulers.behaviour import BEHAVIOUR, Behaviour, Fault, read, write
from harvester_hpc.testing.schedulers.books import job_of
from harvester_hpc.testing.schedulers.dialect import DIALECTS, Dialect, dialect_of, write_silence
from harvester_hpc.testing.schedulers.server import ORDERS, SOCKET, SUBMITTING
from harvester_hpc.testing.schedulers.values import Job
from harvester_hpc.testing.slurm.guard import Guard

MODULE = "harvester_hpc.testing.schedulers"
READY_S = 30.0
LOOKS_S = 0.01


class EmulationError(HarvesterError):
    """An emulated batch system cannot be started, or was never."""


def usual(dialect: str) -> Behaviour:
    """Return how a batch system of this dialect is built if nobody says otherwise."""
    return Behaviour(dialect=dialect, server="pbs" if dialect.startswith("pbs") else "cluster")


class Emulated:
    """An emulated batch system; all its state lies in one folder.

    In a folder where one was before, that one goes on, with its jobs.

    Args:
        folder: empty, missing, or of an earlier one.
        dialect: one of ``DIALECTS``; "" in a folder where one was before.
        behaviour: how it is built; see ``Behaviour``. Its dialect is the one that is named here.
    """

    def __init__(self, folder: Path, dialect: str = "", behaviour: Behaviour | None = None) -> None:
        self.folder = folder.resolve()
        known = (self.folder / BEHAVIOUR).exists()
        if not known and dialect not in DIALECTS:
            raise EmulationError(f"no dialect '{dialect}'", why=f"there is: {', '.join(DIALECTS)}")
        self._fresh = None if known and behaviour is None else replace(behaviour or usual(dialect), dialect=dialect)
        self._guard: Guard | None = None
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def behaviour(self) -> Behaviour:
        """How it is built and behaves at the moment."""
        return read(self.folder)

    @property
    def dialect(self) -> Dialect:
        """What it calls things."""
        return dialect_of(self.behaviour.dialect)

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make qsub, squeue, ... those of this batch system: PATH."""
        here = str(self.folder / "bin")
        rest = [part for part in os.environ.get("PATH", os.defpath).split(":") if part != here]
        return {"PATH": ":".join([here, *rest])}

    # -- its life ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the server, if it does not run, and return when it answers.

        Raises:
            EmulationError: it does not.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        if self._fresh is not None:
            write(self.folder, self._fresh)
            self._fresh = None
        self._write_commands()
        if not self._pid():
            self._start_server()
        self._until_it_answers()

    def stop(self) -> None:
        """End all jobs and the server; the folder stays. Harmless where nothing runs."""
        if (self.folder / SOCKET).exists() and self._pid():
            with suppress(EmulationError):
                for job in self.jobs():
                    self.order("lose", str(job.number))
        self.kill_server()
        for spool in (self.folder / "spool").glob("*"):
            running.kill(spool)
        self._dismiss_guard()

    def kill_server(self) -> None:
        """Kill the server, as a crash; jobs go on, and commands say that nobody serves."""
        pid = self._pid()
        if pid:
            os.kill(pid, signal.SIGKILL)
            started = running.start_time(pid)
            _until(lambda: not running.is_alive(pid, started), READY_S, "the server ends")
        if self._server is not None:
            self._server.wait(READY_S)
            self._server = None
        (self.folder / "server.pid").unlink(missing_ok=True)

    def freeze(self) -> None:
        """Let the server answer nobody, as one that is overloaded: what is asked now happens later."""
        os.kill(self._pid(), signal.SIGSTOP)

    def thaw(self) -> None:
        """Let a frozen server go on."""
        os.kill(self._pid(), signal.SIGCONT)

    def guard(self) -> None:
        """Have it stopped when this process ends, whatever way it ends."""
        self._guard = self._guard or Guard(self.folder, MODULE)

    def __enter__(self) -> Emulated:
        self.guard()
        try:
            self.start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    # -- what one says to it ----------------------------------------------------------------------

    def run(self, argv: Sequence[str], timeout: float = 60.0, *, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program with this batch system's commands on PATH; a failure is for the caller to judge."""
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=os.environ | self.environment,
            cwd=folder, check=False,
        )

    def order(self, verb: str, subject: str = "", text: str = "") -> str:
        """Tell the engine what no command can: see ``orders``.

        Args:
            subject: the number of a job (an id will do), a node, or the range of an array.

        Raises:
            EmulationError: nobody serves, or there is no such order or job.
        """
        number = subject.partition(".")[0].partition("[")[0] if verb != "array" else subject
        call: Mapping[str, object] = {
            "program": ORDERS, "argv": [verb, number, text], "cwd": "/", "environment": dict(os.environ), "passed": True,
        }
        try:
            said = _asked(self.folder, call)
        except OSError as error:
            raise EmulationError(f"no emulated batch system serves in {self.folder}", why=str(error)) from error
        if said["exit_code"]:
            raise EmulationError(said["err"].strip())
        return str(said["out"])

    def submit_quickly(self, arguments: Sequence[str], folder: Path) -> str:
        """Do what the submit command does, without starting it; return what it prints. For crowds."""
        program = next(name for name in self.dialect.programs if name in SUBMITTING)
        call = {"program": program, "argv": list(arguments), "cwd": str(folder), "environment": dict(os.environ), "passed": True}
        said = _asked(self.folder, call)
        if said["exit_code"]:
            raise EmulationError(f"{program} refuses", why=str(said["err"]).strip())
        return str(said["out"])

    def jobs(self) -> list[Job]:
        """Return all jobs that ever were, as the engine knows them; without scripts and environments."""
        return [job_of(said) for said in json.loads(self.order("jobs"))]

    def named(self, name: str) -> list[str]:
        """Return the ids of all jobs of this name that ever were."""
        behaviour, dialect = self.behaviour, self.dialect
        return [dialect.batch_id(job, behaviour) for job in self.jobs() if job.name == name]

    def calls(self) -> dict[str, int]:
        """Return {program: how often it was called} since the server started."""
        found: dict[str, int] = json.loads(self.order("calls"))
        return found

    def behave(self, **changes: Any) -> None:
        """Change how it behaves, from now on; see ``Behaviour``."""
        write(self.folder, replace(self.behaviour, **changes))

    def fail(self, *faults: Fault) -> None:
        """Let commands go wrong in these ways, and no others, from now on."""
        self.order("forget-strikes")
        self.behave(faults=faults)

    def heal(self) -> None:
        """Undo what a test has broken: no faults, all nodes serve, and the queue is empty."""
        if not self._pid():
            self.start()
        self.thaw()
        self.behave(faults=())
        for name in self.behaviour.node_names:
            self.order("node-up", name)
        for job in self.jobs():
            if not job.has_ended:
                self.order("cancel", str(job.number))

    # -- inside -----------------------------------------------------------------------------------

    def _pid(self) -> int:
        """Return the server's process; 0 if none runs."""
        try:
            pid = int((self.folder / "server.pid").read_text())
        except (FileNotFoundError, ValueError):
            return 0
        started = running.start_time(pid)
        return pid if started and running.is_alive(pid, started) else 0

    def _start_server(self) -> None:
        with (self.folder / "server.log").open("a") as log:
            self._server = subprocess.Popen(
                [sys.executable, "-m", f"{MODULE}.server", str(self.folder)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, cwd=Path(__file__).parents[3],
            )

    def _until_it_answers(self) -> None:
        def answers() -> bool:
            try:
                return bool(self.order("jobs"))
            except EmulationError:
                return False

        _until(answers, READY_S, f"the server answers (see {self.folder / 'server.log'})")

    def _write_commands(self) -> None:
        """Put the commands into ``bin``."""
        behaviour, dialect = self.behaviour, self.dialect
        (self.folder / "bin").mkdir(exist_ok=True)
        write_silence(self.folder, dialect, behaviour)
        for program in dialect.programs:
            argv = [sys.executable, "-I", "-S", client_module.__file__, str(self.folder), f"{behaviour.answer_within_s:g}", program]
            path = self.folder / "bin" / program
            part = path.with_name(f".{program}")
            part.write_text(f'#!/bin/sh\nexec {shlex.join(argv)} "$@"\n')
            part.chmod(0o755)
            part.replace(path)

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None


def _asked(folder: Path, call: Mapping[str, object]) -> dict[str, Any]:
    """Ask the server; through /proc, for the path of a socket may be only 107 bytes long."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        return client_module.ask(dict(call), READY_S, f"/proc/self/fd/{descriptor}/{SOCKET}")
    finally:
        os.close(descriptor)


def _until(is_so: Callable[[], bool], patience_s: float, what: str) -> None:
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while not is_so():
        if time.monotonic() > deadline:
            raise EmulationError(f"not within {patience_s:g} s: {what}")
        pause.wait(LOOKS_S)
