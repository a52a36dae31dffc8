"""What a test tells the engine beside the commands: a node fails, a job is preempted, its time is over, it is forgotten."""
from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from harvester_hpc.testing.schedulers.engine import Engine
from harvester_hpc.testing.schedulers.values import Answer, Call, Cause, Job, Request

Order = Callable[[Engine, Job, str], object]

ON_A_JOB: Mapping[str, Order] = {
    "cancel": lambda engine, job, text: engine.cancel(job, text or "root"),
    "hold": lambda engine, job, text: engine.hold(job),
    "release": lambda engine, job, text: engine.release(job),
    "suspend": lambda engine, job, text: engine.suspend(job),
    "resume": lambda engine, job, text: engine.resume(job),
    "requeue": lambda engine, job, text: engine.end(job, Cause.REQUEUED),
    "preempt": lambda engine, job, text: engine.preempt(job),
    "time-out": lambda engine, job, text: engine.end(job, Cause.TIME_LIMIT),
    "out-of-memory": lambda engine, job, text: engine.end(job, Cause.OUT_OF_MEMORY),
    "forget": lambda engine, job, text: engine.books.write(replace(job, forgotten=True)),
    "lose": lambda engine, job, text: engine.books.write(replace(job, lost=True)),
    "odd": lambda engine, job, text: engine.books.write(replace(job, odd=text)),
}


def _slim(job: Job) -> dict[str, Any]:
    said = asdict(job)
    said["request"] |= {"script": "", "environment": {}}
    return said


def obey(call: Call, engine: Engine) -> Answer:
    """Do as a test says: VERB [JOB NUMBER | NODE | RANGE] [TEXT]."""
    verb, subject, text = (*call.argv, "", "")[:3]
    if verb == "jobs":
        return Answer(out=json.dumps([_slim(job) for job in engine.books]))
    if verb == "calls":
        return Answer(out=json.dumps(engine.calls))
    if verb == "node-down":
        engine.fail_node(subject)
    elif verb == "node-up":
        engine.books.set_down(subject, False)
    elif verb == "forget-strikes":
        engine.books.forget_strikes()
    elif verb == "array":
        engine.submit(Request(script="", name=text or "array", user=call.user, cwd="/", array=subject))
    elif verb in ON_A_JOB:
        job = engine.books.get(int(subject))
        if job is None:
            return Answer(err=f"no job {subject}\n", exit_code=1)
        ON_A_JOB[verb](engine, job, text)
    else:
        return Answer(err=f"no order '{verb}'\n", exit_code=2)
    engine.step()
    return Answer()
