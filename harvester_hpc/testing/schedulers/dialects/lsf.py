"""IBM Spectrum LSF: bsub, bjobs, bhist, bkill, bstop, bresume, brequeue, bqueues, bhosts, lsid."""
from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence

from harvester_hpc.testing.schedulers.dialect import Dialect, Program, Words
from harvester_hpc.testing.schedulers.dialects import lsf_listing as listing
from harvester_hpc.testing.schedulers.dialects.lsf_request import furnish, named, request_of
from harvester_hpc.testing.schedulers.engine import Engine
from harvester_hpc.testing.schedulers.values import Answer, Call, Cause, Job, Problem, State

FAILED = 255


def bsub(call: Call, engine: Engine) -> Answer:
    """Take a job and print its number."""
    request = request_of(call, engine.behaviour)
    job = engine.submit(request)
    which = "queue" if request.queue else "default queue"
    return Answer(out=f"Job <{job.number}> is submitted to {which} <{job.request.queue}>.\n")


def said_by(words: Sequence[str], with_value: str) -> tuple[dict[str, str], list[str]]:
    """Return ({option: value}, the rest): options are words behind one dash and may stand anywhere."""
    said: dict[str, str] = {}
    rest, left = [], list(words)
    while left:
        word = left.pop(0)
        if not word.startswith("-"):
            rest.append(word)
        elif word[1:] in with_value.split() and left:
            said[word[1:]] = left.pop(0)
        else:
            said[word[1:]] = ""
    return said, rest


def bjobs(call: Call, engine: Engine) -> Answer:
    """List jobs that have not ended; with -a, -d or a number those that ended lately too."""
    said, ids = said_by(call.argv, "u J q o m P app g G Lp")
    known = engine.visible()
    jobs = [job for job in known if _is_wanted(job, said, call, bool(ids))]
    absent = [text for text in ids if not any(_number(text) == job.number for job in jobs)]
    jobs = [job for job in jobs if not ids or job.number in map(_number, ids)]
    if "json" in said:
        wanted, _ = listing.fields_of(said.get("o") or " ".join(listing.DEFAULT_FIELDS))
        if strange := next((name for name, _ in wanted if name not in listing.FIELDS), ""):
            return Answer(err=f"{strange.lower()}: Illegal field name.\n", exit_code=FAILED)
        told = [{name: fields[name] for name, _ in wanted} for fields in (listing.job_fields(job, engine.behaviour) for job in jobs)]
        told += [{"JOBID": text, "ERROR": f"Job <{text}> is not found"} for text in absent]
        return Answer(out=listing.as_json("bjobs", "JOBS", told), err="" if told else _none(said, "bjobs"))
    errors = "".join(f"Job <{text}> is not found\n" for text in absent)
    if not jobs:
        return Answer(err=errors or _none(said, "bjobs"), exit_code=FAILED)
    wanted, delimiter = listing.fields_of(said["o"]) if "o" in said else (
        [(name.upper(), width) for name, width in zip(listing.DEFAULT_FIELDS, listing.WIDTHS, strict=True)], " "
    )
    records = [listing.job_fields(job, engine.behaviour) for job in jobs]
    if strange := next((name for name, _ in wanted if name not in listing.FIELDS), ""):
        return Answer(err=f"{strange.lower()}: Illegal field name.\n", exit_code=FAILED)
    return Answer(
        out=listing.as_columns(records, wanted, delimiter, header="noheader" not in said), err=errors, exit_code=FAILED if absent else 0
    )


def _none(said: Mapping[str, str], program: str) -> str:
    if "J" in said:
        return f"Job <{said['J']}> is not found\n"
    return "No job found\n" if "a" in said or "d" in said else "No unfinished job found\n"


def _number(text: str) -> int:
    digits = text.partition("[")[0]
    return int(digits) if digits.isdigit() else -1


def _is_wanted(job: Job, said: Mapping[str, str], call: Call, by_number: bool) -> bool:
    user = said.get("u", call.user)
    if job.has_ended and not by_number and "a" not in said and "d" not in said:
        return False
    if "d" in said and not job.has_ended:
        return False
    if "r" in said and job.state is not State.RUNNING:
        return False
    if "p" in said and job.state not in (State.QUEUED, State.HELD):
        return False
    if said.get("J", job.name) not in (job.name, "*") or said.get("q", job.request.queue) != job.request.queue:
        return False
    return user in ("all", job.request.user)


def bhist(call: Call, engine: Engine) -> Answer:
    """Tell what became of jobs, those included that bjobs has forgotten."""
    said, ids = said_by(call.argv, "u J q n C D S t f P")
    jobs = [job for job in engine.visible(accounting=True) if not ids or job.number in map(_number, ids)]
    jobs = [job for job in jobs if said.get("J", job.name) == job.name and (ids or "a" in said or not job.has_ended)]
    if not engine.behaviour.accounting or not jobs:
        return Answer(err="No matching job found\n", exit_code=FAILED)
    return Answer(out="".join(_history(job) for job in jobs))


def _history(job: Job) -> str:
    def line(seconds: float, text: str) -> str:
        return f"{time.strftime('%a %b %e %H:%M:%S', time.localtime(seconds))}: {text};\n"

    text = f"\nJob <{job.number}>, Job Name <{job.name}>, User <{job.request.user}>, Project <{job.request.account or 'default'}>\n"
    text += line(job.submitted, f"Submitted from host <login>, to Queue <{job.request.queue}>")
    if job.started:
        hosts = " ".join(f"<{job.request.cores}*{host}>" for host in job.hosts)
        text += line(job.started, f"Dispatched {job.request.nodes * job.request.cores} Task(s) on Host(s) {hosts}")
    if job.has_ended:
        reason = listing.reason(job)
        code = listing.exit_code(job)
        end = "Done successfully. The CPU time used is 0.0 seconds" if listing.status(job) == "DONE" else "Exited" + (
            f" with exit code {code}" if code else ""
        )
        text += line(job.ended, end)
        text += line(job.ended, f"Completed <{'done' if listing.status(job) == 'DONE' else 'exit'}>{f'; {reason}' if reason else ''}")
    return text


def on_each(act: Callable[[Engine, Job, Call], str]) -> Program:
    """Return a command that acts on the jobs that it is given by number, by name, or (0) on all."""

    def command(call: Call, engine: Engine) -> Answer:
        said, ids = said_by(call.argv, "J q u s m g app")
        known = engine.visible()
        if "J" in said or ids == ["0"]:
            chosen = [job for job in known if not job.has_ended and job.request.user == call.user and said.get("J", job.name) == job.name]
            if not chosen:
                words = f"Job <{said['J']}> is not found" if "J" in said else "No unfinished job found"
                return Answer(err=f"{words}\n", exit_code=FAILED)
            return Answer(out="".join(f"Job <{job.number}> {act(engine, job, call)}\n" for job in chosen))
        out, errors = "", ""
        for text in ids:
            job = next((job for job in known if job.number == _number(text)), None)
            if job is None:
                errors += f"Job <{text}>: No matching job found\n"
            elif job.has_ended:
                errors += f"Job <{text}>: Job has already finished\n"
            else:
                out += f"Job <{text}> {act(engine, job, call)}\n"
        return Answer(out=out, err=errors, exit_code=FAILED if errors else 0)

    return command


def kill(engine: Engine, job: Job, call: Call) -> str:
    """End a job."""
    engine.cancel(job, call.user)
    return "is being terminated"


def stop(engine: Engine, job: Job, call: Call) -> str:
    """Hold a job that waits, stop one that runs."""
    engine.hold(job)
    engine.suspend(job)
    return "is being stopped"


def resume(engine: Engine, job: Job, call: Call) -> str:
    """Let a job that was stopped go on."""
    engine.release(job)
    engine.resume(job)
    return "is being resumed"


def requeue(engine: Engine, job: Job, call: Call) -> str:
    """Put a running job back into the queue."""
    engine.end(job, Cause.REQUEUED)
    return "is being requeued"


def bqueues(call: Call, engine: Engine) -> Answer:
    """List queues."""
    said, names = said_by(call.argv, "o m u")
    queues = [queue for queue in engine.behaviour.queues if not names or queue.name in names]
    if not queues:
        return Answer(err=f"{names[0]}: No such queue\n", exit_code=FAILED)
    if "l" in said:
        return Answer(out="".join(listing.long_queue(queue, engine) for queue in queues))
    records = [listing.queue_fields(queue, engine) for queue in queues]
    usual = "queue_name priority status max jl_u jl_p jl_h njobs pend run susp"
    return _listed(said, "bqueues", "QUEUES", records, usual)


def bhosts(call: Call, engine: Engine) -> Answer:
    """List hosts."""
    said, names = said_by(call.argv, "o R")
    records = [listing.host_fields(name, engine) for name in engine.behaviour.node_names if not names or name in names]
    return _listed(said, "bhosts", "HOSTS", records, "host_name status jl_u max njobs run ssusp ususp rsv")


def _listed(said: Mapping[str, str], command: str, count: str, records: Sequence[Mapping[str, str]], usual: str) -> Answer:
    wanted, delimiter = listing.fields_of(said.get("o") or usual)
    unknown = [name for name, _ in wanted if records and name not in records[0]]
    if unknown:
        return Answer(err=f"{unknown[0].lower()}: Illegal field name.\n", exit_code=FAILED)
    if "json" in said:
        return Answer(out=listing.as_json(command, count, [{name: record[name] for name, _ in wanted} for record in records]))
    wide = [(name, max(len(name), 10) + 2 if delimiter == " " else 0) for name, _ in wanted]
    return Answer(out=listing.as_columns(records, wide, delimiter, header="noheader" not in said))


def lshosts(call: Call, engine: Engine) -> Answer:
    """List what hosts are."""
    site = engine.behaviour
    lines = ["HOST_NAME      type    model  cpuf ncpus maxmem maxswp server RESOURCES"]
    shape = f"{site.cpus:>5} {site.memory_mb / 1024:>5.1f}G"
    lines += [f"{name:<11} X86_64 Intel_EM  60.0 {shape}      -    Yes (mg)" for name in site.node_names]
    return Answer(out="\n".join(lines) + "\n")


def lsid(call: Call, engine: Engine) -> Answer:
    """Tell version and cluster."""
    name = engine.behaviour.server
    return Answer(out=f"IBM Spectrum LSF Standard 10.1.0.13, Apr 30 2022\n\nMy cluster name is {name}\nMy master name is {name}\n")


DIALECT = Dialect(
    programs={
        "bsub": bsub, "bjobs": bjobs, "bhist": bhist, "bqueues": bqueues, "bhosts": bhosts, "lshosts": lshosts, "lsid": lsid,
        "bkill": on_each(kill), "bstop": on_each(stop), "bresume": on_each(resume), "brequeue": on_each(requeue),
    },
    furnish=furnish,
    named=named,
    words={
        "": Words(
            refused="Failed in an LSF library call: Slave LIM configuration is not ready yet", refused_code=FAILED,
            timeout="batch system daemon not responding ... still trying", timeout_code=FAILED,
        ),
        "bsub": Words(
            refused="Cannot connect to LSF. Please wait ...\nbatch daemon not responding. Job not submitted.", refused_code=FAILED,
            timeout="batch system daemon not responding ... still trying\nJob not submitted.", timeout_code=FAILED,
        ),
    },
    refusals={
        Problem.NO_QUEUE: (FAILED, "{detail}: No such queue. Job not submitted."),
        Problem.QUEUE_CLOSED: (FAILED, "{detail}: Queue has been closed. Job not submitted."),
        Problem.QUEUE_FULL: (FAILED, "{detail}: Pending job threshold reached. Job not submitted."),
        Problem.NOT_PERMITTED: (FAILED, "{detail}: User cannot use the queue. Job not submitted."),
        Problem.NO_ACCOUNT: (FAILED, "{detail}: Invalid project name. Job not submitted."),
        Problem.TOO_MANY_NODES: (FAILED, "Too many processors requested. Job not submitted."),
        Problem.TOO_MANY_CORES: (FAILED, "Too many processors requested. Job not submitted."),
        Problem.TOO_LONG: (FAILED, "RUNLIMIT: Cannot exceed queue's hard limit(s). Job not submitted."),
        Problem.BAD_OPTION: (FAILED, "{detail}: Illegal option. Job not submitted."),
        Problem.BAD_REQUEST: (FAILED, "{detail}: Bad argument. Job not submitted."),
    },
    batch_id=lambda job, site: str(job.number),
)
