"""The emulated services from a shell: ``python -m harvester_hpc.testing.globus serve --dir DIR --port PORT``."""
from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from harvester_hpc.testing.globus.server import Emulator


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(prog="python -m harvester_hpc.testing.globus", description=__doc__)
    verbs = whole.add_subparsers(required=True, metavar="VERB")
    serve = verbs.add_parser("serve", help="serve until interrupted; prints the variables that lead the SDK here")
    serve.add_argument("--dir", type=Path, required=True, help="all state; the next process goes on with it")
    serve.add_argument("--port", type=int, default=0, help="of loopback; 0 for a free one")
    serve.add_argument("--collection", action="append", default=[], metavar="NAME=FOLDER", help="a folder that stands for a collection")
    return whole


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve; return 0 when interrupted."""
    options = parser().parse_args(arguments)
    emulator = Emulator(options.dir.resolve(), options.port)
    for pair in options.collection:
        name, _, folder = pair.partition("=")
        print(f"# collection {name}: {emulator.world.add_collection(name, Path(folder))}")
    for name, value in emulator.environment.items():
        print(f"export {name}={shlex.quote(value)}", flush=True)
    try:
        emulator.serve()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
