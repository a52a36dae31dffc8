"""``python -m harvester_launch <single|multijob|yoda>``: the command line of what runs inside the allocation."""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from harvester_launch.single import Options, run
from harvester_launch.yoda import run as run_yoda
from harvester_launch.yoda_options import add_arguments, options_of

LATER = {"multijob": "several jobs side by side"}


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(prog="harvester_launch", description="Run the payloads of a worker inside its allocation.")
    ways = whole.add_subparsers(dest="way", required=True, metavar="WAY")
    single = ways.add_parser("single", help="one job")
    single.add_argument("--access-point", required=True, type=Path, metavar="DIR", help="the worker's folder")
    single.add_argument(
        "--wrapper", action="append", default=[], metavar="ARG",
        help="the site's pilot wrapper, in place of the job's command; once for its path and once for each argument",
    )
    single.add_argument("--walltime", type=_positive, metavar="SECONDS", help="what the batch job was given")
    single.add_argument("--log-cap", type=_positive, default=10 << 20, metavar="BYTES", help="of stdout and of stderr, each")
    single.add_argument("--grace", type=float, default=10.0, metavar="SECONDS", help="between a forwarded signal and KILL")
    single.add_argument("--heartbeat", type=float, default=60.0, metavar="SECONDS", help="between two signs of life")
    add_arguments(ways.add_parser("yoda", help="event ranges over MPI: start it with mpiexec or srun"))
    for way, what in LATER.items():
        ways.add_parser(way, help=f"{what} (not yet)", add_help=False)
    return whole


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    whole = parser()
    given, rest = whole.parse_known_args(argv)
    if given.way in LATER:
        whole.error(f"{given.way}: not yet; there is: single, yoda")
    if rest:
        whole.error(f"unrecognized arguments: {' '.join(rest)}")
    if given.way == "yoda":
        try:
            options = options_of(given)
        except ValueError as error:
            whole.error(str(error))
        return run_yoda(options)
    return run(Options(
        access_point=given.access_point.absolute(), wrapper=tuple(given.wrapper), walltime_s=given.walltime,
        log_cap=given.log_cap, grace_s=max(0.0, given.grace), heartbeat_s=max(0.1, given.heartbeat),
    ))


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
