"""The two daemons of a private cluster beside its nodes: munged, and the controller slurmctld."""
from __future__ import annotations

import signal
import socket
from collections.abc import Mapping

from harvester_hpc.testing.slurm.errors import ClusterError
from harvester_hpc.testing.slurm.nodes import last_lines
from harvester_hpc.testing.slurm.plan import Plan
from harvester_hpc.testing.slurm.processes import Roster, spawn, until

MUNGED = "munged"
CONTROLLER = "slurmctld"
START_SECONDS = 20.0
STOP_SECONDS = 5.0  # slurmctld saves its state at once, but then waits for calls to nodes that do not answer


class Daemons:
    """munged and slurmctld of one cluster.

    Args:
        plan: where they listen.
        roster: where their processes are recorded.
        environment: their whole environment.
    """

    def __init__(self, plan: Plan, roster: Roster, environment: Mapping[str, str]) -> None:
        self._plan = plan
        self._roster = roster
        self._environment = environment

    def alive(self, name: str) -> bool:
        """Return whether the daemon ``name`` runs; a frozen one does."""
        return self._roster.living(name) is not None

    def start_munged(self) -> None:
        """Start munged unless it runs; returns when it listens.

        Raises:
            ClusterError: it does not.
        """
        if self.alive(MUNGED):
            return
        path = self._plan.path("munge")
        (path / "socket").unlink(missing_ok=True)
        # --force: munged otherwise insists on the modes of every folder above its own.
        self._start(MUNGED, "munged", "--foreground", "--force", "--num-threads=4", f"--socket={path}/socket", f"--key-file={path}/key",
                    f"--log-file={path}/log", f"--pid-file={path}/pid", f"--seed-file={path}/seed")
        self._await(MUNGED, socket.AF_UNIX, f"{path}/socket")

    def start_controller(self) -> None:
        """Start slurmctld unless it runs; returns when it listens.

        Raises:
            ClusterError: it does not.
        """
        if self.alive(CONTROLLER):
            return
        self._start(CONTROLLER, "slurmctld", "-D")
        self._await(CONTROLLER, socket.AF_INET, (self._plan.controller_address, self._plan.controller_port))

    def stop(self, name: str) -> None:
        """Stop the daemon ``name`` if it runs; slurmctld saves its state first.

        Raises:
            ClusterError: it does not end, even by SIGKILL.
        """
        process = self._roster.living(name)
        if process is not None:
            process.send(signal.SIGCONT)
            if not process.end(signal.SIGTERM, STOP_SECONDS):
                raise ClusterError(f"{name} does not end", why=f"process {process.pid} remains after SIGKILL")
        self._roster.forget(name)

    def send(self, name: str, number: signal.Signals) -> None:
        """Send a signal to the daemon ``name``.

        Raises:
            ClusterError: it does not run.
        """
        process = self._roster.living(name)
        if process is None or not process.send(number):
            raise ClusterError(f"{name} does not run")

    def _start(self, name: str, *argv: str) -> None:
        try:
            process = spawn(argv, self._environment, self._plan.path("log", f"{name}.out"))
        except OSError as error:
            raise ClusterError(f"cannot start {name}", why=str(error)) from error
        self._roster.record(name, process)

    def _await(self, name: str, family: socket.AddressFamily, address: str | tuple[str, int]) -> None:
        until(lambda: _listens(family, address) or not self.alive(name), START_SECONDS)
        if not self.alive(name) or not _listens(family, address):
            raise ClusterError(f"{name} does not start", why=last_lines(self._plan.path("log", f"{name}.out")))


def _listens(family: socket.AddressFamily, address: str | tuple[str, int]) -> bool:
    with socket.socket(family) as trial:
        trial.settimeout(1.0)
        return trial.connect_ex(address) == 0
