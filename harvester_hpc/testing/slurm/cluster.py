"""A whole Slurm in one folder: started, broken on purpose, healed and stopped."""
from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType

from harvester_hpc.testing.slurm.configuration import environment, remove_link, variables, write_files
from harvester_hpc.testing.slurm.daemons import CONTROLLER, MUNGED, Daemons
from harvester_hpc.testing.slurm.errors import ClusterError, ProgramsMissing
from harvester_hpc.testing.slurm.founding import Order, found, missing_programs, refound
from harvester_hpc.testing.slurm.guard import Guard
from harvester_hpc.testing.slurm.network import raise_bridge, remove_network
from harvester_hpc.testing.slurm.nodes import Nodes
from harvester_hpc.testing.slurm.plan import Isolation, Plan, read_plan
from harvester_hpc.testing.slurm.processes import Roster, until

READY_SECONDS = 60.0
# sinfo's words for a node that takes or runs jobs; a star after them means that it does not answer.
SERVING = frozenset({"idle", "mixed", "allocated", "completing"})


class Cluster:
    """A private Slurm: one controller and several nodes on this machine, all state in one folder.

    In a folder where a cluster was before, that one goes on, with its nodes, sizes and jobs.

    Args:
        folder: empty, missing, or of an earlier cluster; its path may be long.
        nodes: how many; they are called n1, n2, ...
        cpus, memory_mb: what each node claims to have; it need not exist.
        settings: changes to slurm.conf, such as ``{"MinJobAge": "5"}``; an empty value removes the key.
        isolation: how far nodes are machines of their own; "auto" is as far as this user may.
    """

    def __init__(
        self,
        folder: Path,
        nodes: int = 2,
        cpus: int = 2,
        memory_mb: int = 2000,
        settings: Mapping[str, str] | None = None,
        *,
        isolation: Isolation | str = "auto",
    ) -> None:
        self.folder = folder.resolve()
        wish = tuple(Isolation) if isolation == "auto" else (Isolation(isolation),)
        self._order = Order(nodes=nodes, cpus=cpus, memory_mb=memory_mb, settings=dict(settings or {}), isolation=wish)
        self._plan = read_plan(self.folder)
        self._guard: Guard | None = None

    @property
    def plan(self) -> Plan:
        """What the cluster looks like.

        Raises:
            ClusterError: it was never started.
        """
        if self._plan is None:
            raise ClusterError(f"no cluster in {self.folder}", remedy="start it first")
        return self._plan

    @property
    def environment(self) -> dict[str, str]:
        """The variables that make sbatch, srun, squeue, ... (and PSI/J) speak to this cluster: SLURM_CONF."""
        return variables(self.plan)

    @property
    def node_names(self) -> tuple[str, ...]:
        """The names of the nodes: n1, n2, ..."""
        return tuple(node.name for node in self.plan.nodes)

    def start(self) -> None:
        """Start what does not run, and return when all nodes serve; below a second where nothing ran.

        Raises:
            ProgramsMissing: Slurm or munge is not installed.
            ClusterError: something does not start; where nothing ran before, nothing is left running.
        """
        if missing := missing_programs():
            raise ProgramsMissing(missing)
        # Another process may have started or stopped it since we looked.
        before = read_plan(self.folder)
        self._plan = found(self.folder, self._order) if before is None else before
        ran = self._any_alive()
        if before is not None and not ran:
            self._plan = refound(self.folder, before)
        try:
            self._start_parts()
        except BaseException:
            if not ran:
                self.stop()
            raise

    def stop(self) -> None:
        """Cancel all jobs and stop everything; no process, network device or link is left, only the folder.

        Harmless where nothing runs.

        Raises:
            ClusterError: a process does not even end by SIGKILL.
        """
        if self._plan is None:
            return
        # Each step is taken even if one before it fails; from the last line up.
        with ExitStack() as steps:
            steps.callback(self._dismiss_guard)
            steps.callback(remove_link, self._plan)
            steps.callback(remove_network, self._plan)
            steps.callback(self._daemons.stop, MUNGED)
            for node in self._plan.nodes:
                steps.callback(self._nodes.crash, node)
            # The controller stops before its nodes: it must not see them die.
            steps.callback(self._daemons.stop, CONTROLLER)
            steps.callback(self._empty_queue)

    def guard(self) -> None:
        """Have the cluster stopped when this process ends, whatever way it ends (SIGKILL too)."""
        self._guard = self._guard or Guard(self.folder)

    def __enter__(self) -> Cluster:
        self.guard()
        try:
            self.start()
        except BaseException:
            self._dismiss_guard()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.stop()

    def run(self, argv: Sequence[str], timeout: float = 60.0, *, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run a program on the login node in this cluster's environment.

        Args:
            argv: program and arguments.
            timeout: seconds until it is killed.
            folder: where it runs; without it, the current one.

        Returns:
            Its exit code, standard output and standard error.  A failure is for the caller to judge.

        Raises:
            subprocess.TimeoutExpired: it did not end in time.
        """
        whole = environment(self.plan, os.environ)
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout, env=whole, cwd=folder, check=False
        )

    def crash_node(self, name: str, *, noticed: bool = False) -> None:
        """Kill all that runs on a node at once.

        Args:
            name: the node.
            noticed: tell the controller, as an administrator would; else it finds out by itself, within 5 to 30 seconds.
        """
        self._nodes.crash(self.plan.node(name))
        if noticed:
            self.run(["scontrol", "update", f"nodename={name}", "state=down", "reason=crashed"])

    def start_node(self, name: str) -> None:
        """Start a crashed node, and return when it serves (without a controller: at once)."""
        self._nodes.start([self.plan.node(name)])
        if self._daemons.alive(CONTROLLER):
            self._await_nodes((name,))

    def stop_controller(self) -> None:
        """Stop slurmctld; jobs go on, and sbatch, squeue, ... fail after some seconds."""
        self._daemons.stop(CONTROLLER)

    def start_controller(self) -> None:
        """Start slurmctld again, and return when the living nodes serve."""
        self._daemons.start_controller()
        self._nodes.register_again()
        self._await_nodes([node.name for node in self.plan.nodes if self._nodes.alive(node)])

    def freeze_controller(self) -> None:
        """Make slurmctld accept connections and answer nothing, as an overloaded one does."""
        self._daemons.send(CONTROLLER, signal.SIGSTOP)

    def thaw_controller(self) -> None:
        """Let a frozen slurmctld go on; harmless if it is not frozen."""
        self._daemons.send(CONTROLLER, signal.SIGCONT)

    def heal(self) -> None:
        """Undo what a test has broken: everything runs again, all nodes serve, and the queue is empty."""
        if self._daemons.alive(CONTROLLER):
            self.thaw_controller()
        self._start_parts()
        self.cancel_all_jobs()

    def cancel_all_jobs(self, patience: float = 15.0) -> bool:
        """Cancel every job; return whether all have left their nodes within ``patience`` seconds."""
        # With KILL first, a payload that ignores SIGTERM does not cost KillWait.
        self.run(["scancel", "--quiet", "--full", "--signal=KILL", "--state=RUNNING"])
        for state in ("PENDING", "RUNNING", "SUSPENDED"):
            self.run(["scancel", "--quiet", f"--state={state}"])
        return until(lambda: not self.run(["squeue", "--noheader", "--all"]).stdout.strip(), patience, period=0.05)

    def node_states(self) -> dict[str, str]:
        """Return {node: state} in sinfo's words (``idle``, ``down*``, ...); empty when the controller does not answer."""
        shown = self.run(["sinfo", "--noheader", "--Node", "--partition=batch", "--format=%N %T"])
        return dict(line.split(maxsplit=1) for line in shown.stdout.splitlines())

    @property
    def _roster(self) -> Roster:
        return Roster(self.folder / "run")

    @property
    def _daemons(self) -> Daemons:
        return Daemons(self.plan, self._roster, environment(self.plan, os.environ))

    @property
    def _nodes(self) -> Nodes:
        return Nodes(self.plan, self._roster, environment(self.plan, os.environ))

    def _start_parts(self) -> None:
        write_files(self.plan)
        raise_bridge(self.plan)
        self._daemons.start_munged()
        # The controller before the nodes: a slurmd that finds none tries again only after a second.
        self._daemons.start_controller()
        self._nodes.register_again()
        self._nodes.start(self.plan.nodes)
        self._await_nodes(self.node_names)

    def _any_alive(self) -> bool:
        return any(self._roster.living(name) for name in (MUNGED, CONTROLLER, *self.node_names))

    def _empty_queue(self) -> None:
        """Cancel all jobs if there is somebody to ask; what does not end soon is killed with its node."""
        if not (self._daemons.alive(CONTROLLER) and self._daemons.alive(MUNGED)):
            return
        self.thaw_controller()
        with suppress(subprocess.TimeoutExpired):
            self.cancel_all_jobs(patience=1.0)

    def _dismiss_guard(self) -> None:
        if self._guard is not None:
            self._guard.dismiss()
            self._guard = None

    def _await_nodes(self, names: Sequence[str]) -> None:
        """Wait until the nodes serve; a node that the controller holds DOWN or DRAINED is taken back."""
        if not until(self._serving(names), READY_SECONDS, period=0.03):
            states = self.node_states()
            raise ClusterError("nodes do not serve", why=f"states: {states}", remedy=f"read the logs in {self.folder}/log")

    def _serving(self, names: Sequence[str]) -> Callable[[], bool]:
        def serving() -> bool:
            states = self.node_states()
            held = [name for name in names if states.get(name, "").startswith(("down", "drain")) and not states[name].endswith("*")]
            if held:
                self.run(["scontrol", "update", f"nodename={','.join(held)}", "state=resume"])
            return all(states.get(name) in SERVING for name in names)

        return serving
