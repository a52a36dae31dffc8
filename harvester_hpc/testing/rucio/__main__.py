"""The private server from a shell: ``python -m harvester_hpc.testing.rucio up DIR`` and ``down DIR``."""
from __future__ import annotations

import argparse
import shlex
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from harvester_hpc.errors import HarvesterError
from harvester_hpc.testing.rucio.server import RucioServer
from harvester_hpc.testing.slurm.guard import dismissed

EXAMPLES = """
  eval "$(python -m harvester_hpc.testing.rucio up /tmp/rucio)"   a server, and RUCIO_CONFIG set for a client of root
  rucio rse list                                                  ... to be used like any other (pip install rucio-clients)
  python -m harvester_hpc.testing.rucio down /tmp/rucio           stop it; the folder stays, and "up" goes on with it
"""


def up(options: argparse.Namespace) -> None:
    """Start the server if it does not run; print shell code that sets its variables."""
    began = time.monotonic()
    server = RucioServer(options.folder)
    server.start()
    say(f"serves at {server.url}, {time.monotonic() - began:.1f} s; RSEs: {', '.join(server.layout.rses)}; logs: {server.folder}/log")
    print(f"export RUCIO_CONFIG={shlex.quote(str(server.layout.client_file))}")
    print(f"export RUCIO_URL={shlex.quote(server.url)}")


def down(options: argparse.Namespace) -> None:
    """Stop the server."""
    RucioServer(options.folder).stop()


def guard(options: argparse.Namespace) -> None:
    """Wait until standard input ends; stop the server unless dismissed."""
    if not dismissed(sys.stdin.read()):
        RucioServer(options.folder).stop()


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(
        prog="python -m harvester_hpc.testing.rucio", description=__doc__, epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = whole.add_subparsers(required=True, metavar="VERB")
    for name, act, text in (("up", up, "start it"), ("down", down, "stop it"), ("guard", guard, "stop it when standard input ends")):
        verb = verbs.add_parser(name, help=text)
        verb.add_argument("folder", type=Path, metavar="DIR", help="all its state")
        verb.set_defaults(act=act)
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
