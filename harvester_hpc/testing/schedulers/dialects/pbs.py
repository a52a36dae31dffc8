"""PBS Professional and OpenPBS: qsub, qstat, qselect, qdel, qhold, qrls, qrerun, qsig, pbsnodes, qmgr."""
from __future__ import annotations

from collections.abc import Callable, Sequence

from harvester_hpc.testing.schedulers.dialect import Dialect, Words
from harvester_hpc.testing.schedulers.dialects.options import clock, parsed
from harvester_hpc.testing.schedulers.dialects.pbs_ids import batch_id, is_formed, job_of, whole
from harvester_hpc.testing.schedulers.dialects.pbs_listing import (
    VERSION,
    as_json,
    as_lines,
    job_attributes,
    letter,
    node_attributes,
    queue_attributes,
    table,
)
from harvester_hpc.testing.schedulers.dialects.pbs_request import furnish, named, request_of
from harvester_hpc.testing.schedulers.engine import Engine
from harvester_hpc.testing.schedulers.values import Answer, Call, Cause, Job, Problem

#: A command ends with its last error, of which the shell sees the lowest byte.
UNKNOWN_JOB, HISTORIC, BAD_STATE, UNKNOWN_QUEUE, NO_HISTORY = 15001 % 256, 15139 % 256, 15018 % 256, 15018 % 256, 1
LONGEST_NAME = 230


def qsub(call: Call, engine: Engine) -> Answer:
    """Take a job and print its id."""
    job = engine.submit(request_of(call, "a:A:c:C:e:fG:hIj:J:k:l:m:M:N:o:p:P:q:r:R:S:u:v:VW:Xz", LONGEST_NAME))
    return Answer(out=f"{batch_id(job, engine.behaviour)}\n")


def qstat(call: Call, engine: Engine) -> Answer:
    """List jobs or queues; one id that is not known fails the whole, after the others were told."""
    options, ids = parsed(call.argv, "aBfF:GHiJnpQrsStTu:wxE1")
    said = dict(options)
    if "-Q" in said:
        return _queues(ids, said.get("-F", ""), engine)
    if "-B" in said:
        return Answer(out=f"Server: {engine.behaviour.server}\n    server_state = Active\n    pbs_version = {VERSION}\n\n")
    historic = "-x" in said or "-H" in said
    if historic and not engine.behaviour.accounting:
        return Answer(err="qstat: PBS is not configured to maintain job history\n", exit_code=NO_HISTORY)
    jobs, errors, code = _asked(ids, historic, engine)
    if user := said.get("-u"):
        jobs = [job for job in jobs if job.request.user in user.split(",")]
    if "-f" not in said:
        return Answer(out=table(jobs, engine.behaviour), err=errors, exit_code=code)
    if said.get("-F") == "json":
        members = {batch_id(job, engine.behaviour): job_attributes(job, engine.behaviour) for job in jobs}
        return Answer(out=as_json(engine.behaviour, "Jobs", members), err=errors, exit_code=code)
    lines = [as_lines(f"Job Id: {batch_id(job, engine.behaviour)}", job_attributes(job, engine.behaviour)) for job in jobs]
    return Answer(out="".join(lines), err=errors, exit_code=code)


def _known(engine: Engine, historic: bool) -> list[Job]:
    return [job for job in engine.visible(accounting=True) if not job.has_ended or (historic and not job.forgotten)]


def _asked(ids: Sequence[str], historic: bool, engine: Engine) -> tuple[list[Job], str, int]:
    """Return (jobs, words about ids that are none, exit code)."""
    known = _known(engine, historic)
    if not ids:
        return known, "", 0
    jobs, errors, code = [], [], 0
    kept = {job.number for job in engine.visible(accounting=True) if not job.forgotten}
    for text in ids:
        job = job_of(text, engine)
        name = whole(text, engine.behaviour)
        if not is_formed(text):
            errors.append(f"qstat: illegally formed job identifier: {text}")
            code = 1
        elif job is not None and job in known:
            jobs.append(job)
        elif job is not None and job.number in kept and engine.behaviour.accounting:
            errors.append(f"qstat: {name} Job has finished, use -x or -H to obtain historical job information")
            code = HISTORIC
        else:
            errors.append(f"qstat: Unknown Job Id {name}")
            code = UNKNOWN_JOB
    return jobs, "".join(f"{line}\n" for line in errors), code


def _queues(names: Sequence[str], form: str, engine: Engine) -> Answer:
    site = engine.behaviour
    absent = [name for name in names if site.queue(name) is None]
    if absent:
        return Answer(err="".join(f"qstat: Unknown queue {name}\n" for name in absent), exit_code=UNKNOWN_QUEUE)
    queues = [queue for queue in site.queues if not names or queue.name in names]
    if form == "json":
        return Answer(out=as_json(site, "Queue", {queue.name: queue_attributes(queue, engine) for queue in queues}))
    return Answer(out="".join(as_lines(f"Queue: {queue.name}", queue_attributes(queue, engine)) for queue in queues))


def qselect(call: Call, engine: Engine) -> Answer:
    """Print the ids of jobs by name, user, queue or state."""
    said = dict(parsed(call.argv, "a:A:c:h:HJl:N:p:P:q:r:s:t:Tu:x")[0])
    historic = "-x" in said or "-H" in said
    if historic and not engine.behaviour.accounting:
        return Answer(err="qselect: PBS is not configured to maintain job history\n", exit_code=NO_HISTORY)
    jobs = [
        job for job in _known(engine, historic)
        if said.get("-N", job.name) == job.name and job.request.user in said.get("-u", job.request.user).split(",")
        and said.get("-q", job.request.queue) == job.request.queue and letter(job) in said.get("-s", letter(job))
        and ("-H" not in said or job.has_ended)
    ]
    return Answer(out="".join(f"{batch_id(job, engine.behaviour)}\n" for job in jobs))


def on_each(act: Callable[[Engine, Job, Call], object], bad: Callable[[Job], bool]) -> Callable[[Call, Engine], Answer]:
    """Return a command that acts on every job that it is given, and ends with its last error."""

    def command(call: Call, engine: Engine) -> Answer:
        _, ids = parsed(call.argv, "h:m:p:s:W:x")
        errors, code = [], 0
        for text in ids:
            job = job_of(text, engine)
            name = whole(text, engine.behaviour)
            if job is None or (job.has_ended and (job.forgotten or not engine.behaviour.accounting)):
                errors.append(f"{call.program}: Unknown Job Id {name}")
                code = UNKNOWN_JOB
            elif job.has_ended:
                errors.append(f"{call.program}: Job has finished {name}")
                code = HISTORIC
            elif bad(job):
                errors.append(f"{call.program}: Request invalid for state of job {name}")
                code = BAD_STATE
            else:
                act(engine, job, call)
        return Answer(err="".join(f"{line}\n" for line in errors), exit_code=code)

    return command


def signal_job(engine: Engine, job: Job, call: Call) -> None:
    """Suspend, resume, or nothing: other signals are not emulated."""
    said = dict(parsed(call.argv, "s:")[0]).get("-s", "")
    if said == "suspend":
        engine.suspend(job)
    elif said == "resume":
        engine.resume(job)


def pbsnodes(call: Call, engine: Engine) -> Answer:
    """List nodes, or take them offline (-o) and back (-r)."""
    options, names = parsed(call.argv, "aC:D:dF:HjlLo:r:Ss:v")
    said = dict(options)
    for flag, is_down in (("-o", True), ("-r", False)):
        if flag in said:
            engine.books.set_down(said[flag], is_down)
            return Answer()
    chosen = [name for name in engine.behaviour.node_names if "-a" in said or name in names]
    if said.get("-F") == "json":
        return Answer(out=as_json(engine.behaviour, "nodes", {name: node_attributes(name, engine) for name in chosen}))
    return Answer(out="".join(as_lines(name, node_attributes(name, engine)) for name in chosen))


def qmgr(call: Call, engine: Engine) -> Answer:
    """``print server`` only."""
    said = " ".join(dict(parsed(call.argv, "ac:ez")[0]).get("-c", "").split())
    if said not in ("print server", "p s"):
        return Answer(err=f"qmgr: Syntax error\nqmgr obj= svr=default: {said}\n", exit_code=1)
    site, lines = engine.behaviour, ["#", "# Create queues and set their attributes.", "#"]
    for queue in site.queues:
        lines += ["#", f"# Create and define queue {queue.name}", "#", f"create queue {queue.name}"]
        for name, value in queue_attributes(queue, engine).items():
            if name in ("total_jobs", "state_count"):
                continue
            pairs = {f"{name}.{key}": one for key, one in value.items()} if isinstance(value, dict) else {name: value}
            lines += [f"set queue {queue.name} {key} = {one}" for key, one in pairs.items()]
    lines += ["#", "# Set server attributes.", "#", "set server scheduling = True", f"set server default_queue = {site.queues[0].name}"]
    lines += ["set server log_events = 511", "set server query_other_jobs = True", f"set server job_history_enable = {site.accounting}"]
    return Answer(out="\n".join([*lines, f"set server job_history_duration = {clock(site.history_s)}"]) + "\n")


DIALECT = Dialect(
    programs={
        "qsub": qsub, "qstat": qstat, "qselect": qselect, "pbsnodes": pbsnodes, "qmgr": qmgr,
        "qdel": on_each(lambda engine, job, call: engine.cancel(job, call.user), lambda job: False),
        "qhold": on_each(lambda engine, job, call: engine.hold(job), lambda job: job.occupies),
        "qrls": on_each(lambda engine, job, call: engine.release(job), lambda job: False),
        "qrerun": on_each(lambda engine, job, call: engine.end(job, Cause.REQUEUED), lambda job: not job.occupies),
        "qsig": on_each(signal_job, lambda job: not job.occupies),
    },
    furnish=furnish,
    named=named,
    words={
        "": Words(
            refused="Connection refused\n{program}: cannot connect to server {server} (errno=15010)", refused_code=255,
            timeout="Connection timed out\n{program}: cannot connect to server {server} (errno=15010)", timeout_code=255,
        ),
    },
    refusals={
        Problem.NO_QUEUE: (15018 % 256, "qsub: Unknown queue"),
        Problem.QUEUE_CLOSED: (15021 % 256, "qsub: Queue is not enabled"),
        Problem.QUEUE_FULL: (15142 % 256, "qsub: would exceed queue generic's per-user limit of jobs in 'Q' state"),
        Problem.NOT_PERMITTED: (15022 % 256, "qsub: Access to queue is denied"),
        Problem.NO_ACCOUNT: (15049 % 256, "qsub: Invalid Account"),
        Problem.TOO_MANY_NODES: (15036 % 256, "qsub: Job violates queue and/or server resource limits"),
        Problem.TOO_MANY_CORES: (15036 % 256, "qsub: Job violates queue and/or server resource limits"),
        Problem.TOO_LONG: (15036 % 256, "qsub: Job violates queue and/or server resource limits"),
        Problem.BAD_OPTION: (2, "qsub: invalid option -- '{detail}'\nusage: qsub [-a date_time] [-A account_string] [-q queue] [script]"),
        Problem.BAD_REQUEST: (2, "qsub: illegal option or value: {detail}"),
    },
    batch_id=batch_id,
)
