"""bjobs, bqueues and bhosts: fields of jobs, queues and hosts, as JSON and as columns.

Forms: IBM Spectrum LSF 10.1 (see ``forms/README.md``). A time has no year and no seconds; an L behind it says that a limit set it.
"""
from __future__ import annotations

import json
import shlex
import socket
import time
from collections.abc import Mapping, Sequence

from harvester_hpc.testing.schedulers.behaviour import Behaviour, Queue
from harvester_hpc.testing.schedulers.dialects.lsf_request import named
from harvester_hpc.testing.schedulers.engine import Engine
from harvester_hpc.testing.schedulers.values import Cause, Job, Request, State

WORDS: Mapping[State, str] = {
    State.QUEUED: "PEND", State.HELD: "PSUSP", State.RUNNING: "RUN", State.SUSPENDED: "USUSP", State.ENDING: "RUN",
}
REASONS: Mapping[Cause, str] = {
    Cause.CANCELLED: "TERM_OWNER: job killed by owner",
    Cause.TIME_LIMIT: "TERM_RUNLIMIT: job killed after reaching LSF run time limit",
    Cause.OUT_OF_MEMORY: "TERM_MEMLIMIT: job killed after reaching LSF memory usage limit",
    Cause.PREEMPTED: "TERM_PREEMPT: job killed after preemption",
    Cause.NODE_FAILURE: "TERM_ZOMBIE: job exited while LSF is not available",
}
DEFAULT_FIELDS = ("jobid", "user", "stat", "queue", "from_host", "exec_host", "job_name", "submit_time")
WIDTHS = (7, 7, 5, 10, 11, 11, 10, 0)


def status(job: Job) -> str:
    """Return STAT."""
    if job.odd:
        return job.odd
    if job.has_ended:
        return "DONE" if job.cause is Cause.EXIT and job.exit_code == 0 else "EXIT"
    return WORDS[job.state]


def exit_code(job: Job) -> str:
    """Return EXIT_CODE; empty for 0 and for a job that has not ended."""
    if not job.has_ended:
        return ""
    code = job.exit_code if job.exit_code is not None else 128 + job.signal if job.signal else 0
    return str(code) if code else ""


def reason(job: Job) -> str:
    """Return EXIT_REASON; empty for an end of its own."""
    if not job.has_ended or job.cause is None:
        return ""
    if job.cause is Cause.CANCELLED and job.by != job.request.user:
        return "TERM_ADMIN: job killed by root or LSF administrator"
    return REASONS.get(job.cause, "")


def moment(seconds: float) -> str:
    """Return a time as bjobs prints it; empty for none."""
    return time.strftime("%b %e %H:%M", time.localtime(seconds)) if seconds else ""


def job_fields(job: Job, site: Behaviour) -> dict[str, str]:
    """Return every field of ``bjobs -o`` that is known here; "" where there is nothing to tell."""
    request = job.request
    limit_at = job.started + request.walltime_s if job.started else 0.0
    hosts = ":".join(f"{request.cores}*{host}" if request.cores > 1 else host for host in job.hosts)
    array = f"[{request.array}]" if request.array else ""
    slots = str(request.nodes * request.cores)
    return {
        "JOBID": f"{job.number}{array}", "JOBINDEX": "0", "STAT": status(job), "USER": request.user,
        "QUEUE": request.queue, "JOB_NAME": f"{job.name}{array}", "JOB_DESCRIPTION": request.comment,
        "PROJ_NAME": request.account or "default", "USER_GROUP": "", "EXIT_CODE": exit_code(job), "EXIT_REASON": reason(job),
        "KILL_REASON": "",
        "SUSPEND_REASON": "", "PEND_REASON": "" if job.started or job.has_ended else "New job is waiting for scheduling;",
        "FROM_HOST": socket.gethostname(), "FIRST_HOST": job.hosts[0] if job.hosts else "", "EXEC_HOST": hosts,
        "NEXEC_HOST": str(len(job.hosts)), "ALLOC_SLOT": hosts, "SLOTS": slots, "NREQ_SLOT": slots,
        "NALLOC_SLOT": slots if job.hosts else "",
        "SUBMIT_TIME": moment(job.submitted), "START_TIME": moment(job.started), "ESTIMATED_START_TIME": "",
        "FINISH_TIME": f"{moment(job.ended)} L" if job.has_ended else f"{moment(limit_at)} L" if limit_at else "",
        "RUN_TIME": f"{int((job.ended or time.time()) - job.started) if job.started else 0} second(s)",
        "TIME_LEFT": "", "PEND_TIME": str(int((job.started or job.ended or time.time()) - job.submitted)),
        "RUNTIMELIMIT": f"{request.walltime_s / 60:.1f}", "CPU_USED": "0.0 second(s)", "MEM": "", "MAX_MEM": "", "SWAP": "",
        "SUB_CWD": request.cwd, "EXEC_CWD": request.cwd if job.started else "", "OUTPUT_FILE": named(request.stdout, job, site),
        "ERROR_FILE": named(request.stderr, job, site), "COMMAND": job.name, "PIDS": str(job.pid) if job.state is State.RUNNING else "",
        "NTHREADS": "", "EXEC_HOME": "", "EFFECTIVE_RESREQ": "", "DEPENDENCY": "", "JOB_GROUP": "", "JOB_PRIORITY": "", "INPUT_FILE": "",
    }


#: Every field of ``bjobs -o``.
FIELDS = frozenset(job_fields(Job(number=0, request=Request(script="", name="", user="", cwd="")), Behaviour(dialect="lsf")))


def queue_fields(queue: Queue, engine: Engine) -> dict[str, str]:
    """Return the fields of ``bqueues -o``."""
    jobs = [job for job in engine.books.active() if job.request.queue == queue.name]
    words = [WORDS[job.state] for job in jobs]
    state = f"{'Open' if queue.open else 'Closed'}:{'Active' if queue.started else 'Inact'}"
    return {
        "QUEUE_NAME": queue.name, "DESCRIPTION": "", "PRIORITY": "30", "STATUS": state, "MAX": "-", "JL_U": "-", "JL_P": "-", "JL_H": "-",
        "NJOBS": str(len(jobs)), "PEND": str(sum(word in ("PEND", "PSUSP") for word in words)), "RUN": str(words.count("RUN")),
        "SUSP": str(words.count("USUSP")), "RSV": "0", "USERS": " ".join(queue.users) or "all",
        "RUNLIMIT": f"{queue.max_walltime_s / 60:.1f}", "MAX_PEND_JOBS": str(queue.max_queued or "-"),
    }


def host_fields(name: str, engine: Engine) -> dict[str, str]:
    """Return the fields of ``bhosts``."""
    site = engine.behaviour
    jobs = [job for job in engine.books.active() if job.occupies and name in job.hosts]
    used = sum(site.cpus if job.request.exclusive else job.request.cores for job in jobs)
    state = "unavail" if name in engine.books.down() else "closed" if used >= site.cpus else "ok"
    return {
        "HOST_NAME": name, "STATUS": state, "JL_U": "-", "MAX": str(site.cpus), "NJOBS": str(used), "RUN": str(used), "SSUSP": "0",
        "USUSP": "0", "RSV": "0",
    }


def fields_of(said: str) -> tuple[list[tuple[str, int]], str]:
    """Return ([(field, width)], delimiter) of an ``-o`` text; a width of 0 is none."""
    wanted, delimiter = [], " "
    for word in shlex.split(said):
        if word.startswith("delimiter="):
            delimiter = word.partition("=")[2].strip("'\"") or " "
            continue
        name, _, width = word.partition(":")
        wanted.append((name.upper(), int(width.lstrip("-") or 0)))
    return wanted, delimiter


def as_json(command: str, count: str, records: Sequence[Mapping[str, str]]) -> str:
    """Return the JSON form; slashes are escaped, as there."""
    whole = {"COMMAND": command, count: len(records), "RECORDS": list(records)}
    text = json.dumps(whole, indent=2, separators=(",", ":"), ensure_ascii=False)
    return text.replace("/", "\\/") + "\n"


def as_columns(records: Sequence[Mapping[str, str]], wanted: Sequence[tuple[str, int]], delimiter: str, *, header: bool) -> str:
    """Return the columns; with a delimiter of one's own nothing is padded."""
    names = [name for name, _ in wanted]
    rows = ([names] if header else []) + [[record[name] or "-" for name in names] for record in records]
    lines = []
    for row in rows:
        if delimiter != " ":
            lines.append(delimiter.join(row))
            continue
        padded = [word[:width].ljust(width) if width else word for word, (_, width) in zip(row, wanted, strict=True)]
        lines.append(" ".join(padded).rstrip())
    return "".join(f"{line}\n" for line in lines)


def long_queue(queue: Queue, engine: Engine) -> str:
    """Return ``bqueues -l`` of one queue."""
    told = queue_fields(queue, engine)
    return f"""
QUEUE: {queue.name}
  -- {told['DESCRIPTION'] or 'No description provided.'}

PARAMETERS/STATISTICS
PRIO NICE STATUS          MAX JL/U JL/P JL/H NJOBS  PEND   RUN SSUSP USUSP  RSV PJOBS
{told['PRIORITY']:>3}    0  {told['STATUS']:<15} {'-':>4} {'-':>4} {'-':>4} {'-':>4} {told['NJOBS']:>5} {told['PEND']:>5} \
{told['RUN']:>5} {0:>5} {told['SUSP']:>5} {0:>4} {0:>5}
Interval for a host to accept two jobs is 0 seconds

DEFAULT LIMITS:
 RUNLIMIT
 {queue.default_walltime_s / 60:.1f} min

MAXIMUM LIMITS:
 RUNLIMIT
 {queue.max_walltime_s / 60:.1f} min

 PROCLIMIT
 {queue.min_nodes} {(queue.max_nodes or engine.behaviour.nodes) * engine.behaviour.cpus}

SCHEDULING PARAMETERS
           r15s   r1m  r15m   ut      pg    io   ls    it    tmp    swp    mem
 loadSched   -     -     -     -       -     -    -     -     -      -      -
 loadStop    -     -     -     -       -     -    -     -     -      -      -

USERS: {told['USERS']}
HOSTS:  all
"""
