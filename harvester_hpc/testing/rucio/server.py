"""A Rucio server in one folder: started, stopped in the middle of things, and started again."""
from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import TracebackType
from urllib.error import URLError
from urllib.request import ProxyHandler, build_opener

from harvester_hpc.errors import HarvesterError
from harvester_hpc.testing.rucio.configuration import write_files
from harvester_hpc.testing.rucio.environment import server_environment
from harvester_hpc.testing.rucio.layout import ROOT, Account, Layout, read_layout, write_layout
from harvester_hpc.testing.slurm.guard import Guard
from harvester_hpc.testing.slurm.processes import Process, Roster, spawn, until

READY_WITHIN_S = 60.0
ENDED_WITHIN_S = 15.0
STEP_WITHIN_S = 120.0
SERVICE = "gunicorn"
APPLICATION = "rucio.web.rest.flaskapi.v1.main:application"


class ServerError(HarvesterError):
    """The server cannot be started, stopped or asked."""


class RucioServer:
    """A private Rucio: REST service, catalogue and RSEs on this machine, all state in one folder.

    In a folder where a server was before, that one goes on, with its files, rules and port.

    Args:
        folder: missing, empty, or of an earlier server; neither blanks nor % in its path.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._layout = read_layout(self.folder)
        self._guard: Guard | None = None

    @property
    def layout(self) -> Layout:
        """What the server looks like.

        Raises:
            ServerError: it was never started.
        """
        if self._layout is None:
            raise ServerError(f"no server in {self.folder}", remedy="start it first")
        return self._layout

    @property
    def url(self) -> str:
        """The address of the REST service."""
        return self.layout.url

    def account(self, name: str) -> Account:
        """Return an account of the server: root, harvester (may do everything) or guest (may write nowhere)."""
        return self.layout.account(name)

    def disk(self, rse: str) -> Path:
        """Return the folder in which the files of an RSE lie."""
        return self.layout.disk(rse)

    def start(self) -> None:
        """Start it if it does not run, and return when it answers.

        Raises:
            ServerMissing: it is not installed and cannot be.
            ServerError: it does not start; nothing is left running.
        """
        if self.alive():
            return
        if any(character in str(self.folder) for character in " %\n"):
            raise ServerError(f"a server cannot be in {self.folder!s}", why="blanks and % mean something in its configuration")
        environment = server_environment()
        fresh = self._layout is None
        self.folder.mkdir(parents=True, exist_ok=True)
        self._layout = self._layout or Layout(folder=self.folder, port=_free_port())
        try:
            write_files(self.layout, environment)
            if fresh:
                self._run(environment, "founding")
            self._serve(environment)
            if fresh:
                self._run(environment, "peopling", self._people())
                write_layout(self.layout)
        except BaseException:
            self.stop()
            if fresh:
                self._layout = None
            raise

    def stop(self) -> None:
        """End it, as an administrator would; the folder stays. Harmless where nothing runs.

        Raises:
            ServerError: it does not even end by SIGKILL.
        """
        for process in self._processes():
            if not process.end(signal.SIGTERM, ENDED_WITHIN_S):
                raise ServerError(f"the server in {self.folder} does not end (pid {process.pid})")
        self._roster.forget(SERVICE)

    def alive(self) -> bool:
        """Return whether it runs and answers."""
        return bool(self._processes()) and self._answers()

    def guard(self) -> None:
        """Have it stopped when this process ends, whatever way it ends (SIGKILL too)."""
        self._guard = self._guard or Guard(self.folder, "harvester_hpc.testing.rucio")

    def __enter__(self) -> RucioServer:
        self.guard()
        try:
            self.start()
        except BaseException:
            self._dismiss_guard()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()
        self._dismiss_guard()

    def daemon(self, name: str, *arguments: str) -> None:
        """Run one round of a daemon of Rucio (``rucio-judge-evaluator``, ``rucio-judge-cleaner``, ...); 2 to 3 s.

        Raises:
            ServerError: it fails.
        """
        self._command([str(server_environment() / "bin" / name), "--run-once", *arguments])

    @property
    def _roster(self) -> Roster:
        return Roster(self.folder / "run")

    def _processes(self) -> list[Process]:
        process = self._roster.living(SERVICE) if self._layout else None
        return [process] if process else []

    def _serve(self, environment: Path) -> None:
        folder = self.folder
        # One thread: with more, writers of an SQLite catalogue meet "database is locked".
        argv = [
            str(environment / "bin/gunicorn"), "--bind", f"127.0.0.1:{self.layout.port}", "--workers", "1", "--worker-class", "gthread",
            "--threads", "1", "--timeout", "120", "--graceful-timeout", "5", "--no-control-socket",
            "--worker-tmp-dir", str(folder / "scratch"), "--access-logfile", str(folder / "log/access.log"), APPLICATION,
        ]
        if self._answers():
            raise ServerError(f"port {self.layout.port} is in use by another server")
        self._roster.record(SERVICE, spawn(argv, self._variables(), folder / "log/gunicorn.log"))
        if not until(lambda: self._answers() or not self._processes(), READY_WITHIN_S, period=0.05) or not self._processes():
            raise ServerError(f"the server does not answer at {self.url}", why=_end_of(folder / "log/gunicorn.log"))

    def _answers(self) -> bool:
        try:
            with build_opener(ProxyHandler({})).open(f"{self.layout.url}/ping", timeout=2) as answer:
                return bool(answer.status == 200)
        except (URLError, OSError):
            return False

    def _variables(self) -> dict[str, str]:
        mine = {name: value for name, value in os.environ.items() if not name.startswith(("RUCIO_", "PYTHON"))}
        return {**mine, "RUCIO_CONFIG": str(self.layout.server_file), "HOME": str(self.folder), "TMPDIR": str(self.folder / "scratch")}

    def _people(self) -> str:
        layout = self.layout
        scopes = {**dict.fromkeys(layout.scopes, ROOT), **{f"user.{name}": name for name in layout.accounts}}
        for rse in layout.rses:
            layout.disk(rse).mkdir(exist_ok=True)
        return json.dumps({
            "accounts": {name: layout.account(name).password_file.read_text() for name in layout.accounts},
            "admins": layout.admins, "scopes": scopes, "rses": {rse: str(layout.disk(rse)) for rse in layout.rses},
        })

    def _run(self, environment: Path, module: str, told: str = "") -> None:
        self._command([str(environment / "bin/python"), str(Path(__file__).with_name(f"{module}.py"))], told)

    def _command(self, argv: Sequence[str], told: str = "") -> None:
        client = {"RUCIO_CONFIG": str(self.layout.client_file)} if argv[-1].endswith("peopling.py") else {}
        done = subprocess.run(
            argv, input=told, capture_output=True, text=True, timeout=STEP_WITHIN_S, check=False, cwd=self.folder,
            env={**self._variables(), **client},
        )
        if done.returncode != 0:
            raise ServerError(f"{Path(argv[-1]).name} failed", why=(done.stderr or done.stdout).strip()[-500:])

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None


def _free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _end_of(log: Path) -> str:
    try:
        return log.read_text(errors="replace").strip()[-500:]
    except OSError:
        return ""
