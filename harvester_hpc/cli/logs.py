"""``logs``: the last lines of what a worker and its payload have written."""
from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json
from harvester_hpc.model.file import FileKind
from harvester_hpc.model.job import JobId
from harvester_hpc.model.worker import Worker
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers

#: In an access point (batch.log of the batch script; the payload's own in the job's folder).
NAMES = ("batch.log", "payload.stdout", "payload.stderr")
#: Bytes from the end of a file that are looked at for its last lines.
END_BYTES = 1 << 20


@click.command()
@click.argument("worker_id", required=False, type=int, metavar="[WORKER]")
@click.option("--job", "job_id", type=int, metavar="JOB", help="Of all workers of a job.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=20, show_default=True, help="Last lines of each file.")
@click.option("--paths", is_flag=True, help="Only say where the files lie.")
@options.as_json
@click.pass_obj
def command(instance: Instance, worker_id: int | None, job_id: int | None, lines: int, paths: bool, as_json: bool) -> int:
    """Show the logs of a worker, or of a job: where they lie, and their last lines."""
    if (worker_id is None) == (job_id is None):
        raise click.UsageError("name a worker, or a job with --job")
    found, staged = _workers(instance, worker_id, job_id)
    files = [file for worker in found for file in _files(worker)]
    if as_json:
        write_json({"files": [_facts(file, lines, paths) for file in files], "staged_out": staged})
    else:
        _write(files, staged, lines, paths)
    if not files and not staged:
        warn(_nothing(found, worker_id, job_id))
    return Exit.DONE if files or staged else Exit.NOTHING


def _workers(instance: Instance, worker_id: int | None, job_id: int | None) -> tuple[list[Worker], list[str]]:
    """Return the workers that are meant, the newest last, and where the logs of their jobs have been put."""
    with instance.reading() as connection:
        ids = [worker_id] if worker_id is not None else workers.of_job(connection, JobId(job_id or 0))
        by_number = workers.by_ids(connection, ids)
        load = [job_id] if job_id is not None else [job for worker in by_number.values() for job in worker.job_ids]
        with_files = jobs.with_files(connection, list(jobs.by_ids(connection, load).values()))
    staged = [file.url for job in with_files for file in job.files if file.kind is FileKind.LOG and file.url]
    return [by_number[number] for number in sorted(by_number)], staged


def _files(worker: Worker) -> Iterator[Path]:
    """Give the logs that are there: in the access point, and in the folder of each job."""
    point = Path(worker.access_point)
    for folder in (point, *(point / str(job_id) for job_id in worker.job_ids)):
        yield from (folder / name for name in NAMES if (folder / name).is_file())


def _facts(file: Path, lines: int, paths: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": str(file), "bytes": file.stat().st_size}
    return facts if paths else {**facts, "lines": last_lines(file, lines)}


def last_lines(file: Path, number: int) -> list[str]:
    """Return the last lines of a file, without their ends; at most those of its last 1 MiB."""
    with file.open("rb") as stream:
        stream.seek(0, os.SEEK_END)
        stream.seek(max(0, stream.tell() - END_BYTES))
        return [line.decode(errors="replace").rstrip("\r\n") for line in deque(stream, maxlen=number)]


def _write(files: list[Path], staged: list[str], lines: int, paths: bool) -> None:
    for file in files:
        click.echo(str(file) if paths else f"==> {file} <==")
        if not paths:
            for line in last_lines(file, lines):
                click.echo(line)
            click.echo()
    for url in staged:
        click.echo(f"staged out: {url}")


def _nothing(found: list[Worker], worker_id: int | None, job_id: int | None) -> str:
    if not found:
        return f"no worker {worker_id} is known here" if worker_id is not None else f"job {job_id} is not known here, or had no worker yet"
    return f"no logs (yet, or any more) in {', '.join(worker.access_point for worker in found)}"
