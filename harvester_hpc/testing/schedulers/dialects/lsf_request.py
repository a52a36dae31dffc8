"""bsub: its options, which are words behind one dash, and what they ask for."""
from __future__ import annotations

import os
import re
import shlex
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from harvester_hpc.testing.schedulers.behaviour import Behaviour
from harvester_hpc.testing.schedulers.dialects.options import directives, split
from harvester_hpc.testing.schedulers.values import Call, Job, Problem, Refused, Request

WITH_VALUE = frozenset((
    "J", "q", "W", "n", "nnodes", "R", "P", "G", "o", "e", "oo", "eo", "i", "cwd", "env", "M", "gpu", "U", "L", "u", "app", "m", "b", "t",
    "sp", "g", "Jd", "jsdl", "outdir", "alloc_flags", "step_cgroup", "data", "w", "ti", "We", "c", "C", "D", "S", "v", "T",
))
FLAGS = frozenset(["x", "r", "rn", "H", "N", "B", "K", "I", "Ip", "Is", "ar", "ignore_debt", "core_isolation"])


def options_of(words: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """Return ({option: value}, the command).

    Raises:
        Refused: an option that bsub does not have.
    """
    said: dict[str, str] = {}
    rest = list(words)
    while rest and rest[0].startswith("-") and len(rest[0]) > 1:
        name = rest.pop(0)[1:]
        if name in FLAGS:
            said[name] = ""
        elif name in WITH_VALUE and rest:
            said[name] = rest.pop(0)
        else:
            raise Refused(Problem.BAD_OPTION, name)
    return said, rest


def request_of(call: Call, site: Behaviour) -> Request:
    """Return what bsub was asked.

    Raises:
        Refused: it is not understood.
    """
    outside, command = options_of(call.argv)
    script, inside = _script(command, call)
    said = inside | outside
    cwd = said.get("cwd", call.cwd)
    nodes, cores = _shape(said, site)
    stdout = said.get("oo") or said.get("o") or ""
    stderr = said.get("eo") or said.get("e") or stdout
    name, _, array = said.get("J", (command[0] if command else script.strip().splitlines()[0] if script.strip() else "bash")).partition("[")
    return Request(
        script=script, name=name, user=call.user, cwd=cwd, queue=said.get("q", ""), account=said.get("P", ""), nodes=nodes, cores=cores,
        walltime_s=_minutes(said["W"]) if "W" in said else 0, exclusive="x" in said, rerunnable="r" in said, held="H" in said,
        stdout=_path(stdout, cwd), stderr=_path(stderr, cwd), append="oo" not in said,
        environment=_environment(call, said.get("env", "all")), arguments=" ".join(call.argv), array=array.partition("]")[0],
        shell="" if script.startswith("#!") else "/bin/sh",
        gpus=1 if "gpu" in said else 0, comment=said.get("Jd", ""),
    )


def _script(command: Sequence[str], call: Call) -> tuple[str, dict[str, str]]:
    """Return the script and its ``#BSUB`` options; those of a file only if LSB_BSUB_PARSE_SCRIPT=Y says so."""
    if not command:
        return call.script, options_of(directives(call.script, "#BSUB"))[0]
    path = Path(call.cwd, command[0])
    if call.environment.get("LSB_BSUB_PARSE_SCRIPT", "").upper() == "Y" and path.is_file():
        script = path.read_text(encoding="utf-8", errors="surrogateescape")
        return script, options_of(directives(script, "#BSUB"))[0]
    line = command[0] if len(command) == 1 else shlex.join(command)
    split(line)
    return f"{line}\n", {}


def _shape(said: Mapping[str, str], site: Behaviour) -> tuple[int, int]:
    """Return nodes and cores of each."""
    if "nnodes" in said:
        return int(said["nnodes"]), site.cpus
    tasks = int(said.get("n", "1").partition(",")[0])
    found = re.search(r"span\[\s*ptile\s*=\s*(\d+)", said.get("R", ""))
    each = int(found[1]) if found else min(tasks, site.cpus)
    if re.search(r"span\[\s*hosts\s*=\s*1", said.get("R", "")):
        each = tasks
    return -(-tasks // each), each


def _minutes(said: str) -> int:
    """Return the seconds of ``[hours:]minutes[/host]``."""
    hours, colon, minutes = said.partition("/")[0].rpartition(":")
    try:
        return (int(hours) * 60 if colon else 0) * 60 + int(minutes) * 60
    except ValueError as error:
        raise Refused(Problem.BAD_REQUEST, "W") from error


def _path(said: str, cwd: str) -> str:
    return str(Path(cwd, said)) if said else ""


def _environment(call: Call, said: str) -> dict[str, str]:
    """Return what ``-env`` lets through: all, none, or names and values behind commas."""
    words = [word.strip() for word in said.split(",")]
    outer = call.environment
    kept = dict(outer) if "all" in words else {name: outer[name] for name in ("HOME", "USER", "LOGNAME", "SHELL", "LANG") if name in outer}
    kept |= {} if "all" in words else {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    for word in words:
        name, equals, value = word.partition("=")
        if equals:
            kept[name] = value
        elif name.startswith("~"):
            kept.pop(name[1:], None)
        elif name in outer:
            kept[name] = outer[name]
    return kept | {"LS_SUBCWD": call.cwd, "LSB_SUB_HOST": socket.gethostname()}


def named(path: str, job: Job, site: Behaviour) -> str:
    """Return the path of an output; a folder gets a file of the job's number."""
    path = path.replace("%J", str(job.number)).replace("%I", "0")
    return str(Path(path, f"{job.number}.out")) if path and Path(path).is_dir() else path


def furnish(job: Job, site: Behaviour, spool: Path) -> Mapping[str, str]:
    """Return the variables that LSF gives to a job."""
    hosts = [host for host in job.hosts for _ in range(job.request.cores)]
    return {
        "LSB_JOBID": str(job.number), "LSB_BATCH_JID": str(job.number), "LSB_JOBINDEX": "0", "LSB_JOBNAME": job.name,
        "LSB_QUEUE": job.request.queue, "LSB_HOSTS": " ".join(hosts), "LSB_DJOB_NUMPROC": str(len(hosts)),
        "LSB_MCPU_HOSTS": " ".join(f"{host} {job.request.cores}" for host in job.hosts), "LSB_DJOB_HOSTFILE": str(spool / "nodefile"),
        "LSB_EXEC_CLUSTER": site.server, "LSB_RESTART": "Y" if job.restarts else "N", "LSB_JOBPID": str(os.getpid()),
        "LSB_JOBRES_PID": str(os.getpid()), "LSF_LIM_API_NTRIES": "1", "LS_JOBPID": str(os.getpid()),
        "LSB_PROJECT_NAME": job.request.account or "default",
    }
