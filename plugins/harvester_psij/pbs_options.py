"""What a batch script asks of PBS and of Torque: ``#PBS`` lines.

Source: qsub(1B) of PBS Professional 2021.1 and of Torque 6.1. An attribute of one letter is an option of qsub (``A``), a longer one a
resource (``l.filesystems`` for ``-l filesystems=...``).
"""
from __future__ import annotations

from collections.abc import Mapping

from harvester_psij.slurm_options import quoted
from harvester_psij.wanted import SCHEDULER_LOG, Wanted


def pbs_directives(wanted: Wanted) -> list[str]:
    """Return the lines for PBS Professional and OpenPBS: one chunk a node, each on a node of its own."""
    resources: dict[str, str | None] = {"select": _select(wanted), "place": "scatter", "walltime": duration(wanted.walltime_s)}
    return _lines(wanted, resources | _resources(wanted))


def torque_directives(wanted: Wanted) -> list[str]:
    """Return the lines for Torque."""
    nodes = [f"{wanted.nodes}:ppn={wanted.cpus_per_node}"]
    nodes += ["=".join(gpus)] if (gpus := wanted.gpus("gpus={gpus}")) else []
    resources: dict[str, str | None] = {"nodes": ":".join([*nodes, *(_property(*one) for one in wanted.chunk.items())])}
    if wanted.ram_mb:
        resources["mem"] = f"{wanted.ram_mb * wanted.nodes}mb"  # of the whole job
    resources["walltime"] = duration(wanted.walltime_s)
    return _lines(wanted, resources | _resources(wanted))


def _resources(wanted: Wanted) -> dict[str, str | None]:
    """Return the resources that the site says: ``l.filesystems``, or ``filesystems`` for short."""
    return {name.removeprefix("l."): value for name, value in wanted.attributes.items() if len(name) > 1}


def _property(name: str, value: str) -> str:
    return f"{name}={value}" if value else name


def duration(seconds: int) -> str:
    """Return ``HH:MM:SS``; hours may be more than two digits."""
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}"


def _select(wanted: Wanted) -> str:
    """Return the chunks; what a site says of one goes before ours, and a resource without a value is left out."""
    chunk: dict[str, str] = {"ncpus": str(wanted.cpus_per_node), "mpiprocs": str(wanted.ranks_per_node)}
    if gpus := wanted.gpus("ngpus={gpus}"):
        chunk[gpus[0]] = gpus[1]
    if wanted.ram_mb:
        chunk["mem"] = f"{wanted.ram_mb}mb"
    chunk |= dict(wanted.chunk)
    return ":".join([str(wanted.nodes), *(f"{name}={value}" for name, value in chunk.items() if value)])


def _lines(wanted: Wanted, resources: Mapping[str, str | None]) -> list[str]:
    options: dict[str, str | None] = {"N": wanted.name}
    if wanted.queue:
        options["q"] = wanted.queue
    if wanted.account:
        options["A"] = wanted.account
    options["r"] = "y" if wanted.requeue else "n"
    options["S"] = "/bin/bash"  # else the user's login shell reads the script, be it csh
    options["j"] = "oe"
    options["o"] = f"{wanted.folder}/{SCHEDULER_LOG}"
    options["m"] = "n"  # a mail for each worker is nobody's wish
    short = {name: value for name, value in wanted.attributes.items() if len(name) == 1}
    more = short.pop("l", None)
    asked = [f"{name}={value}" if value else name for name, value in resources.items()] + ([more] if more else [])
    return [
        *(f"#PBS -l {one}" for one in asked),
        *(f"#PBS -{name}" if value is None else f"#PBS -{name} {quoted(value)}" for name, value in (options | short).items()),
    ]
