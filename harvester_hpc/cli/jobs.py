"""``jobs``: list jobs, or show one."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import on_terminal, warn, write_facts, write_json, write_table
from harvester_hpc.cli.times import iso, span
from harvester_hpc.model.file import File
from harvester_hpc.model.job import JOB_LIFECYCLE, Job, JobId, JobState
from harvester_hpc.store import job as jobs
from harvester_hpc.store import look, transfer, worker

HEADINGS = ("job", "queue", "state", "age", "worker", "batch id", "tries", "why")
FILE_HEADINGS = ("kind", "state", "lfn", "bytes", "checksum", "where", "why")
#: Characters of a reason in a list on a terminal; ``show`` and pipes have all of it.
WHY = 60


@click.group(cls=options.Noun)
def command() -> None:
    """List jobs (those that go on; -a for all), or show one."""


@command.command("list")
@options.filters
@options.as_json
@click.pass_obj
def list_jobs(
    instance: Instance, states: tuple[str, ...], everything: bool, queue: str | None, since: float | None, limit: int, as_json: bool
) -> int:
    """List jobs, those that changed last first."""
    now = instance.clock.now()
    wanted = options.wanted(
        JobState, JOB_LIFECYCLE.final, states=states, everything=everything, queue=queue, since=since, limit=limit, now=now,
    )
    with instance.reading() as connection:
        matched = look.job_number(connection, wanted)
        ids = look.job_ids(connection, wanted)
        found = jobs.by_ids(connection, ids)
        workers = worker.latest_of_jobs(connection, ids)
    rows = [(found[JobId(number)], workers.get(number)) for number in ids if number in found]
    if as_json:
        write_json({"matched": matched, "jobs": [_facts(job, its) for job, its in rows]})
    else:
        write_table(HEADINGS, [_row(job, its, now) for job, its in rows])
        if len(rows) < matched:
            warn(f"{len(rows)} of {matched} jobs; --limit 0 for all")
    return Exit.DONE if rows else Exit.NOTHING


@command.command("show")
@click.argument("job_id", type=int, metavar="JOB")
@options.as_json
@click.pass_obj
def show_job(instance: Instance, job_id: int, as_json: bool) -> int:
    """Show all that is known of one job."""
    with instance.reading() as connection:
        found = list(jobs.by_ids(connection, [job_id]).values())
        found = jobs.with_attributes(connection, jobs.with_params(connection, jobs.with_files(connection, found)))
        tried = transfer.whys_of_job(connection, job_id)
        workers = [worker.by_ids(connection, [number])[number] for number in (worker.of_job(connection, found[0].id) if found else ())]
    if not found:
        warn(f"no job {job_id} is known here; it may not have been fetched yet, or it ended long ago")
        return Exit.NOTHING
    job = replace(found[0], files=tuple(_so_far(file, tried) for file in found[0].files))
    latest = workers[-1] if workers else None
    facts = _facts(job, (latest.id, latest.batch_id, latest.state) if latest else None)
    if as_json:
        write_json({**facts, "workers": [one.id for one in workers], "files": [_file_facts(file) for file in job.files],
                    "attributes": dict(job.attributes), "params": dict(job.params)})
        return Exit.DONE
    write_facts({**facts, "workers": ", ".join(str(one.id) for one in workers)})
    if job.files:
        click.echo()
        write_table(FILE_HEADINGS, [_file_row(file) for file in job.files])
    return Exit.DONE


def _so_far(file: File, tried: Mapping[int, tuple[int, str]]) -> File:
    """Return a file with why it did not arrive so far, if it is on its way."""
    if file.why or file.id not in tried:
        return file
    tries, why = tried[file.id]
    return replace(file, tries=tries, why=why)


def _facts(job: Job, its: tuple[int, str, str] | None) -> dict[str, Any]:
    return {
        "job": job.id, "queue": job.queue, "state": job.state.value, "outcome": job.outcome.value if job.outcome else None,
        "attempt": job.attempt, "task": job.task_id, "priority": job.priority, "cores": job.cores, "memory_mb": job.ram_mb,
        "walltime_s": job.walltime_s, "tries": job.tries, "submissions": job.submissions, "why": job.why, "cancel": job.cancel,
        "worker": its[0] if its else None, "batch_id": its[1] if its else "", "worker_state": str(its[2]) if its else None,
        "created": iso(job.created), "changed": iso(job.changed),
    }


def _row(job: Job, its: tuple[int, str, str] | None, now: float) -> tuple[object, ...]:
    why = job.cancel or job.why
    if on_terminal() and len(why) > WHY:
        why = f"{why[:WHY - 1]}…"
    number, batch_id = (its[0], its[1]) if its else (None, "")
    return (int(job.id), job.queue, job.state.value, span(now - job.changed), number, batch_id, job.tries, why)


def _file_facts(file: File) -> dict[str, Any]:
    return {
        "kind": file.kind.value, "state": file.state.value, "lfn": file.lfn, "size": file.size, "checksum": file.checksum,
        "path": file.path, "url": file.url, "guid": file.guid, "tries": file.tries, "why": file.why,
    }


def _file_row(file: File) -> tuple[object, ...]:
    return (file.kind.value, file.state.value, file.lfn, file.size, file.checksum, file.url or file.path, file.why)
