"""What a batch script asks of LSF: ``#BSUB`` lines.

Source: bsub of LSF 10.1, and for -nnodes the guide of OLCF (Summit).
"""
from __future__ import annotations

from harvester_psij.slurm_options import quoted
from harvester_psij.wanted import SCHEDULER_LOG, Wanted


def lsf_options(wanted: Wanted) -> dict[str, str | None]:
    """Return the options of bsub, {name: value}, None for one without a value; what the site says goes before ours.

    Where jsrun starts programs, whole nodes are asked for; elsewhere slots, so many on each node.
    """
    options: dict[str, str | None] = {"J": wanted.name}
    if wanted.launcher == "jsrun":
        options["nnodes"] = str(wanted.nodes)
    else:
        options["n"] = str(wanted.nodes * wanted.cpus_per_node)
        options["R"] = f"span[ptile={wanted.cpus_per_node}]"
        if gpus := wanted.gpus("gpu=num={gpus}"):
            options[gpus[0]] = gpus[1]
    options["W"] = f"{wanted.minutes // 60}:{wanted.minutes % 60:02d}"
    if wanted.ram_mb and wanted.launcher != "jsrun":
        options["M"] = f"{wanted.ram_mb}MB"
    if wanted.queue:
        options["q"] = wanted.queue
    if wanted.account:
        options["P"] = wanted.account
    options["r" if wanted.requeue else "rn"] = None
    options["env"] = "none"  # the daemon's environment holds secrets
    options["L"] = "/bin/bash"  # hence the login shell's
    options["o"] = f"{wanted.folder}/{SCHEDULER_LOG}"
    said = dict(wanted.attributes)
    if "nnodes" in said:
        for name in ("n", "R", "gpu"):
            options.pop(name, None)
    return options | said


def lsf_directives(wanted: Wanted) -> list[str]:
    """Return one ``#BSUB`` line an option."""
    return [
        f"#BSUB -{name}" if value is None else f"#BSUB -{name} {quoted(value)}" for name, value in lsf_options(wanted).items()
    ]
