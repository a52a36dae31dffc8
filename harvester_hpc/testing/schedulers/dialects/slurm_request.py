"""sbatch: options and directives to a request; the variables that a job finds."""
from __future__ import annotations

import os
import pwd
import re
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from harvester_hpc.testing.schedulers.behaviour import Behaviour
from harvester_hpc.testing.schedulers.dialects.options import Options, directives, megabytes, parsed, seconds
from harvester_hpc.testing.schedulers.values import Call, Job, Problem, Refused, Request

SHORT = "a:A:b:c:C:d:D:e:F:GhHi:I:J:kL:m:M:n:N:o:Op:q:QsS:t:uU:vVw:Wx:"
LONG = [
    "account=", "acctg-freq=", "array=", "batch=", "begin=", "chdir=", "cluster-constraint=", "clusters=", "comment=", "constraint=",
    "container=", "contiguous", "core-spec=", "cores-per-socket=", "cpu-freq=", "cpus-per-gpu=", "cpus-per-task=", "deadline=",
    "delay-boot=", "dependency=", "distribution=", "error=", "exclude=", "exclusive", "export=", "extra-node-info=", "get-user-env",
    "gpu-bind=", "gpus-per-node=", "gpus-per-task=", "gpus=", "gres=", "hint=", "hold", "ignore-pbs", "input=", "job-name=",
    "kill-on-invalid-dep=",
    "licenses=", "mail-type=", "mail-user=", "mem-bind=", "mem-per-cpu=", "mem-per-gpu=", "mem=", "mincpus=", "network=", "nice", "no-kill",
    "no-requeue", "nodefile=", "nodelist=", "nodes=", "ntasks-per-core=", "ntasks-per-node=", "ntasks-per-socket=", "ntasks=", "open-mode=",
    "output=", "overcommit", "oversubscribe", "parsable", "partition=", "priority=", "profile=", "propagate", "qos=", "quiet", "reboot",
    "requeue", "reservation=", "signal=", "sockets-per-node=", "spread-job", "switches=", "test-only", "thread-spec=", "threads-per-core=",
    "time-min=", "time=", "tmp=", "use-min-nodes", "verbose", "wait", "wckey=", "wrap=",
]
#: Options with a name of one letter, by the long one.
LETTERS: Mapping[str, str] = {
    "-a": "array", "-A": "account", "-c": "cpus-per-task", "-C": "constraint", "-d": "dependency", "-D": "chdir", "-e": "error",
    "-H": "hold",
    "-J": "job-name", "-k": "no-kill", "-n": "ntasks", "-N": "nodes", "-o": "output", "-p": "partition", "-q": "qos", "-Q": "quiet",
    "-t": "time", "-w": "nodelist", "-x": "exclude", "-G": "gpus",
}
#: What ``--exclusive`` and others may say behind a sign of equality, or not.
OPTIONAL = ("exclusive", "no-kill", "propagate", "get-user-env", "nice")
MEMORY_FORM = re.compile(r"\d+[KMGT]?", re.IGNORECASE)


def _said(options: Options) -> dict[str, str]:
    return {LETTERS.get(name, name.lstrip("-")): value for name, value in options}


def _words(words: Sequence[str]) -> list[str]:
    """Return words without the values that getopt knows nothing of."""
    return [re.sub(rf"^(--(?:{'|'.join(OPTIONAL)}))=.*", r"\1", word) for word in words]


def options_of(call: Call) -> tuple[dict[str, str], str, list[str]]:
    """Return ({long name: value}, script, [file, argument, ...]).

    Raises:
        Refused: an option that sbatch does not have, or no script that can be read.
    """
    options, arguments = parsed(_words(call.argv), SHORT, LONG)
    outside = _said(options)
    if "wrap" in outside:
        return outside, f"#!/bin/sh\n# This script was created by sbatch --wrap.\n\n{outside['wrap']}\n", []
    script = _script(arguments, call)
    inside = _said(parsed(_words(directives(script, "#SBATCH")), SHORT, LONG)[0])
    return inside | outside, script, arguments


def _script(arguments: Sequence[str], call: Call) -> str:
    if not arguments:
        script = call.script
    else:
        try:
            script = Path(call.cwd, arguments[0]).read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise Refused(Problem.BAD_REQUEST, f"Unable to open file {arguments[0]}") from error
    if not script.startswith("#!"):
        raise Refused(
            Problem.BAD_REQUEST,
            "This does not look like a batch script.  The first\nsbatch: error: line must start with #! followed by the "
            "path to an interpreter.\nsbatch: error: For instance: #!/bin/sh",
        )
    return script


def request_of(call: Call, site: Behaviour) -> Request:
    """Return what sbatch was asked.

    Raises:
        Refused: it is not understood.
    """
    said, script, arguments = options_of(call)
    nodes, cores = _shape(said, site)
    cwd = str(Path(call.cwd, said.get("chdir", "")))
    stdout = str(Path(cwd, said.get("output", "slurm-%A_%a.out" if "array" in said else "slurm-%j.out")))
    memory = said.get("mem", "")
    if memory and not MEMORY_FORM.fullmatch(memory):
        raise Refused(Problem.BAD_REQUEST, "Invalid --mem specification")
    return Request(
        script=script, name=said.get("job-name", Path(arguments[0]).name if arguments else "wrap" if "wrap" in said else "sbatch"),
        user=call.user, cwd=cwd, queue=said.get("partition", "").partition(",")[0], account=said.get("account", ""), nodes=nodes,
        cores=cores,
        memory_mb=megabytes(memory if memory[-1:].isalpha() else f"{memory}m") if memory else 0,
        gpus=_last_number(said.get("gpus-per-node", "")), walltime_s=minutes(said["time"]) if "time" in said else 0,
        exclusive="exclusive" in said, rerunnable="no-requeue" not in said, held="hold" in said, stdout=stdout,
        stderr=str(Path(cwd, said["error"])) if "error" in said else stdout, append=said.get("open-mode", "").startswith("a"),
        environment=_environment(call, said.get("export", "ALL")), arguments=" ".join(arguments),
        script_arguments=tuple(arguments[1:]), array=said.get("array", ""),
        comment=said.get("comment", ""),
    )


def _shape(said: Mapping[str, str], site: Behaviour) -> tuple[int, int]:
    """Return nodes and cores of each."""
    try:
        each, tasks = int(said.get("cpus-per-task", "1")), int(said.get("ntasks", "0"))
        nodes = int(said["nodes"].partition("-")[0]) if "nodes" in said else 0
        per_node = int(said.get("ntasks-per-node", "0"))
    except ValueError as error:
        raise Refused(Problem.BAD_REQUEST, "Invalid numeric value") from error
    nodes = nodes or (-(-tasks // per_node) if per_node and tasks else -(-max(1, tasks) * each // site.cpus))
    return nodes, each * (per_node or -(-max(1, tasks) // nodes))


def _last_number(said: str) -> int:
    digits = said.rpartition(":")[2]
    return int(digits) if digits.isdigit() else 0


def minutes(said: str) -> int:
    """Return the seconds of one of sbatch's forms: minutes, minutes:seconds, hours:minutes:seconds, days-hours[:minutes[:seconds]]."""
    days, dash, rest = said.rpartition("-")
    try:
        parts = [int(part) for part in rest.split(":")]
    except ValueError as error:
        raise Refused(Problem.BAD_REQUEST, "Invalid --time specification") from error
    if dash:
        return int(days) * 86400 + seconds(":".join(str(part) for part in [*parts, 0, 0][:3]))
    return parts[0] * 60 if len(parts) == 1 else seconds(rest)


def _environment(call: Call, said: str) -> dict[str, str]:
    """Return what ``--export`` lets through; with NONE, what a login shell of the user would set."""
    outer = {name: value for name, value in call.environment.items() if not name.startswith("SLURM_")}
    words = said.split(",")
    if words[0] in ("NONE", "NIL"):
        user = pwd.getpwuid(os.getuid())
        kept = {"HOME": user.pw_dir, "USER": user.pw_name, "LOGNAME": user.pw_name, "SHELL": user.pw_shell}
        kept |= {"PATH": "/usr/local/bin:/usr/bin:/bin", "SLURM_GET_USER_ENV": "1", "SLURM_EXPORT_ENV": "NONE"}
    else:
        kept = dict(outer) if "ALL" in words else {}
    for word in words:
        name, equals, value = word.partition("=")
        if equals or name in outer:
            kept[name] = value if equals else outer[name]
    return kept | {"SLURM_SUBMIT_DIR": call.cwd, "SLURM_SUBMIT_HOST": socket.gethostname()}


def named(path: str, job: Job, site: Behaviour) -> str:
    """Return the path of an output with its patterns filled in."""
    values = {"j": str(job.number), "J": str(job.number), "A": str(job.number), "a": "0", "x": job.name, "u": job.request.user, "t": "0",
              "N": job.hosts[0] if job.hosts else "", "n": "0", "%": "%"}
    return re.sub(r"%\d*([jJAaxutNn%])", lambda found: values[found[1]], path)


def folded(hosts: Sequence[str]) -> str:
    """Return names such as ``n[1-2,4]``."""
    numbers = sorted(int(host[1:]) for host in hosts)
    if len(numbers) < 2:
        return "".join(hosts)
    spans: list[list[int]] = []
    for number in numbers:
        if spans and number == spans[-1][1] + 1:
            spans[-1][1] = number
        else:
            spans.append([number, number])
    return "n[" + ",".join(f"{first}-{last}" if first != last else str(first) for first, last in spans) + "]"


def unfolded(said: str) -> list[str]:
    """Return the names of ``n[1-2,4],n7``."""
    names: list[str] = []
    for word in re.findall(r"[^,\[]+(?:\[[^\]]*\])?", said):
        stem, _, spans = word.rstrip("]").partition("[")
        if not spans:
            names.append(stem)
            continue
        for span in spans.split(","):
            first, _, last = span.partition("-")
            names += [f"{stem}{number}" for number in range(int(first), int(last or first) + 1)]
    return names


def furnish(job: Job, site: Behaviour, spool: Path) -> Mapping[str, str]:
    """Return the variables that Slurm gives to a job."""
    request, nodes = job.request, len(job.hosts)
    many = f"(x{nodes})" if nodes > 1 else ""
    return {
        "SLURM_JOB_ID": str(job.number), "SLURM_JOBID": str(job.number), "SLURM_JOB_NAME": job.name, "SLURM_JOB_PARTITION": request.queue,
        "SLURM_JOB_NODELIST": folded(job.hosts), "SLURM_NODELIST": folded(job.hosts), "SLURM_JOB_NUM_NODES": str(nodes),
        "SLURM_NNODES": str(nodes), "SLURM_JOB_CPUS_PER_NODE": f"{request.cores}{many}", "SLURM_TASKS_PER_NODE": f"1{many}",
        "SLURM_CPUS_ON_NODE": str(request.cores), "SLURM_CLUSTER_NAME": site.server, "SLURMD_NODENAME": job.hosts[0],
        "SLURM_JOB_USER": request.user, "SLURM_JOB_UID": str(os.getuid()), "SLURM_PROCID": "0", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
        **({"SLURM_RESTART_COUNT": str(job.restarts)} if job.restarts else {}),
    }
