"""Torque (PSI/J's pbs_classic): qsub, qstat, qselect, qdel, qhold, qrls, qrerun, qsig, pbsnodes.

An ended job stays listed for a while, as C; there is no other history. Forms: see ``forms/README.md``.
"""
from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from harvester_hpc.testing.schedulers.behaviour import Behaviour, Queue
from harvester_hpc.testing.schedulers.dialect import Dialect, Program, Words
from harvester_hpc.testing.schedulers.dialects.options import clock, parsed
from harvester_hpc.testing.schedulers.dialects.pbs import signal_job
from harvester_hpc.testing.schedulers.dialects.pbs_ids import batch_id, is_formed, job_of, whole
from harvester_hpc.testing.schedulers.dialects.pbs_listing import LETTERS, as_lines, ctime, table
from harvester_hpc.testing.schedulers.dialects.pbs_request import furnish, named, request_of
from harvester_hpc.testing.schedulers.engine import Engine
from harvester_hpc.testing.schedulers.values import Answer, Call, Cause, Job, Problem, State

UNKNOWN_JOB, BAD_STATE = 15001 % 256, 15018 % 256
LONGEST_NAME = 15
#: JOB_EXEC_OVERLIMIT_WT, JOB_EXEC_OVERLIMIT_MEM
TIME_LIMIT, MEMORY_LIMIT = -11, -10


def letter(job: Job) -> str:
    """Return the state's letter."""
    return job.odd or ("C" if job.has_ended else LETTERS[job.state])


def exit_status(job: Job) -> int | None:
    """Return exit_status; a job that was deleted in the queue has 271 too."""
    if not job.has_ended:
        return None
    if job.cause in (Cause.TIME_LIMIT, Cause.OUT_OF_MEMORY):
        return TIME_LIMIT if job.cause is Cause.TIME_LIMIT else MEMORY_LIMIT
    if job.exit_code is not None:
        return job.exit_code
    return 256 + (job.signal or 15)


def attributes(job: Job, site: Behaviour, *, epoch: bool) -> dict[str, Any]:
    """Return all that ``qstat -f`` tells of a job; times as seconds since 1970, or in words."""
    request = job.request

    def moment(seconds: float) -> str:
        return str(int(seconds)) if epoch else ctime(seconds)

    told: dict[str, Any] = {"Job_Name": job.name, "Job_Owner": f"{request.user}@{socket.gethostname()}"}
    if job.started:
        used = clock((job.ended or time.time()) - job.started)
        told["resources_used"] = {"cput": "00:00:00", "energy_used": "0", "mem": "0kb", "vmem": "0kb", "walltime": used}
    told |= {"job_state": letter(job), "queue": request.queue, "server": site.server}
    told |= {"Account_Name": request.account} if request.account else {}
    told |= {"Checkpoint": "u", "ctime": moment(job.submitted), "Error_Path": f"{socket.gethostname()}:{named(request.stderr, job, site)}"}
    if job.started:
        told["exec_host"] = "+".join(f"{host}/0" + (f"-{request.cores - 1}" if request.cores > 1 else "") for host in job.hosts)
    told |= {
        "Hold_Types": "u" if job.state is State.HELD else "n", "Join_Path": "oe" if request.stdout == request.stderr else "n",
        "Keep_Files": "n", "Mail_Points": "a", "mtime": moment(job.ended or job.started or job.submitted),
        "Output_Path": f"{socket.gethostname()}:{named(request.stdout, job, site)}", "Priority": "0", "qtime": moment(job.submitted),
        "Rerunable": str(request.rerunnable),
        "Resource_List": {
            "nodect": str(request.nodes), "nodes": f"{request.nodes}:ppn={request.cores}", "walltime": clock(request.walltime_s),
        },
    }
    told |= {"session_id": str(job.pid)} if job.started else {}
    told |= {"Variable_List": {"PBS_O_QUEUE": request.queue, "PBS_O_WORKDIR": request.cwd}, "euser": request.user, "queue_type": "E"}
    status = exit_status(job)
    told |= {"exit_status": str(status)} if status is not None else {}
    told |= {"etime": moment(job.submitted), "submit_args": request.arguments}
    told |= {"start_time": moment(job.started), "start_count": str(job.restarts + 1)} if job.started else {}
    told |= {"comp_time": moment(job.ended)} if job.has_ended else {}
    told |= {"job_array_request": request.array} if request.array else {}
    return told | {"fault_tolerant": "False", "submit_host": socket.gethostname()}


def as_xml(members: Mapping[str, Mapping[str, Any]], kind: str = "Job", head: str = "Job_Id") -> str:
    """Return the XML form, all on one line."""
    parts = [f"<{kind}><{head}>{escape(name)}</{head}>{_elements(told)}</{kind}>" for name, told in members.items()]
    return f"<Data>{''.join(parts)}</Data>\n" if parts else ""


def _elements(told: Mapping[str, Any]) -> str:
    parts = []
    for name, value in told.items():
        if name == "Variable_List":
            value = ",".join(f"{key}={one}" for key, one in value.items())
        inner = _elements(value) if isinstance(value, Mapping) else escape(str(value), quote=False)
        parts.append(f"<{name}>{inner}</{name}>")
    return "".join(parts)


def qsub(call: Call, engine: Engine) -> Answer:
    """Take a job and print its id."""
    job = engine.submit(request_of(call, "a:A:b:c:C:d:D:e:EfF:hIj:J:k:K:l:L:m:M:nN:o:p:P:q:r:S:t:T:u:v:Vw:W:Xxz", LONGEST_NAME))
    return Answer(out=f"{batch_id(job, engine.behaviour)}\n")


def qstat(call: Call, engine: Engine) -> Answer:
    """List jobs or queues; one id that is not known fails the whole, after the others were told."""
    options, ids = parsed(call.argv, "aBcCefGilMnQqRrsStTu:w1x")
    said = dict(options)
    site = engine.behaviour
    if "-Q" in said:
        queues = [queue for queue in site.queues if not ids or queue.name in ids]
        return Answer(out="".join(as_lines(f"Queue: {queue.name}", _queue(queue, engine)) for queue in queues))
    if "-B" in said:
        return Answer(out=f"Server: {site.server}\n    server_state = Active\n    pbs_version = 6.1.3\n\n")
    jobs, errors, code = _asked(ids, engine)
    if user := said.get("-u"):
        jobs = [job for job in jobs if job.request.user in user.split(",")]
    if "-x" in said:
        out = as_xml({batch_id(job, site): attributes(job, site, epoch=True) for job in jobs})
    elif "-f" in said:
        out = "".join(as_lines(f"Job Id: {batch_id(job, site)}", attributes(job, site, epoch=False)) for job in jobs)
    else:
        out = table(jobs, site, letter)
    return Answer(out=out, err=errors, exit_code=code)


def _asked(ids: Sequence[str], engine: Engine) -> tuple[list[Job], str, int]:
    known = engine.visible()
    if not ids:
        return known, "", 0
    jobs, errors, code = [], [], 0
    for text in ids:
        job = job_of(text, engine)
        if job is not None and job in known:
            jobs.append(job)
            continue
        formed = is_formed(text)
        name = whole(text, engine.behaviour)
        errors.append(f"qstat: Unknown Job Id Error {name}" if formed else f"qstat: illegally formed job identifier: {text}")
        code = UNKNOWN_JOB if formed else 1
    return jobs, "".join(f"{line}\n" for line in errors), code


def _queue(queue: Queue, engine: Engine) -> dict[str, Any]:
    jobs = [job for job in engine.books.active() if job.request.queue == queue.name]
    letters = [LETTERS[job.state] for job in jobs]
    counts = {"Transit": "T", "Queued": "Q", "Held": "H", "Waiting": "W", "Running": "R", "Exiting": "E", "Complete": "C"}
    told: dict[str, Any] = {
        "queue_type": "Execution", "total_jobs": len(jobs),
        "state_count": "".join(f"{word}:{letters.count(one)} " for word, one in counts.items()),
        "resources_max": {"nodect": queue.max_nodes or engine.behaviour.nodes, "walltime": clock(queue.max_walltime_s)},
        "resources_default": {"walltime": clock(queue.default_walltime_s)},
    }
    told |= {"max_user_queuable": queue.max_queued} if queue.max_queued else {}
    return told | {"mtime": int(time.time()), "enabled": str(queue.open), "started": str(queue.started)}


def qselect(call: Call, engine: Engine) -> Answer:
    """Print the ids of jobs by name, user, queue or state."""
    said = dict(parsed(call.argv, "a:A:c:ef:h:l:N:p:q:r:s:u:")[0])
    jobs = [
        job for job in engine.visible()
        if said.get("-N", job.name) == job.name and job.request.user in said.get("-u", job.request.user).split(",")
        and said.get("-q", job.request.queue) == job.request.queue and letter(job) in said.get("-s", letter(job))
    ]
    return Answer(out="".join(f"{batch_id(job, engine.behaviour)}\n" for job in jobs))


def on_each(act: Callable[[Engine, Job, Call], object]) -> Program:
    """Return a command that acts on every job that it is given, and ends with its last error."""

    def command(call: Call, engine: Engine) -> Answer:
        _, ids = parsed(call.argv, "h:m:p:s:t:W:")
        known = engine.visible()
        errors, code = [], 0
        for text in ids:
            job = job_of(text, engine)
            name = whole(text, engine.behaviour)
            if job is None or job not in known:
                errors.append(f"{call.program}: Unknown Job Id Error {name}")
                code = UNKNOWN_JOB
            elif job.has_ended:
                errors.append(f"{call.program}: Request invalid for state of job MSG=invalid state for job - COMPLETE {name}")
                code = BAD_STATE
            else:
                act(engine, job, call)
        return Answer(err="".join(f"{line}\n" for line in errors), exit_code=code)

    return command


def pbsnodes(call: Call, engine: Engine) -> Answer:
    """List nodes, as lines or XML (-x)."""
    options, names = parsed(call.argv, "acdlN:noqr:s:x")
    site = engine.behaviour
    told: dict[str, dict[str, Any]] = {}
    for name in site.node_names:
        jobs = [job for job in engine.books.active() if job.occupies and name in job.hosts]
        state = "down" if name in engine.books.down() else "job-exclusive" if jobs else "free"
        status = f"opsys=linux,ncpus={site.cpus},physmem={site.memory_mb * 1024}kb"
        told[name] = {"state": state, "power_state": "Running", "np": str(site.cpus), "ntype": "cluster", "status": status}
        told[name] |= {"jobs": ",".join(f"0/{batch_id(job, site)}" for job in jobs)} if jobs else {}
    chosen = {name: one for name, one in told.items() if not names or name in names}
    if "-x" in dict(options):
        return Answer(out=as_xml(chosen, "Node", "name"))
    return Answer(out="".join(as_lines(name, one) for name, one in chosen.items()))


DIALECT = Dialect(
    programs={
        "qsub": qsub, "qstat": qstat, "qselect": qselect, "pbsnodes": pbsnodes,
        "qdel": on_each(lambda engine, job, call: engine.cancel(job, call.user)),
        "qhold": on_each(lambda engine, job, call: engine.hold(job)),
        "qrls": on_each(lambda engine, job, call: engine.release(job)),
        "qrerun": on_each(lambda engine, job, call: engine.end(job, Cause.REQUEUED)),
        "qsig": on_each(signal_job),
    },
    furnish=furnish,
    named=named,
    words={
        "": Words(
            refused="{program}: cannot connect to server {server} (errno=111) Connection refused", refused_code=111,
            timeout="{program}: cannot connect to server {server} (errno=15033) Batch protocol error", timeout_code=185,
        ),
    },
    refusals={
        Problem.NO_QUEUE: (15020 % 256, "qsub: submit error (Unknown queue MSG=cannot locate queue)"),
        Problem.QUEUE_CLOSED: (15023 % 256, "qsub: submit error (Queue is not enabled MSG=queue is disabled)"),
        Problem.QUEUE_FULL: (
            15046 % 256,
            "qsub: submit error (Maximum number of jobs already in queue MSG=total number of current user's jobs exceeds the queue limit)",
        ),
        Problem.NOT_PERMITTED: (15024 % 256, "qsub: submit error (Unauthorized Request  MSG=user ACL rejected the submitting user)"),
        Problem.NO_ACCOUNT: (15049 % 256, "qsub: submit error (Invalid Account)"),
        Problem.TOO_MANY_NODES: (
            15036 % 256, "qsub: submit error (Job exceeds queue resource limits MSG=cannot satisfy queue max nodect requirement)",
        ),
        Problem.TOO_MANY_CORES: (15036 % 256, "qsub: submit error (Job exceeds queue resource limits MSG=cannot locate feasible nodes)"),
        Problem.TOO_LONG: (
            15036 % 256, "qsub: submit error (Job exceeds queue resource limits MSG=cannot satisfy queue max walltime requirement)",
        ),
        Problem.BAD_OPTION: (2, "qsub: invalid option -- '{detail}'\nusage: qsub [-a date_time] [-A account_string] [-q queue] [script]"),
        Problem.BAD_REQUEST: (2, "qsub: illegal option or value: {detail}"),
    },
    batch_id=batch_id,
)
