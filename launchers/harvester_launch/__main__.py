"""``python -m harvester_launch <single|multijob|pull|yoda|check>``: the command line of what runs inside the allocation."""
from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harvester_launch import check, multijob, pull, single, tied, yoda
from harvester_launch.yoda_options import add_arguments, options_of


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    whole = argparse.ArgumentParser(prog="harvester_launch", description="Run the payloads of a worker inside its allocation.")
    ways = whole.add_subparsers(dest="way", required=True, metavar="WAY")
    _options(ways.add_parser("single", help="one job"))
    _options(ways.add_parser("pull", help="no job: the pilot (--wrapper) fetches its jobs itself"))
    many = ways.add_parser("multijob", help="several jobs; one of these runs on each node")
    _options(many)
    many.add_argument(
        "--cores", type=_positive, default=len(os.sched_getaffinity(0)), metavar="NUMBER", help="of this node, for jobs side by side"
    )
    many.add_argument("--memory-mb", type=int, default=0, metavar="MB", help="of this node, for jobs side by side; 0: not counted")
    add_arguments(ways.add_parser("yoda", help="event ranges over MPI: start it with mpiexec or srun"))
    _of_check(ways.add_parser("check", help="what the ranks of a launch see of nodes, MPI and the access point; runs no payload"))
    return whole


def _of_check(way: argparse.ArgumentParser) -> None:
    way.add_argument("--access-point", required=True, type=Path, metavar="DIR", help="a folder that all nodes should see")
    way.add_argument("--ranks", type=_positive, metavar="N", help="how many there must be (else HARVESTER_NTASKS)")
    way.add_argument("--cores-per-node", type=_positive, metavar="N", help="that the ranks of a node must have")
    way.add_argument("--patience", type=float, default=60.0, metavar="SECONDS", help="for a file to be seen, and for the ranks to report")


def _options(way: argparse.ArgumentParser) -> None:
    way.add_argument("--access-point", required=True, type=Path, metavar="DIR", help="the worker's folder")
    way.add_argument(
        "--wrapper", action="append", default=[], metavar="ARG",
        help="the site's pilot wrapper, in place of the job's command; once for its path and once for each argument",
    )
    way.add_argument("--walltime", type=_positive, metavar="SECONDS", help="what the batch job was given")
    way.add_argument(
        "--late", type=_positive, metavar="SECONDS", help="the worker has no jobs yet: ask for some, and wait so long for an answer"
    )
    way.add_argument("--log-cap", type=_positive, default=10 << 20, metavar="BYTES", help="of stdout and of stderr, each")
    way.add_argument("--grace", type=float, default=10.0, metavar="SECONDS", help="between a forwarded signal and KILL")
    way.add_argument("--heartbeat", type=float, default=60.0, metavar="SECONDS", help="between two signs of life")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words[:1] == ["tied"]:
        return tied.become(words[1:])
    whole = parser()
    given, rest = whole.parse_known_args(words)
    if rest:
        whole.error(f"unrecognized arguments: {' '.join(rest)}")
    if given.way == "yoda":
        try:
            ranks = options_of(given)
        except ValueError as error:
            whole.error(str(error))
        return yoda.run(ranks)
    if given.way == "check":
        return check.run(check.CheckOptions(
            access_point=given.access_point.absolute(), ranks=given.ranks, cores_per_node=given.cores_per_node,
            patience_s=max(0.1, given.patience),
        ))
    access_point, wrapper, grace_s, heartbeat_s = (
        given.access_point.absolute(), tuple(given.wrapper), max(0.0, given.grace), max(0.1, given.heartbeat)
    )
    if given.way == "multijob":
        return multijob.run(multijob.Options(
            access_point=access_point, wrapper=wrapper, walltime_s=given.walltime, log_cap=given.log_cap, grace_s=grace_s,
            heartbeat_s=heartbeat_s, late_s=given.late, cores=given.cores, memory_mb=max(0, given.memory_mb),
        ))
    options = single.Options(
        access_point=access_point, wrapper=wrapper, walltime_s=given.walltime, log_cap=given.log_cap, grace_s=grace_s,
        heartbeat_s=heartbeat_s, late_s=given.late,
    )
    return pull.run(options) if given.way == "pull" else single.run(options)


def _positive(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
