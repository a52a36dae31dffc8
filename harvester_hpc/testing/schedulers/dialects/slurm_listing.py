"""squeue and sacct: states, fields and forms.

Forms: Slurm 22.05.8, read off the real one (``tests/integration/test_slurm_and_its_emulation.py`` holds the two together).
"""
from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence

from harvester_hpc.testing.schedulers.behaviour import Behaviour
from harvester_hpc.testing.schedulers.dialects.slurm_request import folded
from harvester_hpc.testing.schedulers.values import Call, Cause, Job, State

WORDS: Mapping[str, str] = {
    "PD": "PENDING", "R": "RUNNING", "S": "SUSPENDED", "CG": "COMPLETING", "CD": "COMPLETED", "F": "FAILED", "CA": "CANCELLED",
    "TO": "TIMEOUT", "NF": "NODE_FAIL", "PR": "PREEMPTED", "OOM": "OUT_OF_MEMORY",
}
LIVING: Mapping[State, str] = {
    State.QUEUED: "PD", State.HELD: "PD", State.RUNNING: "R", State.SUSPENDED: "S", State.ENDING: "CG",
}
ENDS: Mapping[Cause, str] = {
    Cause.CANCELLED: "CA", Cause.TIME_LIMIT: "TO", Cause.NODE_FAILURE: "NF", Cause.PREEMPTED: "PR", Cause.OUT_OF_MEMORY: "OOM",
}
REASONS: Mapping[Cause, str] = {
    Cause.TIME_LIMIT: "TimeLimit", Cause.NODE_FAILURE: "NodeDown", Cause.OUT_OF_MEMORY: "OutOfMemory",
}
#: Columns of squeue without a format: (head, format).
USUAL = "%.18i %.9P %.8j %.8u %.2t %.10M %.6D %R"
HEADS: Mapping[str, str] = {
    "i": "JOBID", "A": "JOBID", "F": "ARRAY_JOB_ID", "t": "ST", "T": "STATE", "j": "NAME", "V": "SUBMIT_TIME", "S": "START_TIME",
    "e": "END_TIME", "B": "EXEC_HOST", "r": "REASON", "R": "NODELIST(REASON)", "N": "NODELIST", "D": "NODES", "C": "CPUS",
    "l": "TIME_LIMIT",
    "M": "TIME", "L": "TIME_LEFT", "u": "USER", "U": "UID", "a": "ACCOUNT", "P": "PARTITION", "k": "COMMENT", "q": "QOS", "m": "MIN_MEMORY",
    "Q": "PRIORITY", "Z": "WORK_DIR", "o": "COMMAND", "K": "ARRAY_TASK_ID",
}
LONG_NAMES: Mapping[str, str] = {
    "jobarrayid": "i", "jobid": "A", "statecompact": "t", "state": "T", "name": "j", "submittime": "V", "starttime": "S", "endtime": "e",
    "batchhost": "B", "reason": "r", "reasonlist": "R", "nodelist": "N", "numnodes": "D", "numcpus": "C", "timelimit": "l", "timeused": "M",
    "username": "u", "account": "a", "partition": "P", "comment": "k", "qos": "q", "restartcnt": "restarts",
}


def code(job: Job) -> str:
    """Return the state's compact code."""
    if job.odd:
        return job.odd
    if not job.has_ended:
        return LIVING[job.state]
    if job.cause is Cause.EXIT or job.cause is None:
        return "CD" if job.exit_code == 0 else "F"
    return ENDS[job.cause]


def batch_id(job: Job, site: Behaviour) -> str:
    """Return the id; of an array, with its tasks."""
    return f"{job.number}_[{job.request.array}]" if job.request.array else str(job.number)


def reason(job: Job) -> str:
    """Return why a job waits or how it ended, in one word."""
    if job.state is State.HELD or (job.cause is Cause.CANCELLED and job.request.held):
        return "JobHeldUser"
    if job.state is State.QUEUED:
        return "BeginTime" if job.restarts and job.kill_at > time.time() else "Resources"
    if job.has_ended and code(job) == "F":
        # A batch script that a signal ended looks to Slurm as if it had never begun.
        return "JobLaunchFailure" if job.signal else "NonZeroExitCode"
    return REASONS.get(job.cause, "None") if job.cause else "None"


def moment(seconds: float, call: Call, otherwise: str) -> str:
    """Return a time as SLURM_TIME_FORMAT wants it, or a word for none."""
    if not seconds:
        return otherwise
    form = call.environment.get("SLURM_TIME_FORMAT", "standard")
    return time.strftime("%Y-%m-%dT%H:%M:%S" if form == "standard" else form, time.localtime(seconds))


def span(total: float) -> str:
    """Return ``[days-][hours:]minutes:seconds``."""
    whole = max(0, int(total))
    days, hours, rest = whole // 86400, whole // 3600 % 24, f"{whole // 60 % 60:02d}:{whole % 60:02d}"
    if days:
        return f"{days}-{hours:02d}:{rest}"
    return f"{hours}:{rest}" if hours else rest.removeprefix("0") if rest[0] == "0" else rest


def fields(job: Job, site: Behaviour, call: Call) -> dict[str, str]:
    """Return all fields of squeue, by the letter of their format."""
    request = job.request
    ran = job.started > 0
    end = job.ended or (job.started + request.walltime_s if ran else 0.0)
    started = job.started or job.ended
    nodes = folded(job.hosts)
    waits = job.state in (State.QUEUED, State.HELD)
    return {
        "i": batch_id(job, site), "A": str(job.number), "F": str(job.number), "K": request.array or "N/A", "t": code(job),
        "T": WORDS.get(code(job), code(job)), "j": job.name, "V": moment(job.submitted, call, "N/A"), "S": moment(started, call, "N/A"),
        "e": moment(end, call, "N/A"), "B": job.hosts[0] if job.hosts else "n/a", "r": reason(job),
        "R": f"({reason(job)})" if waits else nodes, "N": nodes, "D": str(request.nodes), "C": str(request.nodes * request.cores),
        "l": span(request.walltime_s), "M": span((job.ended or time.time()) - job.started) if ran else "0:00",
        "L": span(max(0.0, end - time.time())) if ran else span(request.walltime_s), "u": request.user, "U": str(os.getuid()),
        "a": request.account or "(null)", "P": request.queue, "k": request.comment or "(null)", "q": "N/A", "m": f"{request.memory_mb}M",
        "Q": "4294901757", "Z": request.cwd, "o": request.arguments, "restarts": str(job.restarts),
    }


def lined(form: str, values: Mapping[str, str]) -> str:
    """Return one line of a format: ``%[.][width]letter``; a point means to the right. A width cuts."""

    def one(found: re.Match[str]) -> str:
        value, width = values.get(found[3], ""), int(found[2] or 0)
        if not width:
            return value
        return value[:width].rjust(width) if found[1] else value[:width].ljust(width)

    return re.sub(r"%(\.?)(\d*)([A-Za-z])", one, form)


def long_lined(form: str, values: Mapping[str, str]) -> str:
    """Return one line of ``--Format``: ``name[:[.]width[suffix]],...``; the width is 20 unless told."""
    parts = []
    for word in form.split(","):
        name, _, rest = word.partition(":")
        found = re.fullmatch(r"(\.?)(\d*)(.*)", rest)
        assert found is not None
        width = int(found[2] or 20)
        value = values.get(LONG_NAMES.get(name.lower(), ""), "")[:width]
        parts.append((value.rjust(width) if found[1] else value.ljust(width)) + found[3])
    return "".join(parts)


SACCT: Mapping[str, Callable[[Job, Behaviour, Call], str]] = {
    "jobid": lambda job, site, call: batch_id(job, site),
    "jobidraw": lambda job, site, call: str(job.number),
    "jobname": lambda job, site, call: job.name,
    "partition": lambda job, site, call: job.request.queue,
    "account": lambda job, site, call: job.request.account,
    "alloccpus": lambda job, site, call: str(job.request.nodes * job.request.cores if job.started else 0),
    "state": lambda job, site, call: accounted_state(job),
    "exitcode": lambda job, site, call: f"{job.exit_code or 0}:{job.signal}",
    "submit": lambda job, site, call: moment(job.submitted, call, "Unknown"),
    "start": lambda job, site, call: moment(job.started or job.ended, call, "Unknown"),
    "end": lambda job, site, call: moment(job.ended, call, "Unknown"),
    "nodelist": lambda job, site, call: folded(job.hosts) or "None assigned",
    "reason": lambda job, site, call: reason(job),
    "user": lambda job, site, call: job.request.user,
    "nnodes": lambda job, site, call: str(job.request.nodes),
    "elapsed": lambda job, site, call: span((job.ended or time.time()) - job.started) if job.started else "00:00:00",
    "restarts": lambda job, site, call: str(job.restarts),
}
SACCT_USUAL = "JobID,JobName,Partition,Account,AllocCPUS,State,ExitCode"


def accounted_state(job: Job) -> str:
    """Return State of sacct; it knows who cancelled."""
    word = WORDS.get(code(job), code(job))
    return f"{word} by {os.getuid()}" if code(job) == "CA" else "RUNNING" if word == "COMPLETING" else word


def accounting(jobs: Sequence[Job], said: Mapping[str, str], site: Behaviour, call: Call) -> str:
    """Return sacct's table, in columns or (parsable) behind bars."""
    names = [name.partition("%")[0] for name in said.get("format", SACCT_USUAL).split(",")]
    rows = [] if "noheader" in said else [names]
    rows += [[SACCT[name.lower()](job, site, call) for name in names] for job in jobs]
    if "parsable2" in said or "parsable" in said:
        return "".join("|".join(row) + ("|" if "parsable" in said else "") + "\n" for row in rows)
    if "noheader" not in said:
        rows.insert(1, ["-" * 10] * len(names))
    return "".join(" ".join(f"{word[:10]:>10}" for word in row) + " \n" for row in rows)
