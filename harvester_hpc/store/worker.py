"""Workers in the store."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.job import WITH_ITS_WORKER_S, JobId
from harvester_hpc.model.turn import MESSENGER, MONITOR, PROPAGATOR, SUBMITTER, SWEEPER, WORKER_TURN
from harvester_hpc.model.worker import MapType, Worker, WorkerId, WorkerPlan, WorkerState, WorkerStep
from harvester_hpc.store import worker_log
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A worker that is about to be planned, with the jobs that it gets.

    late: it gets them when it asks; logs: they are to be shown; job_type, resource_type, sync: as in ``Worker``.
    """

    queue: str
    map_type: MapType
    plan: WorkerPlan
    batch_queue: str
    job_ids: tuple[JobId, ...]
    late: bool = False
    logs: bool = False
    job_type: str = ""
    resource_type: str = ""
    sync: bool = False


def last_number(connection: sqlite3.Connection) -> int:
    """Return the last worker number that was given out; 0 if none was."""
    number: int = connection.execute(sentences("worker")["reserved"]).fetchone()[0]
    return number


def go_past(write: Write, number: int) -> None:
    """Give out no number up to this one any more."""
    write.connection.execute(sentences("worker")["go_past"], (number,))


def plan(write: Write, intents: Sequence[Intent], name: Callable[[int], str], place: Callable[[str, int], str]) -> list[Worker]:
    """Store the intents, bind their jobs, and return the workers, in order.

    Args:
        name: worker number -> key (the batch job's name).
        place: queue and worker number -> access point.

    A job that is no longer prepared (OneToMany: or has ended), or is to be cancelled, is left out; an
    intent none of whose jobs is left makes no worker.
    """
    if not intents:
        return []
    write.connection.execute(sentences("worker")["reserve"], (len(intents),))
    last = write.connection.execute(sentences("worker")["reserved"]).fetchone()[0]
    workers = []
    for number, intent in enumerate(intents, start=last - len(intents) + 1):
        more = intent.map_type is MapType.ONE_TO_MANY
        bound = tuple(job_id for job_id in intent.job_ids if _bind(write, job_id) or (more and _bind_more(write, job_id)))
        if intent.job_ids and not bound:
            continue
        workers.append(_planned(write, WorkerId(number), replace(intent, job_ids=bound), name(number), place(intent.queue, number)))
    write.ring(SUBMITTER)
    return workers


def bind(write: Write, worker: WorkerId, job_ids: Iterable[JobId]) -> list[JobId]:
    """Bind prepared jobs to a worker that is there already; return those that are bound."""
    bound = [job_id for job_id in job_ids if _bind(write, job_id)]
    write.connection.executemany(sentences("worker")["bond"], [(worker, job_id) for job_id in bound])
    return bound


def _bind(write: Write, job_id: JobId) -> bool:
    return write.connection.execute(sentences("job")["bind"], (write.now + WITH_ITS_WORKER_S, write.now, job_id)).rowcount == 1


def _bind_more(write: Write, job_id: int) -> bool:
    return write.connection.execute(sentences("job")["bind_more"], (job_id,)).rowcount == 1


def _planned(write: Write, number: WorkerId, intent: Intent, key: str, access_point: str) -> Worker:
    sql, size = sentences("worker"), intent.plan
    write.connection.execute(
        sql["insert"],
        (number, intent.queue, intent.map_type, key, access_point, size.nodes, size.cores, size.walltime_s, size.ram_mb,
         size.gpus_per_node, intent.batch_queue, write.now, write.now, write.now, intent.late, intent.logs,
         intent.job_type, intent.resource_type, intent.sync),
    )
    write.connection.executemany(sql["bond"], [(number, job_id) for job_id in intent.job_ids])
    return Worker(
        id=number, queue=intent.queue, map_type=intent.map_type, state=WorkerState.PLANNED, key=key, access_point=access_point,
        plan=size, batch_queue=intent.batch_queue, submissions=1, created=write.now, changed=write.now, due=write.now,
        late=intent.late, job_type=intent.job_type, resource_type=intent.resource_type, sync=intent.sync, job_ids=tuple(intent.job_ids),
    )


def make(write: Write, steps: Iterable[WorkerStep]) -> list[WorkerId]:
    """Make steps; return the workers whose step came too late and was dropped."""
    sql, now = sentences("worker")["step"], write.now
    stale = []
    for step in steps:
        told = step.before is not step.after or step.batch_id is not None
        made = write.connection.execute(
            sql,
            (step.after, step.due, step.tries, step.batch_id, step.native_status, step.node, step.exit_code, step.submissions,
             step.why, step.submitted, step.started, step.ended, now, told, step.worker_id, step.before, step.cause),
        ).rowcount
        if not made:
            stale.append(step.worker_id)
            continue
        if told:
            write.ring(PROPAGATOR)
        if step.before is not step.after:
            worker_log.want(write, step.worker_id, step.after)
            write.ring(SUBMITTER)  # there may be room for another one
            write.ring(MESSENGER)  # there may be a doorbell to listen to
        if step.before is not step.after or (step.due is not None and step.due <= now):
            write.ring(WORKER_TURN.get(step.after, SWEEPER))
    return stale


def look_again(write: Write, workers: Iterable[int], due: float) -> None:
    """Nothing new of these workers: look at them again at ``due``."""
    write.connection.execute(sentences("worker")["look_again"], (due, json.dumps(list(workers))))


def gone(write: Write, worker: WorkerId, why: str, due: float) -> None:
    """The batch system does not know the worker; since when is kept from the first time."""
    write.connection.execute(sentences("worker")["gone"], (write.now, why, due, worker))


def kill(write: Write, worker: int, why: str) -> bool:
    """Mark a worker for the sweeper; False if it has ended or is not known."""
    marked = write.connection.execute(sentences("worker")["kill"], (why, write.now, worker)).rowcount == 1
    if marked:
        write.ring(SWEEPER)
        write.ring(SUBMITTER)
    return marked


def kill_again(write: Write, worker: WorkerId, due: float, why: str) -> None:
    """The batch system was asked: ask again at ``due`` unless the worker has ended by then; the monitor looks at once."""
    write.connection.execute(sentences("worker")["kill_again"], (due, why, worker))
    hurry(write, [worker])


def looked(write: Write, worker: WorkerId, again: float, heartbeat: float | None) -> None:
    """Its letters were read; read them again at ``again`` while it runs."""
    write.connection.execute(sentences("worker")["looked"], (again, heartbeat, worker))


def hurry(write: Write, workers: Iterable[int]) -> None:
    """The monitor shall look at these workers at once."""
    write.connection.execute(sentences("worker")["hurry"], (write.now, json.dumps(list(workers))))
    write.ring(MONITOR)


def told(write: Write, worker: WorkerId, again: float | None, sent: float) -> None:
    """The workload management system was told at ``sent``; a change since then is told next."""
    write.connection.execute(sentences("worker")["told"], (again, worker, sent))


def retire(write: Write, worker: WorkerId, due: float | None, why: str = "") -> None:
    """Nothing is left to do with an ended worker (``due`` None), or the sweeper looks again at ``due``."""
    write.connection.execute(sentences("worker")["retire"], (due, why, worker))


def forget(write: Write, before: float, limit: int) -> int:
    """Drop retired workers without jobs that changed last before ``before``; return how many."""
    ended = (WorkerState.FINISHED, WorkerState.FAILED, WorkerState.CANCELLED, WorkerState.MISSED)
    return sum(write.connection.execute(sentences("worker")["forget"], (state, before, limit)).rowcount for state in ended)


def due(connection: sqlite3.Connection, state: WorkerState, now: float, limit: int) -> list[Worker]:
    """Return workers of a state that want looking at, with the numbers of their jobs."""
    return from_rows(connection, connection.execute(sentences("worker")["due"], (state, now, limit)))


def by_ids(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, Worker]:
    """Return the workers that exist, by number."""
    rows = connection.execute(sentences("worker")["by_ids"], (json.dumps(list(ids)),))
    return {worker.id: worker for worker in from_rows(connection, rows)}


def of_queue(connection: sqlite3.Connection, queue: str, state: WorkerState) -> list[Worker]:
    """Return the workers of one queue in one state."""
    return from_rows(connection, connection.execute(sentences("worker")["of_queue"], (queue, state)))


def to_kill(connection: sqlite3.Connection, now: float, limit: int) -> list[Worker]:
    """Return workers that the sweeper is to end."""
    return from_rows(connection, connection.execute(sentences("worker")["to_kill"], (now, limit)))


def to_look(connection: sqlite3.Connection, now: float, limit: int) -> list[Worker]:
    """Return running workers whose letters are to be read by the clock."""
    return from_rows(connection, connection.execute(sentences("worker")["to_look"], (now, limit)))


def to_tell(connection: sqlite3.Connection, now: float, limit: int) -> list[Worker]:
    """Return workers of which the workload management system is to be told."""
    return from_rows(connection, connection.execute(sentences("worker")["to_tell"], (now, limit)))


def next_due(connection: sqlite3.Connection, states: Iterable[WorkerState]) -> float | None:
    """Return when the next worker of these states wants looking at; None if there is none."""
    times = [connection.execute(sentences("worker")["next_due"], (state,)).fetchone()[0] for state in states]
    return min((time for time in times if time is not None), default=None)


def next_time(connection: sqlite3.Connection, what: str) -> float | None:
    """Return when the next worker is to be killed ("next_kill"), looked at ("next_look") or told of ("next_tell")."""
    time: float | None = connection.execute(sentences("worker")[what]).fetchone()[0]
    return time


def is_active(connection: sqlite3.Connection, queue: str) -> bool:
    """Tell whether the queue has workers in the batch system."""
    return bool(connection.execute(sentences("worker")["is_active"], (queue,)).fetchone()[0])


def counts(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return {(queue, state): number of workers}."""
    return {(queue, state): number for queue, state, number in connection.execute(sentences("worker")["counts"])}


def kind_counts(connection: sqlite3.Connection) -> list[tuple[str, str, str, WorkerState, int]]:
    """Return (queue, job type, resource type, state, number) of workers that have not ended; types are "" where none was said."""
    return [(*row[:3], WorkerState(row[3]), row[4]) for row in connection.execute(sentences("worker")["kind_counts"])]


def queue_counts(connection: sqlite3.Connection, queue: str) -> dict[WorkerState, int]:
    """Return {state: number of workers} of one queue, without those that have ended."""
    rows = connection.execute(sentences("worker")["queue_counts"], (queue,))
    return {WorkerState(state): number for state, number in rows}


def queue_amounts(connection: sqlite3.Connection, queue: str) -> list[tuple[WorkerState, str, str, int, int, int, int]]:
    """Return (state, job type, resource type, how many, cores, megabytes, nodes of unknown memory) of workers that have not ended."""
    return [(WorkerState(row[0]), *row[1:]) for row in connection.execute(sentences("worker")["queue_amounts"], (queue,))]


def batch_queue_counts(connection: sqlite3.Connection) -> dict[tuple[str, WorkerState], int]:
    """Return {(batch queue, state): number of workers} of all queues, without those that have ended."""
    rows = connection.execute(sentences("worker")["batch_queue_counts"])
    return {(name, WorkerState(state)): number for name, state, number in rows}


def untold_jobs(connection: sqlite3.Connection, worker: WorkerId) -> int:
    """Return how many jobs of a worker have not ended and been told."""
    number: int = connection.execute(sentences("worker")["untold_jobs"], (worker,)).fetchone()[0]
    return number


def of_job(connection: sqlite3.Connection, job_id: JobId) -> list[int]:
    """Return the numbers of a job's workers, the newest last."""
    return [row[0] for row in connection.execute(sentences("worker")["by_job"], (job_id,))]


def alive_of_job(connection: sqlite3.Connection, job_id: JobId) -> set[int]:
    """Return the numbers of a job's workers that have not ended."""
    return {row[0] for row in connection.execute(sentences("worker")["alive_of_job"], (job_id,))}


def states_of_jobs(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, list[WorkerState]]:
    """Return {job number: states of all workers that it ever had}; every job asked for stands as a key."""
    states: dict[int, list[WorkerState]] = {job_id: [] for job_id in ids}
    for job_id, state in connection.execute(sentences("worker")["states_of_jobs"], (json.dumps(list(states)),)):
        states[job_id].append(WorkerState(state))
    return states


def latest_of_jobs(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[int, tuple[int, str, str]]:
    """Return {job number: (worker number, batch id, worker state)} for each job's newest worker."""
    rows = connection.execute(sentences("worker")["latest_of_jobs"], (json.dumps(list(ids)),))
    return {row[0]: (row[1], row[2], row[3]) for row in rows}


def from_rows(connection: sqlite3.Connection, rows: Iterable[Row]) -> list[Worker]:
    """Return workers from rows as the queries select them, with the numbers of their jobs."""
    found = list(rows)
    jobs: Mapping[int, list[int]] = {row[0]: [] for row in found}
    for worker_id, job_id in connection.execute(sentences("worker")["jobs_of"], (json.dumps(list(jobs)),)):
        jobs[worker_id].append(job_id)
    return [_worker(row, tuple(jobs[row[0]])) for row in found]


def _worker(row: Row, job_ids: tuple[int, ...]) -> Worker:
    size = WorkerPlan(nodes=row[6], cores=row[7], walltime_s=row[8], ram_mb=row[9], gpus_per_node=row[10])
    return Worker(
        id=WorkerId(row[0]), queue=row[1], map_type=MapType(row[2]), state=WorkerState(row[3]), key=row[4], access_point=row[5],
        plan=size, batch_id=row[11], batch_queue=row[12], native_status=row[13], node=row[14], exit_code=row[15], submissions=row[16],
        tries=row[17], why=row[18], kill=row[19], created=row[20], changed=row[21], submitted=row[22], started=row[23], ended=row[24],
        due=row[25], gone=row[26], heartbeat=row[27], late=bool(row[28]), cause=Cause(row[29]), job_type=row[30],
        resource_type=row[31], sync=bool(row[32]), job_ids=job_ids,
    )
