"""qsub, of PBS Professional and of Torque: options and directives to a request."""
from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harvester_hpc.testing.schedulers.behaviour import Behaviour
from harvester_hpc.testing.schedulers.dialects.options import directives, megabytes, parsed, script_of, seconds
from harvester_hpc.testing.schedulers.values import Call, Job, Problem, Refused, Request

#: Variables of the submitting shell that a job knows as PBS_O_*.
OUTER = ("HOME", "LANG", "LOGNAME", "PATH", "MAIL", "SHELL", "TZ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What ``-l`` asks for: nodes; of each node cores, memory in MB, GPUs; walltime in seconds."""

    nodes: int = 1
    cores: int = 1
    memory_mb: int = 0
    gpus: int = 0
    walltime_s: int = 0
    exclusive: bool = False


def request_of(call: Call, short: str, longest_name: int) -> Request:
    """Return what qsub was asked.

    Args:
        short: its options, as for getopt(3).
        longest_name: characters of a job's name.

    Raises:
        Refused: it is not understood.
    """
    options, arguments = parsed(call.argv, short)
    script, file_name = script_of(arguments, call)
    inside, _ = parsed(directives(script, "#PBS"), short)
    said = dict(inside) | dict(options)  # what the command line says goes before
    wanted = _resources([value for name, value in [*inside, *options] if name == "-l"])
    name = said.get("-N", file_name[:15])
    if not 0 < len(name) <= longest_name or any(letter.isspace() for letter in name):
        raise Refused(Problem.BAD_REQUEST, "-N")
    joined = said.get("-j", "n")
    stdout, stderr = _path(said.get("-o", ""), name, "o", call.cwd), _path(said.get("-e", ""), name, "e", call.cwd)
    return Request(
        script=script, name=name, user=call.user, cwd=str(Path.home()), queue=said.get("-q", "").partition("@")[0],
        account=said.get("-A", ""), nodes=wanted.nodes, cores=wanted.cores, memory_mb=wanted.memory_mb, gpus=wanted.gpus,
        walltime_s=wanted.walltime_s, exclusive=wanted.exclusive or "-n" in said, rerunnable=said.get("-r", "y") != "n",
        held="-h" in said, stdout=stderr if joined == "eo" else stdout, stderr=stdout if joined == "oe" else stderr,
        shell=said.get("-S", "/bin/bash"), environment=_environment(call, said), arguments=" ".join(call.argv),
        array=said.get("-J", said.get("-t", "")),
    )


def named(path: str, job: Job, site: Behaviour) -> str:
    """Return the path of an output; a folder gets a file of the usual name."""
    path = path.replace("%N", str(job.number)).replace("^array_index^", "")
    if path.endswith(("/o", "/e")) and Path(path[:-2]).is_dir():
        letter = path[-1]
        return f"{path[:-2]}/{job.number}.{site.server}.{letter.upper()}{'U' if letter == 'o' else 'R'}"
    return path


def furnish(job: Job, site: Behaviour, spool: Path) -> Mapping[str, str]:
    """Return the variables that PBS gives to a job."""
    return {
        "PBS_JOBID": f"{job.number}.{site.server}", "PBS_JOBNAME": job.name, "PBS_QUEUE": job.request.queue,
        "PBS_NODEFILE": str(spool / "nodefile"), "PBS_ENVIRONMENT": "PBS_BATCH", "PBS_NODENUM": "0", "PBS_TASKNUM": "1",
        "PBS_MOMPORT": "15003", "PBS_JOBDIR": job.request.cwd, "NCPUS": str(job.request.cores), "PBS_JOBCOOKIE": f"{job.number:032d}",
    }


def _environment(call: Call, said: Mapping[str, str]) -> dict[str, str]:
    outer = call.environment
    variables: dict[str, str] = {name: outer[name] for name in ("HOME", "LOGNAME", "USER", "SHELL") if name in outer}
    variables["PATH"] = "/usr/local/bin:/usr/bin:/bin"
    if "-V" in said:
        variables |= outer
    for pair in said.get("-v", "").split(","):
        name, equals, value = pair.partition("=")
        if name and (equals or name in outer):
            variables[name] = value if equals else outer[name]
    variables |= {f"PBS_O_{name}": outer[name] for name in OUTER if name in outer}
    variables |= {"PBS_O_WORKDIR": call.cwd, "PBS_O_HOST": socket.gethostname()}
    return variables | {"PBS_O_QUEUE": said.get("-q", ""), "PBS_O_SYSTEM": "Linux"}


def _path(said: str, name: str, letter: str, cwd: str) -> str:
    """Return where an output goes; ``%N`` stands for the job's number."""
    path = said.partition(":")[2] if ":" in said.partition("/")[0] else said
    whole = str(Path(cwd, path)) if path else f"{cwd}/{name}.{letter}%N"
    return f"{whole}/{letter}" if path and Path(whole).is_dir() else whole


def _resources(said: list[str]) -> Resources:
    """Return what all ``-l`` together ask for; custom resources (filesystems=...) are taken and not looked at."""
    values: dict[str, str] = {}
    for part in ",".join(said).split(",") if said else ():
        name, _, value = part.partition("=")
        if not name.strip():
            raise Refused(Problem.BAD_REQUEST, "-l")
        values[name.strip()] = value
    chunks = _chunks(values.get("select") or values.get("nodes") or "1")
    first = chunks[0]
    return Resources(
        nodes=sum(chunk.nodes for chunk in chunks), cores=max(first.cores, int(values.get("ncpus", 1))),
        memory_mb=first.memory_mb or (megabytes(values["mem"]) if "mem" in values else 0), gpus=first.gpus,
        walltime_s=seconds(values["walltime"]) if "walltime" in values else 0, exclusive="excl" in values.get("place", ""),
    )


def _chunks(said: str) -> list[Resources]:
    chunks = []
    for chunk in said.split("+"):
        words = chunk.split(":")
        count = int(words.pop(0)) if words[0].isdigit() else 1
        values = dict(word.partition("=")[::2] for word in words)
        try:
            chunks.append(Resources(
                nodes=count, cores=int(values.get("ncpus") or values.get("ppn") or 1),
                memory_mb=megabytes(values["mem"]) if "mem" in values else 0, gpus=int(values.get("ngpus") or values.get("gpus") or 0),
            ))
        except ValueError as error:
            raise Refused(Problem.BAD_REQUEST, "select") from error
    return chunks
