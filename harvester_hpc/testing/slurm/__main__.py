"""The private cluster from a shell: ``python -m harvester_hpc.testing.slurm up DIR`` and ``down DIR``."""
from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harvester_hpc.errors import HarvesterError
from harvester_hpc.testing.slurm.cluster import Cluster
from harvester_hpc.testing.slurm.daemons import CONTROLLER
from harvester_hpc.testing.slurm.errors import ClusterError
from harvester_hpc.testing.slurm.guard import dismissed
from harvester_hpc.testing.slurm.plan import Isolation

EXAMPLES = """
  eval "$(python -m harvester_hpc.testing.slurm up /tmp/slurm)"    a cluster of two nodes, and SLURM_CONF set
  srun -N2 hostname                                                ... to be used like any other
  python -m harvester_hpc.testing.slurm down /tmp/slurm n2         crash node n2
  python -m harvester_hpc.testing.slurm down /tmp/slurm slurmctld  stop the controller; jobs go on
  python -m harvester_hpc.testing.slurm up /tmp/slurm              bring back what is missing
  python -m harvester_hpc.testing.slurm down /tmp/slurm            cancel all jobs and stop everything
"""


def up(options: argparse.Namespace) -> None:
    """Start the cluster, or what of it does not run; print shell code that sets its variables."""
    began = time.monotonic()
    settings = dict(pair.split("=", maxsplit=1) for pair in options.set)
    cluster = Cluster(options.folder, options.nodes, options.cpus, options.memory, settings, isolation=options.isolation)
    cluster.start()
    seconds = time.monotonic() - began
    say(f"{len(cluster.node_names)} nodes serve (isolation {cluster.plan.isolation}), {seconds:.1f} s; logs: {cluster.folder}/log")
    for name, value in cluster.environment.items():
        print(f"export {name}={shlex.quote(value)}")


def down(options: argparse.Namespace) -> None:
    """Stop the cluster, or only some parts of it."""
    cluster = Cluster(options.folder)
    if not options.part:
        cluster.stop()
        return
    for part in options.part:
        if part == CONTROLLER:
            cluster.stop_controller()
        else:
            cluster.crash_node(part)


def guard(options: argparse.Namespace) -> None:
    """Wait until standard input ends; stop the cluster unless dismissed."""
    if not dismissed(sys.stdin.read()):
        Cluster(options.folder).stop()


def setting(text: str) -> str:
    """Check the form of one ``KEY=VALUE``."""
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"{text!r} is not KEY=VALUE")
    return text


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="python -m harvester_hpc.testing.slurm", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = whole.add_subparsers(required=True, metavar="VERB")
    start = verbs.add_parser("up", help="start a cluster, or what of it does not run")
    start.add_argument("folder", type=Path, metavar="DIR", help="all its state; if a cluster was there before, that one goes on")
    start.add_argument("--nodes", type=int, default=2, help="how many (2)")
    start.add_argument("--cpus", type=int, default=2, help="CPUs of each node; need not exist (2)")
    start.add_argument("--memory", type=int, default=2000, metavar="MB", help="memory of each node; need not exist (2000)")
    start.add_argument("--set", action="append", default=[], type=setting, metavar="KEY=VALUE", help="a line of slurm.conf")
    start.add_argument("--isolation", choices=["auto", *Isolation], default="auto", help="how far nodes are machines of their own (auto)")
    start.set_defaults(act=up)
    stop = verbs.add_parser("down", help="stop all, or crash nodes, or stop the controller")
    stop.add_argument("folder", type=Path, metavar="DIR")
    stop.add_argument("part", nargs="*", metavar="PART", help="n1, n2, ... or slurmctld; without: all")
    stop.set_defaults(act=down)
    wait = verbs.add_parser("guard", help="stop all when standard input ends")
    wait.add_argument("folder", type=Path, metavar="DIR")
    wait.set_defaults(act=guard)
    return whole


def say(text: str) -> None:
    """Tell a person; standard output is for the shell."""
    print(text, file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; return the exit code: 0 done, 1 it cannot be done (2: bad command line)."""
    options = parser().parse_args(arguments)
    try:
        options.act(options)
    except HarvesterError as error:
        kind = "the cluster" if isinstance(error, ClusterError) else "error"
        say(f"{kind}: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
