"""``logs``: what a worker and its payload have written: here, where people far away find it, and in the monitor."""
from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.log_text import END_BYTES, Writer, last_blocks, last_lines
from harvester_hpc.cli.paper import warn, write_json
from harvester_hpc.errors import StoreUnusable
from harvester_hpc.model.file import FileKind
from harvester_hpc.model.job import JOB_LIFECYCLE, Job, JobId
from harvester_hpc.model.worker import WORKER_LIFECYCLE, Worker
from harvester_hpc.model.worker_log import BATCH_NAME, ERROR_NAME, OUT_NAME, LogKind
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers
from harvester_hpc.store import worker_log as worker_logs

__all__ = ["END_BYTES", "command", "last_lines"]

#: In an access point (the batch script's; the payload's own in the job's folder).
NAMES: Mapping[LogKind, str] = {LogKind.BATCH: BATCH_NAME, LogKind.STDOUT: OUT_NAME, LogKind.STDERR: ERROR_NAME}


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What the command is about.

    Attributes:
        workers: the newest last.
        published: (worker, kind, address) of what is shown far away, also of workers that are forgotten here.
        staged: where the log files of the jobs have been put.
    """

    workers: Sequence[Worker]
    jobs: Sequence[Job]
    published: Sequence[tuple[int, str, str]]
    staged: Sequence[str]

    def files(self, kinds: Collection[LogKind]) -> Iterator[Path]:
        """Give the logs, there or not: in the access points, and in the folder of each job."""
        for worker in self.workers:
            point = Path(worker.access_point)
            for folder in (point, *(point / str(job_id) for job_id in worker.job_ids)):
                yield from (folder / name for kind, name in NAMES.items() if kind in kinds)

    def is_over(self) -> bool:
        """Tell whether nothing is written any more."""
        ended = all(WORKER_LIFECYCLE.is_final(worker.state) for worker in self.workers)
        return ended and all(JOB_LIFECYCLE.is_final(job.state) for job in self.jobs)


@click.command()
@click.argument("number", required=False, type=int, metavar="[WORKER|JOB]")
@click.option("--job", "job_id", type=int, metavar="JOB", help="Of all workers of a job.")
@click.option("-n", "--lines", type=click.IntRange(min=0), default=20, show_default=True, help="Last lines of each file.")
@click.option("-f", "--follow", "follows", is_flag=True, help="Go on with what is written, until the worker has ended.")
@click.option("--stdout", "kinds", flag_value=LogKind.STDOUT.value, multiple=True, help="Only what payloads print.")
@click.option("--stderr", "kinds", flag_value=LogKind.STDERR.value, multiple=True, help="Only what payloads complain of.")
@click.option("--batch", "kinds", flag_value=LogKind.BATCH.value, multiple=True, help="Only what the batch script prints.")
@click.option("--paths", is_flag=True, help="Only say where the files lie.")
@click.option("--url", "urls", is_flag=True, help="Only say where people far away find them.")
@click.option("--bigpandamon", is_flag=True, help="Only say which pages of BigPandaMon are about it, or about us.")
@options.as_json
@click.pass_obj
def command(
    instance: Instance, number: int | None, job_id: int | None, lines: int, follows: bool, kinds: tuple[str, ...], paths: bool, urls: bool,
    bigpandamon: bool, as_json: bool,
) -> int:
    """Show the logs of a worker, or of a job: where they lie, and their last lines.

    A number that no worker has is that of a job.
    """
    if bigpandamon:
        return _pages(instance, number, job_id, as_json)
    if (number is None) == (job_id is None):
        raise click.UsageError("name a worker, or a job with --job")
    if follows and (as_json or paths or urls):
        raise click.UsageError("--follow goes with text only")
    wanted = frozenset(LogKind(kind) for kind in kinds) or frozenset(LogKind)
    subject = _subject(instance, number, job_id)
    if follows and subject.workers:
        _follow(subject, lambda: _subject(instance, number, job_id), wanted, lines)
        return Exit.DONE
    if _show(subject, wanted, lines, paths=paths, urls=urls, as_json=as_json):
        return Exit.DONE
    return _nothing(subject, number, job_id, urls=urls)


def _show(subject: Subject, wanted: Collection[LogKind], lines: int, *, paths: bool, urls: bool, as_json: bool) -> bool:
    """Write what there is; tell whether there is anything."""
    files = [] if urls else [file for file in subject.files(wanted) if file.is_file()]
    published = [one for one in subject.published if one[1] in wanted]
    staged = subject.staged if set(wanted) == set(LogKind) and not urls else ()
    if as_json:
        shown = [{"worker": worker, "log": kind, "url": url} for worker, kind, url in published]
        write_json({"files": [_facts(file, lines, paths) for file in files], "published": shown, "staged_out": list(staged)})
    else:
        _write(files, lines, paths)
        _tell(published, staged, urls=urls)
    return bool(files or published or staged)


def _subject(instance: Instance, number: int | None, job_id: int | None) -> Subject:
    with instance.reading() as connection:
        ids = [number] if number is not None else workers.of_job(connection, JobId(job_id or 0))
        known = workers.by_ids(connection, ids)
        logs = worker_logs.by_ids(connection, ids)
        if number is not None and not known and not logs and jobs.by_ids(connection, [number]):
            ids, job_id = workers.of_job(connection, JobId(number)), number
            known, logs = workers.by_ids(connection, ids), worker_logs.by_ids(connection, ids)
        load = [job_id] if job_id is not None else [job for worker in known.values() for job in worker.job_ids]
        with_files = jobs.with_files(connection, list(jobs.by_ids(connection, load).values()))
    return Subject(
        workers=[known[one] for one in sorted(known)], jobs=with_files if job_id is not None else (),
        published=[(one, copy.kind, copy.url) for one in sorted(logs) for copy in logs[one].copies],
        staged=[file.url for job in with_files for file in job.files if file.kind is FileKind.LOG and file.url],
    )


def _facts(file: Path, lines: int, paths: bool) -> dict[str, Any]:
    facts: dict[str, Any] = {"path": str(file), "bytes": file.stat().st_size}
    return facts if paths else {**facts, "lines": last_lines(file, lines)}


def _write(files: Sequence[Path], lines: int, paths: bool) -> None:
    writer = Writer()
    for file in files:
        click.echo(str(file) if paths else f"==> {file} <==")
        if not paths:
            for block in last_blocks(file, lines):
                writer.write(file, block)
            click.echo()


def _tell(published: Sequence[tuple[int, str, str]], staged: Sequence[str], *, urls: bool) -> None:
    for worker, kind, url in published:
        click.echo(f"{worker} {kind} {url}" if urls else f"published: {url}")
    for url in staged:
        click.echo(f"staged out: {url}")


def _follow(first: Subject, subject: Callable[[], Subject], wanted: Collection[LogKind], lines: int) -> None:
    from harvester_hpc.cli.log_following import Followed, follow

    writer, last, known = Writer(), [Path()], [first]

    def write(file: Path, block: bytes) -> None:
        if file != last[0]:
            click.echo(f"==> {file} <==" if last[0] == Path() else f"\n==> {file} <==")
            last[0] = file
        writer.write(file, block)

    def look() -> Followed:
        with suppress(StoreUnusable):  # busy: what was known goes on
            known[0] = subject()
        return Followed(files=list(known[0].files(wanted)), over=known[0].is_over())

    follow(look, lines, write, threading.Event().wait)


def _pages(instance: Instance, number: int | None, job_id: int | None, as_json: bool) -> int:
    from harvester_hpc.cli.log_pages import pages_of

    configuration = instance.configuration()
    base, name = configuration.bigpandamon, configuration.instance
    if number is None and job_id is None:
        pages = pages_of(base, name, (), ())
    else:
        found = _subject(instance, number, job_id)
        ids = [int(job.id) for job in found.jobs] or [one for worker in found.workers for one in worker.job_ids]
        pages = pages_of(base, name, [worker.id for worker in found.workers], ids)
        if not found.workers and not ids:
            return _nothing(found, number, job_id, urls=False)
    if as_json:
        write_json(pages)
        return Exit.DONE
    width = max(map(len, pages))
    for what, page in pages.items():
        click.echo(f"{what.ljust(width)}  {page}")
    return Exit.DONE


def _nothing(subject: Subject, number: int | None, job_id: int | None, *, urls: bool) -> Exit:
    warn(_why_nothing(subject, number, job_id, urls=urls))
    return Exit.NOTHING


def _why_nothing(subject: Subject, number: int | None, job_id: int | None, *, urls: bool) -> str:
    if not subject.workers:
        return f"no worker {number} is known here" if number is not None else f"job {job_id} is not known here, or had no worker yet"
    if urls:
        return "nothing of it is shown to people far away: no logExposer, not yet, or not any more (docs/logs.md)"
    return f"no logs (yet, or any more) in {', '.join(worker.access_point for worker in subject.workers)}"
