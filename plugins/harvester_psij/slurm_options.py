"""What a batch script asks of Slurm: ``#SBATCH`` lines."""
from __future__ import annotations

import re
from collections.abc import Mapping

from harvester_psij.wanted import BATCH_LOG, Wanted

PLAIN = re.compile(r"[A-Za-z0-9@%+=:,./_^*\[\]-]+")


def slurm_options(wanted: Wanted) -> dict[str, str | None]:
    """Return the options of sbatch, {name: value}, None for one without a value; what the site says goes before ours."""
    options: dict[str, str | None] = {
        "job-name": wanted.name,
        "nodes": str(wanted.nodes),
        "ntasks-per-node": "1",
        "cpus-per-task": str(wanted.cpus_per_node),
        "time": str(wanted.minutes),
    }
    if wanted.ram_mb:
        options["mem"] = f"{wanted.ram_mb}M"
    if gpus := wanted.gpus("gpus-per-node={gpus}"):
        options[gpus[0]] = gpus[1]
    if wanted.queue:
        options["partition"] = wanted.queue
    if wanted.qos:
        options["qos"] = wanted.qos
    if wanted.account:
        options["account"] = wanted.account
    if wanted.goes_on:
        options["no-kill"] = None
    options["export"] = "NONE"  # the daemon's environment holds secrets
    options["requeue" if wanted.requeue else "no-requeue"] = None
    options["chdir"] = wanted.folder
    # % starts a pattern in this one option.
    options["output"] = f"{wanted.folder}/{BATCH_LOG}".replace("%", "%%")
    options["open-mode"] = "append"
    return options | dict(wanted.attributes)


def slurm_directives(options: Mapping[str, str | None]) -> list[str]:
    """Return one ``#SBATCH`` line an option; a name of one letter is written ``-C value``."""
    return [f"#SBATCH {_option(name, value)}" for name, value in options.items()]


def _option(name: str, value: str | None) -> str:
    dashes, joint = ("-", " ") if len(name) == 1 else ("--", "=")
    return f"{dashes}{name}" if value is None else f"{dashes}{name}{joint}{quoted(value)}"


def quoted(value: str) -> str:
    """Return a value as sbatch reads it from a script; its rules are not the shell's (no expansion, # starts a comment)."""
    if PLAIN.fullmatch(value):
        return value
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
