"""What one job or one worker waits for, and until when."""
from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from harvester_hpc.cli.account import Account, say_held_back, say_troubles, when
from harvester_hpc.cli.times import iso, span
from harvester_hpc.model.job import BOUND, JOB_LIFECYCLE, Job, JobState
from harvester_hpc.model.turn import JOB_TURN, SWEEPER, WORKER_TURN
from harvester_hpc.model.worker import WORKER_LIFECYCLE, Worker, WorkerState
from harvester_hpc.store import job as jobs
from harvester_hpc.store import standing
from harvester_hpc.store import worker as workers
from harvester_hpc.store.holdback import holdbacks
from harvester_hpc.store.standing import Move

#: Files on their way that are told one by one.
FILES = 20


def job_account(connection: sqlite3.Connection, job_id: int, now: float) -> Account | None:
    """Return what a job waits for; None if it is not known."""
    job = next(iter(jobs.by_ids(connection, [job_id]).values()), None)
    if job is None:
        return None
    turn = JOB_TURN.get(job.state, "")
    due = None if job.state in BOUND else job.due
    account = Account(f"job {job.id} of {job.queue}: {job.state} since {span(now - job.changed)}", {
        "job": job.id, "queue": job.queue, "state": job.state.value, "changed": iso(job.changed), "turn": turn or None, "due": iso(due),
        "tries": job.tries, "submissions": job.submissions, "why": job.why, "cancel": job.cancel,
    })
    account.say(_job_waits(connection, job, turn, due, now))
    if job.cancel:
        account.say(f"it is to be cancelled: {job.cancel}")
    if job.why:
        account.say(f"last reason{f' ({job.tries} tries)' if job.tries else ''}: {job.why}")
    _say_moves(account, standing.moves(connection, job.id), now)
    its = [found for number in workers.of_job(connection, job.id) for found in workers.by_ids(connection, [number]).values()]
    account.facts["workers"] = [_worker_facts(one) for one in its]
    for one in its:
        account.say(_in_batch(one, now))
    _say_untold(account, connection, job, now)
    if job.state is JobState.PREPARED:
        say_held_back(account, holdbacks(connection), job.queue, now)
    if turn:
        say_troubles(account, standing.troubles_of(connection, job.queue, turn), now)
    return account


def _job_waits(connection: sqlite3.Connection, job: Job, turn: str, due: float | None, now: float) -> str:
    match job.state:
        case JobState.PREPARED:
            before = standing.jobs_before(connection, job)
            return f"waits for a worker; {before} jobs of its queue come first (harvester-hpc explain queue {job.queue})"
        case JobState.SUBMITTED:
            return "waits for its worker to begin it"
        case JobState.RUNNING:
            return "runs in its worker"
        case JobState.FETCHED | JobState.PREPARING:
            return f"waits for its inputs; the {turn} looks at it {when(due, now)}"
        case JobState.TO_TRANSFER | JobState.TRANSFERRING:
            return f"has ended ({job.outcome}) and its outputs are brought away; the {turn} looks at it {when(due, now)}"
    return f"has ended; it is shown here until it goes {when(due, now)}" if due is not None else "has ended; that is not told yet"


def _say_moves(account: Account, moves: Sequence[Move], now: float) -> None:
    """Tell of files in batches; those that wait for a person first."""
    ordered = sorted(moves, key=lambda one: (not one.remedy, -one.tries, one.lfn))
    account.facts["files_on_their_way"] = [
        {"file": one.lfn, "direction": one.direction, "state": one.state, "tries": one.tries, "due": iso(one.due), "why": one.why,
         "transfer": one.transfer, "remedy": one.remedy} for one in ordered
    ]
    if not moves:
        return
    lines = [
        f"{one.lfn} ({one.direction}): " + (f"in transfer {one.transfer}" if one.transfer else "waits for a batch")
        + f", looked at {when(one.due, now)}" + (f", {one.tries} tries" if one.tries else "") + (f": {one.why}" if one.why else "")
        + (f"; PARKED until somebody does this: {one.remedy}" if one.remedy else "")
        for one in ordered[:FILES]
    ]
    more = [f"and {len(ordered) - FILES} more"] if len(ordered) > FILES else []
    account.say(f"{len(moves)} files on their way", [*lines, *more])


def _say_untold(account: Account, connection: sqlite3.Connection, job: Job, now: float) -> None:
    report = standing.untold(connection, job.id)
    untold = None if report is None or report.told else report
    account.facts["untold_report"] = None if untold is None else {"state": untold.state, "tries": untold.tries, "due": iso(untold.due)}
    if untold is not None:
        account.say(f"not told yet: {untold.state} ({untold.tries} tries, next {when(untold.due, now)})")
    elif report is not None and not JOB_LIFECYCLE.is_final(job.state):
        account.say(f"told: {report.state}; next heartbeat {when(report.due, now)}")


def worker_account(connection: sqlite3.Connection, worker_id: int, now: float) -> Account | None:
    """Return what a worker waits for; None if it is not known."""
    worker = workers.by_ids(connection, [worker_id]).get(worker_id)
    if worker is None:
        return None
    turn = WORKER_TURN.get(worker.state, SWEEPER)
    times = standing.times(connection, worker.id)
    account = Account(f"worker {worker.id} of {worker.queue}: {worker.state} since {span(now - worker.changed)}", {
        **_worker_facts(worker), "queue": worker.queue, "turn": turn, "due": iso(worker.due), "tries": worker.tries, "why": worker.why,
        "kill": worker.kill, "not_seen_since": iso(worker.gone), "heartbeat": iso(worker.heartbeat),
        "looked_after": {name: iso(time) for name, time in times.items()},
    })
    account.say(_worker_waits(worker, turn, now))
    if not WORKER_LIFECYCLE.is_final(worker.state):
        account.say(_in_batch(worker, now))
    if worker.kill:
        account.say(f"it is to be ended: {worker.kill}; the sweeper asks for that {when(times.get('kill'), now)}")
    if worker.gone is not None:
        account.say(f"the batch system does not know it since {span(now - worker.gone)}")
    if worker.why:
        account.say(f"last reason: {worker.why}")
    if "letters" in times:
        sign = "none yet" if worker.heartbeat is None else f"{span(now - worker.heartbeat)} ago"
        account.say(f"its letters are read {when(times['letters'], now)}; last sign of life: {sign}")
    _say_load(account, connection, worker, now)
    if "report" in times:
        account.say(f"it is told of {when(times['report'], now)}")
    say_troubles(account, standing.troubles_of(connection, worker.queue, turn), now)
    return account


def _worker_waits(worker: Worker, turn: str, now: float) -> str:
    looks = f"the {turn} looks {when(worker.due, now)}"
    match worker.state:
        case WorkerState.PLANNED:
            return f"is stored, and the batch system may or may not have it; {looks}"
        case WorkerState.SUBMITTED:
            return f"waits in the batch queue since {span(now - (worker.submitted or worker.created))}; {looks}"
        case WorkerState.RUNNING:
            limit = "" if worker.started is None else f", {span(worker.started + worker.plan.walltime_s - now)} of its walltime are left"
            return f"runs{limit}; {looks}"
    return "has ended, and its folder is gone" if worker.due is None else f"has ended; its folder is looked after {when(worker.due, now)}"


def _in_batch(worker: Worker, now: float) -> str:
    known = f"batch job {worker.batch_id}" if worker.batch_id else "without a batch id yet"
    native = f", {worker.native_status}" if worker.native_status else ""
    where = f" in {worker.batch_queue}" if worker.batch_queue else ""
    return f"worker {worker.id} ({worker.state} since {span(now - worker.changed)}): {known}{where}{native}"


def _worker_facts(worker: Worker) -> dict[str, object]:
    return {
        "worker": worker.id, "state": worker.state.value, "changed": iso(worker.changed), "batch_id": worker.batch_id,
        "batch_queue": worker.batch_queue, "native_status": worker.native_status,
    }


def _say_load(account: Account, connection: sqlite3.Connection, worker: Worker, now: float) -> None:
    """Tell of its jobs, and of its wish for some."""
    load = jobs.by_ids(connection, worker.job_ids)
    states = {state: number for state in JobState if (number := sum(job.state is state for job in load.values()))}
    account.facts["jobs"] = {state.value: number for state, number in states.items()}
    if states:
        account.say("its jobs: " + ", ".join(f"{number} {state}" for state, number in states.items()))
    request = standing.request(connection, worker.id)
    account.facts["asks_for_jobs_since"] = None if request is None else iso(request.since)
    if request is not None:
        coming = f"; on their way to it: {', '.join(map(str, request.pending))}" if request.pending else ""
        account.say(f"it asks for jobs since {span(now - request.since)}, looked at {when(request.due, now)}{coming}")
