"""Jobs and their files in the store."""
from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from harvester_hpc.messenger.values import DeclaredFile
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.event import has_events
from harvester_hpc.model.file import File, FileId, FileKind, FileState
from harvester_hpc.model.job import Job, JobId, JobState, JobStep, Outcome
from harvester_hpc.model.turn import JOB_FETCHER, JOB_TURN, MESSENGER, PROPAGATOR, SWEEPER
from harvester_hpc.ports.outcome import FileNews
from harvester_hpc.store import event as events
from harvester_hpc.store.database import Write
from harvester_hpc.store.sql import sentences

Row = tuple[Any, ...]


def insert(write: Write, jobs: Iterable[Job]) -> list[JobId]:
    """Store fetched jobs with their files and a report of each; return those that were not known before.

    A job that ended, was told and comes again with a higher attempt starts anew.
    """
    sql = sentences("job")
    return [job.id for job in jobs if _insert_one(write, sql, job)]


def _insert_one(write: Write, sql: Mapping[str, str], job: Job) -> bool:
    run = write.connection.execute
    run(sql["forget_older_attempt"], (job.id, job.attempt))
    created = run(
        sql["insert"],
        (job.id, job.queue, job.state, job.attempt, job.task_id, job.priority, job.resource_type, job.cores, job.ram_mb,
         job.walltime_s, job.why, write.now, write.now, None if job.state not in JOB_TURN else write.now, job.cause),
    ).rowcount
    if not created:
        return False
    run(sql["insert_params"], (job.id, json.dumps(dict(job.params), separators=(",", ":"))))
    _insert_files(write, job.files)
    if has_events(job.params):
        events.open_job(write, job.id)
    run(sentences("report")["put"], (job.id, job.state, write.now))
    write.ring(JOB_TURN.get(job.state))
    write.ring(PROPAGATOR)
    return True


def _insert_files(write: Write, files: Sequence[File]) -> None:
    if files:
        write.connection.executemany(
            sentences("file")["insert"],
            [(file.job_id, file.kind, file.lfn, file.state, file.scope, file.dataset, file.endpoint, file.guid, file.size,
              file.checksum, file.path) for file in files],
        )


def make(write: Write, steps: Iterable[JobStep]) -> list[JobId]:
    """Make steps; return the jobs whose step came too late (their state was no longer ``before``) and was dropped."""
    sql, put = sentences("job")["step"], sentences("report")["put"]
    run, now = write.connection.execute, write.now
    stale = []
    prepared = False
    for step in steps:
        made = run(sql, (step.after, step.due, step.tries, step.why, step.outcome, step.cause, now, step.job_id, step.before)).rowcount
        if not made:
            stale.append(step.job_id)
            continue
        prepared |= step.after is JobState.PREPARED and step.before is not step.after
        if step.before is JobState.SUBMITTED:
            write.ring(JOB_FETCHER)  # there is room for another one that waits
        if step.report:
            run(put, (step.job_id, step.after, now))
            write.ring(PROPAGATOR)
        if step.before is not step.after or (step.due is not None and step.due <= now):
            write.ring(JOB_TURN.get(step.after))
    if prepared and run(sentences("job_request")["wake"], (now,)).rowcount:
        write.ring(MESSENGER)  # a worker waits for a job
    return stale


def uncount(write: Write, ids: Iterable[JobId]) -> None:
    """The last submission of these jobs does not count against them."""
    write.connection.executemany(sentences("job")["uncount"], [(job_id,) for job_id in ids])


def due(connection: sqlite3.Connection, state: JobState, now: float, limit: int) -> list[Job]:
    """Return at most ``limit`` jobs of a state that want looking at, without params, attributes and files."""
    return [_job(row) for row in connection.execute(sentences("job")["due"], (state, now, limit))]


def next_due(connection: sqlite3.Connection, states: Iterable[JobState]) -> float | None:
    """Return when the next job of these states wants looking at (seconds since 1970); None if there is none."""
    times = [connection.execute(sentences("job")["next_due"], (state,)).fetchone()[0] for state in states]
    return min((time for time in times if time is not None), default=None)


def pick(connection: sqlite3.Connection, queue: str, limit: int) -> list[Job]:
    """Return prepared jobs of a queue in the order in which they get workers (priority, then number)."""
    return [_job(row) for row in connection.execute(sentences("job")["pick"], (queue, limit))]


def cancelled_before_their_worker(connection: sqlite3.Connection, limit: int) -> list[Job]:
    """Return prepared jobs of any queue that are to be cancelled."""
    return [_job(row) for row in connection.execute(sentences("job")["cancelled_before_their_worker"], (limit,))]


def of_queue(connection: sqlite3.Connection, queue: str, state: JobState, limit: int) -> list[Job]:
    """Return jobs of a queue in one state, in the order in which they get workers."""
    return [_job(row) for row in connection.execute(sentences("job")["of_queue"], (queue, state, limit))]


def by_ids(connection: sqlite3.Connection, ids: Iterable[int]) -> dict[JobId, Job]:
    """Return the jobs that exist, by number."""
    rows = connection.execute(sentences("job")["by_ids"], (json.dumps(list(ids)),))
    return {JobId(row[0]): _job(row) for row in rows}


def of_workers(connection: sqlite3.Connection, workers: Iterable[int]) -> dict[int, list[Job]]:
    """Return {worker number: its jobs}; every worker asked for stands as a key."""
    jobs: dict[int, list[Job]] = {worker: [] for worker in workers}
    for row in connection.execute(sentences("job")["of_workers"], (json.dumps(list(jobs)),)):
        jobs[row[0]].append(_job(row[1:]))
    return jobs


def with_files(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[Job]:
    """Return the same jobs with their files."""
    files = _files(connection, jobs)
    return [replace(job, files=tuple(files[job.id])) for job in jobs]


def with_files_and_params(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[Job]:
    """Return the same jobs with their files and the dictionaries of the workload management system."""
    files, params = _files(connection, jobs), _documents(connection, sentences("job")["params"], jobs)
    return [replace(job, files=tuple(files[job.id]), params=params.get(job.id, {})) for job in jobs]


def with_files_and_attributes(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[Job]:
    """Return the same jobs with their files and what their workers told."""
    files, attributes = _files(connection, jobs), _documents(connection, sentences("job")["attributes"], jobs)
    return [replace(job, files=tuple(files[job.id]), attributes=attributes.get(job.id, {})) for job in jobs]


def _files(connection: sqlite3.Connection, jobs: Sequence[Job]) -> dict[int, list[File]]:
    files: dict[int, list[File]] = {job.id: [] for job in jobs}
    for row in connection.execute(sentences("file")["of_jobs"], (json.dumps(list(files)),)):
        files[row[1]].append(_file(row))
    return files


def with_params(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[Job]:
    """Return the same jobs with the dictionaries of the workload management system."""
    params = _documents(connection, sentences("job")["params"], jobs)
    return [replace(job, params=params.get(job.id, {})) for job in jobs]


def with_attributes(connection: sqlite3.Connection, jobs: Sequence[Job]) -> list[Job]:
    """Return the same jobs with what their workers told."""
    attributes = _documents(connection, sentences("job")["attributes"], jobs)
    return [replace(job, attributes=attributes.get(job.id, {})) for job in jobs]


def _documents(connection: sqlite3.Connection, sql: str, jobs: Sequence[Job]) -> dict[int, dict[str, Any]]:
    return {row[0]: json.loads(row[1]) for row in connection.execute(sql, (json.dumps([job.id for job in jobs]),))}


def set_attributes(write: Write, attributes: Mapping[int, Mapping[str, Any]]) -> None:
    """Keep the newest word of the workers, {job number: attributes}."""
    write.connection.executemany(
        sentences("job")["set_attributes"],
        [(job_id, json.dumps(dict(told), separators=(",", ":"))) for job_id, told in attributes.items()],
    )


def declare(write: Write, files: Iterable[DeclaredFile]) -> None:
    """Take files that a worker declared; a second word about the same file changes nothing."""
    write.connection.executemany(
        sentences("file")["declare"],
        [(file.job_id, file.kind, file.lfn, file.guid, file.size, file.checksum, file.path) for file in files],
    )


def take_file_news(write: Write, news: Iterable[FileNews]) -> None:
    """Make the steps of files; a file in a final state is left alone."""
    write.connection.executemany(
        sentences("file")["step"],
        [(one.state, one.path, one.url, one.size, one.checksum, one.why, one.file_id) for one in news],
    )


def give_up_files(write: Write, job_id: JobId, state: FileState, why: str) -> None:
    """Mark the files of a job that are still in ``state`` as failed."""
    write.connection.execute(sentences("file")["give_up"], (why, job_id, state))


def cancel(write: Write, job_id: JobId, why: str) -> bool:
    """Mark a job for its owner to cancel; False if it has ended or is not known."""
    marked = write.connection.execute(sentences("job")["cancel"], (why, write.now, job_id)).rowcount == 1
    if marked:
        row = write.connection.execute("SELECT state FROM job WHERE job_id = ?", (job_id,)).fetchone()
        write.ring(JOB_TURN.get(JobState(row[0])))
    return marked


def release(write: Write, job_id: JobId, due: float) -> None:
    """The end of the job was told: its row may go at ``due``."""
    write.connection.execute(sentences("job")["release"], (due, job_id))
    write.ring(SWEEPER)


def forget(write: Write, ids: Iterable[JobId]) -> None:
    """Drop jobs that have ended and were told."""
    write.connection.executemany(sentences("job")["forget"], [(job_id,) for job_id in ids])


def counts(connection: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return {(queue, state): number of jobs}."""
    return {(queue, state): number for queue, state, number in connection.execute(sentences("job")["counts"])}


def queue_counts(connection: sqlite3.Connection, queue: str) -> dict[JobState, int]:
    """Return {state: number of jobs} of one queue, without those that have ended."""
    return {JobState(state): number for state, number in connection.execute(sentences("job")["queue_counts"], (queue,))}


def queue_amounts(connection: sqlite3.Connection, queue: str) -> list[tuple[JobState, str, int, int]]:
    """Return (state, type of resources, how many, cores in all) of the jobs of one queue that have not ended."""
    return [(JobState(row[0]), row[1], row[2], row[3]) for row in connection.execute(sentences("job")["queue_amounts"], (queue,))]


def pick_by_type(connection: sqlite3.Connection, queue: str, limit: int) -> dict[str, list[Job]]:
    """Return {type of resources: its prepared jobs, at most ``limit``, in the order in which they get workers}."""
    sql = sentences("job")
    types = [name for state, name, _, _ in queue_amounts(connection, queue) if state is JobState.PREPARED]
    return {name: [_job(row) for row in connection.execute(sql["pick_type"], (queue, name, limit))] for name in types}


def _job(row: Row) -> Job:
    return Job(
        id=JobId(row[0]), queue=row[1], state=JobState(row[2]), outcome=None if row[3] is None else Outcome(row[3]),
        attempt=row[4], task_id=row[5], priority=row[6], resource_type=row[7], cores=row[8], ram_mb=row[9], walltime_s=row[10],
        tries=row[11], submissions=row[12], why=row[13], cancel=row[14], created=row[15], changed=row[16], due=row[17],
        cause=Cause(row[18]),
    )


def _file(row: Row) -> File:
    return File(
        id=FileId(row[0]), job_id=row[1], kind=FileKind(row[2]), lfn=row[3], state=FileState(row[4]), scope=row[5], dataset=row[6],
        endpoint=row[7], guid=row[8], size=row[9], checksum=row[10], path=row[11], url=row[12], tries=row[13], why=row[14],
    )
