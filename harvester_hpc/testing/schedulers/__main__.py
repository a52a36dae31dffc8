"""An emulated batch system from a shell: ``python -m harvester_hpc.testing.schedulers up DIR --dialect pbs`` and ``down DIR``."""
from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from harvester_hpc.errors import HarvesterError
from harvester_hpc.testing.schedulers.behaviour import BEHAVIOUR, Fault, Queue
from harvester_hpc.testing.schedulers.dialect import DIALECTS
from harvester_hpc.testing.schedulers.emulated import Emulated, usual
from harvester_hpc.testing.schedulers.faults import KINDS
from harvester_hpc.testing.schedulers.orders import ON_A_JOB
from harvester_hpc.testing.slurm.guard import dismissed

EXAMPLES = """
  eval "$(python -m harvester_hpc.testing.schedulers up /tmp/pbs --dialect pbs)"   two nodes of four cores, and PATH set
  echo 'sleep 60' | qsub -l select=2:ncpus=4 -l walltime=0:10:00                   ... to be used like any other
  python -m harvester_hpc.testing.schedulers fault /tmp/pbs fail --times 3         the next three commands fail
  python -m harvester_hpc.testing.schedulers order /tmp/pbs node-down n2           a node fails
  python -m harvester_hpc.testing.schedulers down /tmp/pbs                         end all jobs and the server
"""


def up(options: argparse.Namespace) -> None:
    """Start it, or go on with the one that is there; print shell code that sets PATH."""
    known = (options.folder / BEHAVIOUR).exists()
    behaviour = None if known else replace(
        usual(options.dialect), nodes=options.nodes, cpus=options.cpus, memory_mb=options.memory, gpus=options.gpus,
        queues=tuple(Queue(name=name) for name in options.queue or ["batch"]),
    )
    site = Emulated(options.folder, "" if known else options.dialect, behaviour)
    site.start()
    say(f"{site.behaviour.dialect} serves: {site.behaviour.nodes} nodes of {site.behaviour.cpus} cores; {site.folder / BEHAVIOUR} says how")
    print(f"export PATH={shlex.quote(str(site.folder / 'bin'))}:\"$PATH\"")


def down(options: argparse.Namespace) -> None:
    """End all jobs and the server."""
    Emulated(options.folder).stop()


def fault(options: argparse.Namespace) -> None:
    """Let commands go wrong in one way; ``none`` ends all faults."""
    site = Emulated(options.folder)
    if options.kind == "none":
        return site.fail()
    wanted = Fault(
        kind=options.kind, commands=tuple(options.command), times=options.times, seconds=options.seconds, text=options.text,
        exit_code=options.exit_code, bytes=options.bytes,
    )
    return site.behave(faults=(*site.behaviour.faults, wanted))  # those before it have struck as often as they have


def order(options: argparse.Namespace) -> None:
    """Tell the engine what no command can."""
    said = Emulated(options.folder).order(options.verb, options.subject, options.text)
    if said:
        print(said)


def guard(options: argparse.Namespace) -> None:
    """Wait until standard input ends; stop it unless dismissed."""
    if not dismissed(sys.stdin.read()):
        Emulated(options.folder).stop()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="python -m harvester_hpc.testing.schedulers", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = whole.add_subparsers(required=True, metavar="VERB")
    start = verbs.add_parser("up", help="start one, or go on with what is there")
    start.add_argument("folder", type=Path, metavar="DIR", help="all its state")
    start.add_argument("--dialect", choices=list(DIALECTS), default="pbs", help="whose commands (pbs)")
    start.add_argument("--nodes", type=int, default=2, help="how many (2)")
    start.add_argument("--cpus", type=int, default=4, help="cores of each; need not exist (4)")
    start.add_argument("--memory", type=int, default=4000, metavar="MB", help="memory of each; need not exist (4000)")
    start.add_argument("--gpus", type=int, default=0, help="GPUs of each; need not exist (0)")
    start.add_argument("--queue", action="append", help="a queue; the first one is the default (batch)")
    start.set_defaults(act=up)
    stop = verbs.add_parser("down", help="end all jobs and the server")
    stop.add_argument("folder", type=Path, metavar="DIR")
    stop.set_defaults(act=down)
    kinds = "\n".join(f"  {kind:<15} {words}" for kind, words in KINDS.items())
    wrong = verbs.add_parser(
        "fault", help="let commands go wrong", epilog=f"kinds:\n{kinds}\n  none            end all faults",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    wrong.add_argument("folder", type=Path, metavar="DIR")
    wrong.add_argument("kind", choices=[*KINDS, "none"], metavar="KIND")
    wrong.add_argument("--command", action="append", default=[], help="which; without: all")
    wrong.add_argument("--times", type=int, default=0, help="how often; 0: until it is taken away")
    wrong.add_argument("--seconds", type=float, default=0.0, help="of a delay")
    wrong.add_argument("--text", default="", help="words")
    wrong.add_argument("--exit-code", type=int, default=1, help="of a failing command (1)")
    wrong.add_argument("--bytes", type=int, default=200, help="what is left of a truncated answer (200)")
    wrong.set_defaults(act=fault)
    told = verbs.add_parser("order", help=f"node-down NODE, node-up NODE, array RANGE, jobs; or with a JOB: {', '.join(ON_A_JOB)}")
    told.add_argument("folder", type=Path, metavar="DIR")
    told.add_argument("verb", metavar="ORDER")
    told.add_argument("subject", nargs="?", default="")
    told.add_argument("text", nargs="?", default="")
    told.set_defaults(act=order)
    wait = verbs.add_parser("guard", help="stop it when standard input ends")
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
        say(f"error: {error}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
