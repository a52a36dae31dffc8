"""The command line of ``yoda``."""
from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path

from harvester_launch.seats import GPU_VARIABLES, Sharing


@dataclass(frozen=True, slots=True, kw_only=True)
class YodaOptions:
    """What the command line says.

    Attributes:
        access_point: absolute.
        mode: "bunch": a process for each range or bunch; "lines": long-lived processes that speak JSON lines.
        slots: payloads side by side on a rank; None: the cores of the rank divided by ``cores_per_payload``.
        ranks: how many ranks there must be; None: HARVESTER_NTASKS, or any number.
        walltime_s: what the batch job was given; None if it is not known.
        margin_s: seconds before the end of the allocation by which everything must be told.
        grace_s: seconds that running payloads have once no new ones begin, and between TERM and KILL.
        limit_s: seconds that a range may take; None for no limit.
        tries: how often a range is tried.
        lead_s: seconds for which ranges are kept in stock.
        idle_s: seconds without any work after which the worker ends.
        publish_count, publish_s: results in a letter, and seconds until it goes.
        unread_limit: results that nobody has read yet, after which nothing is given.
        sharing: how the cores and GPUs of a node are shared out.
        salvage: only tell what an earlier run has done and not told.
    """

    access_point: Path
    mode: str = "bunch"
    cores_per_payload: int = 1
    slots: int | None = None
    ranks: int | None = None
    walltime_s: int | None = None
    margin_s: float = 60.0
    grace_s: float = 20.0
    limit_s: float | None = None
    tries: int = 3
    lead_s: float = 300.0
    idle_s: float = 1800.0
    publish_count: int = 500
    publish_s: float = 10.0
    unread_limit: int = 100_000
    heartbeat_s: float = 60.0
    suffix: str = ""
    sharing: Sharing = field(default_factory=Sharing)
    salvage: bool = False


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Describe the command line."""
    parser.add_argument("--access-point", required=True, type=Path, metavar="DIR", help="the worker's folder")
    parser.add_argument("--payload-mode", choices=("bunch", "lines"), default="bunch", help="see docs/payloads.md")
    parser.add_argument("--cores-per-payload", type=_count, default=1, metavar="N")
    parser.add_argument("--slots", type=_count, metavar="N", help="payloads side by side on a rank; else by its cores")
    parser.add_argument("--cores-per-node", type=_count, metavar="N", help="cores of a node that the worker uses (else all it may use)")
    parser.add_argument("--pin-cores", action="store_true", help="each slot has cores of its own")
    parser.add_argument("--gpus-per-payload", type=_number, default=0, metavar="N", help="each slot has so many GPUs of its own")
    parser.add_argument("--gpus-per-node", type=_number, default=0, metavar="N", help="where no variable says which there are")
    parser.add_argument("--gpu-variable", choices=GPU_VARIABLES, default="", help="by default the one that is set")
    parser.add_argument("--ranks", type=_count, metavar="N", help="how many there must be (else HARVESTER_NTASKS)")
    parser.add_argument("--walltime", type=_count, metavar="SECONDS", help="what the batch job was given")
    parser.add_argument("--margin", type=_seconds, default=60.0, metavar="SECONDS", help="before the end, by which all must be told")
    parser.add_argument("--grace", type=_seconds, default=20.0, metavar="SECONDS", help="for running payloads, and between TERM and KILL")
    parser.add_argument("--range-limit-s", type=_seconds, metavar="SECONDS", help="that a range may take")
    parser.add_argument("--tries", type=_count, default=3, metavar="N", help="of a range that fails (at most 100)")
    parser.add_argument("--lead", type=_seconds, default=300.0, metavar="SECONDS", help="for which ranges are kept in stock")
    parser.add_argument("--idle-limit", type=_seconds, default=1800.0, metavar="SECONDS", help="without work, after which the worker ends")
    parser.add_argument("--publish-count", type=_count, default=500, metavar="N", help="results in a letter")
    parser.add_argument("--publish-s", type=_seconds, default=10.0, metavar="SECONDS", help="until a letter goes")
    parser.add_argument("--unread-limit", type=_count, default=100_000, metavar="N", help="unread results, after which nothing is given")
    parser.add_argument("--heartbeat", type=_seconds, default=60.0, metavar="SECONDS", help="between two signs of life")
    parser.add_argument("--out-suffix", default="", metavar="TEXT", help="of the names of outputs, such as .root")
    parser.add_argument("--salvage", action="store_true", help="tell what an earlier run has done and not told, and end; needs no MPI")


def options_of(given: argparse.Namespace) -> YodaOptions:
    """Return what the command line says.

    Raises:
        ValueError: something does not fit; str() says what.
    """
    if "/" in given.out_suffix or "\0" in given.out_suffix or len(given.out_suffix) > 40:
        raise ValueError(f"--out-suffix: no end of a file name: {given.out_suffix!r}")
    if given.tries > 100:
        raise ValueError("--tries: at most 100")
    return YodaOptions(
        access_point=given.access_point.absolute(), mode=given.payload_mode, cores_per_payload=given.cores_per_payload, slots=given.slots,
        ranks=given.ranks, walltime_s=given.walltime, margin_s=given.margin, grace_s=given.grace, limit_s=given.range_limit_s,
        tries=given.tries, lead_s=given.lead, idle_s=given.idle_limit, publish_count=given.publish_count, publish_s=given.publish_s,
        sharing=Sharing(
            cores_per_node=given.cores_per_node, pin_cores=given.pin_cores, gpus_per_payload=given.gpus_per_payload,
            gpus_per_node=given.gpus_per_node, gpu_variable=given.gpu_variable,
        ),
        unread_limit=given.unread_limit, heartbeat_s=max(0.1, given.heartbeat), suffix=given.out_suffix, salvage=given.salvage,
    )


def _count(text: str) -> int:
    number = int(text)
    if number <= 0:
        raise argparse.ArgumentTypeError(f"must be a number above 0, not {text}")
    return number


def _number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be a number from 0 on, not {text}")
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 <= number < 2**53:
        raise argparse.ArgumentTypeError(f"must be seconds from 0 on, not {text}")
    return number
