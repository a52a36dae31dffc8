"""The command of a payload, and the environment that it finds."""
from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Mapping, Sequence

from harvester_launch.assignment import Assignment, Unusable, Worker

#: Linux takes no longer string in an environment (MAX_ARG_STRLEN).
LONGEST = 128 * 1024 - 64


def command_of(assignment: Assignment, environ: Mapping[str, str]) -> list[str]:
    """Return the job's argv: its transformation, with its parameters split as a shell splits words.

    The transformation is one word: an absolute path, a path below the job's folder, or a name that is looked for on
    PATH and then in the job's folder. One that is not found is returned as it is.

    Raises:
        Unusable: the job names no command, or its parameters cannot be split.
    """
    program = assignment.text("transformation").strip()
    if not program or "\0" in program:
        raise Unusable("the job has no transformation to run")
    try:
        words = shlex.split(assignment.text("jobPars"))
    except ValueError as error:
        raise Unusable(f"jobPars cannot be split into words: {error}") from error
    if any("\0" in word for word in words):
        raise Unusable("jobPars hold a NUL character")
    return [_found(program, assignment, environ), *words]


def _found(program: str, assignment: Assignment, environ: Mapping[str, str]) -> str:
    if "://" in program:
        return program  # an address: only a pilot knows what to do with it
    beside = assignment.folder / program
    if "/" in program:
        return str(beside)
    on_path = shutil.which(program, path=environ.get("PATH", os.defpath))
    if on_path is None and beside.is_file():
        return str(beside)
    return on_path or program


def environment_of(
    worker: Worker, assignment: Assignment, environ: Mapping[str, str], end: float | None, command: Sequence[str] = ()
) -> dict[str, str]:
    """Return the payload's environment: the batch job's, the job's own, and ours.

    Args:
        environ: the launcher's own environment.
        end: end of the allocation, seconds since 1970; None if it is not known.
        command: the job's command, told to a wrapper; () for none.

    Raises:
        Unusable: the job's ``environment`` is not an object of texts.
    """
    found = _as_before_us(environ) | _own(assignment)
    found |= {
        "HARVESTER_ID": worker.instance,
        "HARVESTER_WORKER_ID": worker.worker_id,
        "HARVESTER_ACCESS_POINT": str(worker.access_point),
        "HARVESTER_NNODE": _first(environ, "HARVESTER_NNODE", "SLURM_JOB_NUM_NODES", "SLURM_NNODES"),
        "HARVESTER_NTASKS": _first(environ, "HARVESTER_NTASKS", "SLURM_NTASKS"),
        "PANDAID": str(assignment.job_id),
    }
    found.pop("HARVESTER_WALLTIME_END", None)
    if end is not None:
        found["HARVESTER_WALLTIME_END"] = str(int(end))
    line = shlex.join(command)
    if command and len(line.encode("utf-8", "surrogateescape")) < LONGEST:
        found["HARVESTER_JOB_COMMAND"] = line
    return found


def _as_before_us(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment without what was added so that this launcher could be imported."""
    found = dict(environ)
    outer = found.pop("HARVESTER_OUTER_PYTHONPATH", None)
    if outer:
        found["PYTHONPATH"] = outer
    elif outer is not None:
        found.pop("PYTHONPATH", None)
    return found


def _own(assignment: Assignment) -> dict[str, str]:
    given = assignment.job.get("environment")
    if given is None:
        return {}
    if not isinstance(given, dict):
        raise Unusable("the job's environment is not an object of names and texts")
    for name, value in given.items():
        fits = isinstance(value, str | int | float) and not isinstance(value, bool)
        if not fits or not name or "=" in name or "\0" in f"{name}{value}":
            raise Unusable(f"the job's environment has an unusable entry {name[:40]!r}")
    return {name: str(value) for name, value in given.items()}


def _first(environ: Mapping[str, str], *names: str) -> str:
    return next((environ[name] for name in names if environ.get(name)), "1")
