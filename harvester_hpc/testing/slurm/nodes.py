"""The simulated nodes of a private cluster: started together, crashed one by one."""
from __future__ import annotations

import json
import os
import select
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from harvester_hpc.testing.slurm import keeper
from harvester_hpc.testing.slurm.errors import ClusterError
from harvester_hpc.testing.slurm.network import plug, unplug, unshare_flags
from harvester_hpc.testing.slurm.plan import Isolation, Node, Plan
from harvester_hpc.testing.slurm.processes import Process, Roster, descendants, kill_tree, spawn

READY_SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Booting:
    """A node whose keeper has been started: its process, and our ends of the pipes to and from it."""

    node: Node
    process: Process
    to_it: int
    from_it: int


class Nodes:
    """The nodes of one cluster.

    Args:
        plan: what they look like.
        roster: where their processes are recorded, each under its node's name.
        environment: the whole environment of slurmd.
    """

    def __init__(self, plan: Plan, roster: Roster, environment: Mapping[str, str]) -> None:
        self._plan = plan
        self._roster = roster
        self._environment = environment

    def alive(self, node: Node) -> bool:
        """Return whether anything of the node runs."""
        return self._roster.living(node.name) is not None

    def start(self, nodes: Sequence[Node]) -> None:
        """Start those of ``nodes`` that do not run, side by side; returns before slurmd has registered.

        Raises:
            ClusterError: a node cannot be made.
        """
        booting = [self._boot(node) for node in nodes if not self.alive(node)]
        try:
            for one in booting:
                self._release(one)
        finally:
            for one in booting:
                os.close(one.to_it)
                os.close(one.from_it)

    def register_again(self) -> None:
        """Have every living slurmd report to the controller now; after its restart the controller asks only four seconds later."""
        for node in self._plan.nodes:
            process = self._roster.living(node.name)
            for one in descendants(process) if process is not None else ():
                # A slurmd that is still starting has no handler yet, and registers anyway.
                if one.program() == "slurmd" and one.catches(signal.SIGHUP):
                    one.send(signal.SIGHUP)

    def crash(self, node: Node) -> None:
        """Kill everything that runs on the node, at once and without a word to the controller.

        Raises:
            ClusterError: something there cannot be killed.
        """
        process = self._roster.living(node.name)
        if process is not None and not kill_tree(process):
            raise ClusterError(f"node {node.name} does not die", why=f"processes below {process.pid} remain after SIGKILL")
        unplug(self._plan, node)
        self._roster.forget(node.name)

    def _boot(self, node: Node) -> _Booting:
        flags = unshare_flags(self._plan.isolation)
        # --kill-child: when the recorded process dies, the first process of the namespace dies, and with it all others.
        wrapper = ["unshare", *flags, "--fork", "--kill-child", "--mount-proc"] if flags else []
        argv = [*wrapper, sys.executable, "-I", "-S", keeper.__file__, json.dumps(asdict(self._room(node)))]
        its_input, to_it = os.pipe()
        from_it, its_output = os.pipe()
        try:
            process = spawn(argv, self._environment, self._log(node), pipes=(its_input, its_output))
        except OSError as error:
            os.close(to_it)
            os.close(from_it)
            raise ClusterError(f"cannot start node {node.name}", why=str(error)) from error
        finally:
            os.close(its_input)
            os.close(its_output)
        self._roster.record(node.name, process)
        return _Booting(node=node, process=process, to_it=to_it, from_it=from_it)

    def _room(self, node: Node) -> keeper.Room:
        plan = self._plan
        return keeper.Room(
            node=node.name,
            host="" if plan.isolation is Isolation.NONE else node.host,
            address=node.address if plan.isolation is Isolation.NETWORK else "",
            etc=str(plan.path("etc")),
        )

    def _release(self, one: _Booting) -> None:
        """Wait until the node's namespaces exist, lay its cable, and let it go on."""
        readable, _, _ = select.select([one.from_it], [], [], READY_SECONDS)
        if not readable or not os.read(one.from_it, 16):
            raise ClusterError(f"node {one.node.name} does not start", why=last_lines(self._log(one.node)))
        if self._plan.bridge:
            inside = descendants(one.process)
            if not inside:
                raise ClusterError(f"node {one.node.name} ended at its start", why=last_lines(self._log(one.node)))
            plug(self._plan, one.node, inside[0].pid)
        with suppress(BrokenPipeError):
            os.write(one.to_it, b"\n")

    def _log(self, node: Node) -> Path:
        return self._plan.path("log", f"{node.name}.out")


def last_lines(log: Path, count: int = 8) -> str:
    """Return the end of a log, for a person to read; a word when there is none."""
    try:
        lines = log.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return f"no log {log}"
    return f"{log}: " + " | ".join(lines[-count:])
