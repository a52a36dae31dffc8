"""qstat, qselect and pbsnodes of PBS Professional: attributes of jobs, queues and nodes, as JSON, as lines, as a table.

Forms: PBS Professional / OpenPBS 19 to 2022 (see ``forms/README.md``).
"""
from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from harvester_hpc.testing.schedulers.behaviour import Behaviour, Queue
from harvester_hpc.testing.schedulers.dialects.options import clock
from harvester_hpc.testing.schedulers.dialects.pbs_ids import batch_id
from harvester_hpc.testing.schedulers.dialects.pbs_request import named
from harvester_hpc.testing.schedulers.engine import Engine
from harvester_hpc.testing.schedulers.values import Cause, Job, State

VERSION = "22.05.11"
LETTERS: Mapping[State, str] = {
    State.QUEUED: "Q", State.HELD: "H", State.RUNNING: "R", State.SUSPENDED: "S", State.ENDING: "E", State.ENDED: "F",
}
SUBSTATES: Mapping[State, int] = {
    State.QUEUED: 10, State.HELD: 20, State.RUNNING: 42, State.SUSPENDED: 45, State.ENDING: 51, State.ENDED: 92,
}
#: Exit statuses of ends that are none of the script's (JOB_EXEC_*).
STATUSES: Mapping[Cause, int] = {Cause.TIME_LIMIT: -29, Cause.OUT_OF_MEMORY: -27, Cause.NODE_FAILURE: -20}


def letter(job: Job) -> str:
    """Return the state's letter."""
    if job.odd:
        return job.odd
    return "B" if job.request.array and job.state is State.RUNNING else LETTERS[job.state]


def ctime(seconds: float) -> str:
    """Return a time as PBS prints it."""
    return time.strftime("%a %b %e %H:%M:%S %Y", time.localtime(seconds))


def exit_status(job: Job) -> int | None:
    """Return Exit_status; None: a job that never ran has none."""
    if not job.has_ended or not job.started:
        return None
    if job.cause is not None and job.cause in STATUSES:
        return STATUSES[job.cause]
    if job.exit_code is not None:
        return job.exit_code
    return 256 + job.signal if job.signal else None


def comment(job: Job) -> str:
    """Return the scheduler's comment."""
    if not job.started:
        return "Not Running: Insufficient amount of resource: ncpus" if not job.has_ended else "Not Running and terminated"
    hosts = "+".join(f"({host}:ncpus={job.request.cores})" for host in job.hosts)
    text = time.strftime("Job run at %a %b %d at %H:%M on ", time.localtime(job.started)) + hosts
    if not job.has_ended:
        return text
    if job.cause is Cause.TIME_LIMIT:
        return f"{text} and exceeded resource walltime"
    if job.cause is Cause.OUT_OF_MEMORY:
        return f"{text} and exceeded resource mem"
    if job.cause is Cause.EXIT:
        return f"{text} and {'finished' if exit_status(job) == 0 else 'failed'}"
    return f"{text} and terminated"


def job_attributes(job: Job, site: Behaviour) -> dict[str, Any]:
    """Return all that ``qstat -f`` tells of a job, in its order."""
    request, now = job.request, time.time()
    used = {"cpupercent": 0, "cput": "00:00:00", "mem": "0kb", "ncpus": request.cores, "vmem": "0kb",
            "walltime": clock((job.ended or now) - job.started)}
    ran = bool(job.started)
    attributes: dict[str, Any] = {"Job_Name": job.name, "Job_Owner": f"{request.user}@{socket.gethostname()}"}
    attributes |= {"resources_used": used} if ran else {}
    attributes |= {"job_state": letter(job), "queue": request.queue, "server": site.server, "Checkpoint": "u"}
    attributes |= {"Account_Name": request.account} if request.account else {}
    attributes |= {"ctime": ctime(job.submitted), "Error_Path": f"{socket.gethostname()}:{named(request.stderr, job, site)}"}
    if ran:
        attributes |= {
            "exec_host": "+".join(f"{host}/0*{request.cores}" for host in job.hosts),
            "exec_vnode": "+".join(f"({host}:ncpus={request.cores})" for host in job.hosts),
        }
    attributes |= {
        "Hold_Types": "u" if job.state is State.HELD else "n", "Join_Path": "oe" if request.stdout == request.stderr else "n",
        "Keep_Files": "n", "Mail_Points": "a", "mtime": ctime(job.ended or job.started or job.submitted),
        "Output_Path": f"{socket.gethostname()}:{named(request.stdout, job, site)}", "Priority": 0, "qtime": ctime(job.submitted),
        "Rerunable": str(request.rerunnable),
        "Resource_List": {
            "ncpus": request.cores * request.nodes, "nodect": request.nodes, "place": "scatter:excl" if request.exclusive else "scatter",
            "select": f"{request.nodes}:ncpus={request.cores}", "walltime": clock(request.walltime_s),
        },
    }
    attributes |= {"stime": ctime(job.started), "session_id": job.pid} if ran else {}
    substate = 91 if job.has_ended and job.cause is Cause.CANCELLED else SUBSTATES[job.state]
    attributes |= {"substate": substate, "Variable_List": {"PBS_O_WORKDIR": request.cwd, "PBS_O_QUEUE": request.queue}}
    attributes |= {"comment": comment(job), "etime": ctime(job.submitted), "eligible_time": "00:00:00"}
    attributes |= {"run_count": job.restarts + 1} if ran else {}
    status = exit_status(job)
    attributes |= {"Exit_status": status} if status is not None else {}
    attributes |= {"Submit_arguments": request.arguments, "history_timestamp": int(job.ended)} if job.has_ended else {}
    attributes |= {"array": "True", "array_indices_submitted": request.array} if request.array else {}
    return attributes | {"project": "_pbs_project_default", "Submit_Host": socket.gethostname()}


def queue_attributes(queue: Queue, engine: Engine) -> dict[str, Any]:
    """Return all that ``qstat -Qf`` tells of a queue."""
    site = engine.behaviour
    jobs = [job for job in engine.books.active() if job.request.queue == queue.name]
    letters = [LETTERS[job.state] for job in jobs]
    counts = {"Transit": "T", "Queued": "Q", "Held": "H", "Waiting": "W", "Running": "R", "Exiting": "E", "Begun": "B"}
    attributes: dict[str, Any] = {
        "queue_type": "Execution", "total_jobs": len(jobs),
        "state_count": "".join(f"{word}:{letters.count(one)} " for word, one in counts.items()),
    }
    attributes |= {"acl_user_enable": "True", "acl_users": ",".join(queue.users)} if queue.users else {}
    attributes |= {"max_queued": f"[u:PBS_GENERIC={queue.max_queued}]"} if queue.max_queued else {}
    attributes["resources_max"] = {"nodect": queue.max_nodes or site.nodes} | (
        {"walltime": clock(queue.max_walltime_s)} if queue.max_walltime_s else {}
    )
    attributes |= {"resources_min": {"nodect": queue.min_nodes}} if queue.min_nodes > 1 else {}
    return attributes | {
        "resources_default": {"walltime": clock(queue.default_walltime_s)}, "enabled": str(queue.open), "started": str(queue.started),
    }


def node_attributes(name: str, engine: Engine) -> dict[str, Any]:
    """Return all that ``pbsnodes`` tells of a node."""
    site = engine.behaviour
    jobs = [job for job in engine.books.active() if job.occupies and name in job.hosts]
    used = sum(site.cpus if job.request.exclusive else job.request.cores for job in jobs)
    state = "down" if name in engine.books.down() else "job-busy" if used >= site.cpus else "free"
    there: dict[str, Any] = {"arch": "linux", "host": name, "mem": f"{site.memory_mb * 1024}kb", "ncpus": site.cpus, "vnode": name}
    there |= {"ngpus": site.gpus} if site.gpus else {}
    return {
        "Mom": name, "Port": 15002, "pbs_version": VERSION, "ntype": "PBS", "state": state, "pcpus": site.cpus,
        **({"jobs": [f"{batch_id(job, site)}/0" for job in jobs]} if jobs else {}),
        "resources_available": there, "resources_assigned": {"mem": "0kb", "ncpus": used, "vmem": "0kb"},
        "resv_enable": "True", "sharing": "default_shared", "last_state_change_time": int(time.time()),
    }


def as_json(site: Behaviour, kind: str, members: Mapping[str, object]) -> str:
    """Return the JSON form; without members there is no list of them at all."""
    head: dict[str, object] = {"timestamp": int(time.time()), "pbs_version": VERSION, "pbs_server": site.server}
    return json.dumps(head | ({kind: members} if members else {}), indent=4, separators=(",", ":"), ensure_ascii=False) + "\n"


def as_lines(head: str, attributes: Mapping[str, Any]) -> str:
    """Return the ``name = value`` form of one job, queue or node."""
    lines = [head]
    for name, value in attributes.items():
        if name == "Variable_List":
            lines.append(f"    {name} = " + ",".join(f"{key}={one}" for key, one in value.items()))
        elif isinstance(value, Mapping):
            lines += [f"    {name}.{key} = {one}" for key, one in value.items()]
        else:
            lines.append(f"    {name} = {', '.join(value) if isinstance(value, list) else value}")
    return "\n".join(folded(line) for line in lines) + "\n\n"


def folded(line: str) -> str:
    """Return a long line in parts, as qstat folds it: the next ones begin with a tab."""
    parts = []
    while len(line) > 79:
        cut = line.rfind(",", 10, 78) + 1 or 78
        parts.append(line[:cut])
        line = f"\t{line[cut:]}"
    return "\n".join([*parts, line])


def table(jobs: Iterable[Job], site: Behaviour, state: Callable[[Job], str] = letter) -> str:
    """Return the plain table."""
    lines = [f"{'Job id':<17} {'Name':<16} {'User':<17} {'Time Use':>8} S Queue"]
    lines.append(f"{'-' * 16:<17} {'-' * 16} {'-' * 16:<17} {'-' * 8:>8} - -----")
    for job in jobs:
        used = clock((job.ended or time.time()) - job.started) if job.started else "0"
        owner, queue = job.request.user[:16], job.request.queue[:16]
        lines.append(f"{batch_id(job, site):<17} {job.name[:16]:<16} {owner:<17} {used:>8} {state(job)} {queue}")
    return "\n".join(lines) + "\n" if len(lines) > 2 else ""
