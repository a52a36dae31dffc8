"""The demo from its first to its last act."""
from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click

from harvester_hpc.cli.demo import NEEDS, jumbo, payload
from harvester_hpc.cli.demo.folder import JUMBO_PICTURE, PICTURE, QUEUE, prepare
from harvester_hpc.cli.demo.histogram import draw, merged
from harvester_hpc.cli.demo.progress import watch
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_table
from harvester_hpc.cli.start import launch, wait_for
from harvester_hpc.cli.wms import inbox_of
from harvester_hpc.errors import HarvesterError
from harvester_hpc.model.file import FileKind
from harvester_hpc.model.job import Job, JobState
from harvester_hpc.model.worker import Worker
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers

START_S = 60.0
STOP_S = 60.0


def perform(site: str, folder: Path, n_jobs: int, events: int, ranges: int, timeout_s: float) -> int:
    """Run the demo; return the exit code: 1 if any job has failed.

    Raises:
        HarvesterError: it cannot be run, or has not ended in time.
    """
    missing = [name for name in NEEDS if find_spec(name) is None]
    if missing:
        raise HarvesterError(f"the demo needs {', '.join(missing)}", remedy="pip install 'harvester_hpc[demo]'")
    began = time.monotonic()
    instance = prepare(folder, site)
    ids = inbox_of(instance.configuration()).submit_jobs([_description(number, events) for number in range(1, n_jobs + 1)])
    click.echo(f"{n_jobs} jobs of {events} events each, on {site}, in {folder}")
    lacking = jumbo.missing(site) if ranges else ""
    with _running(instance) as process:
        ended = watch(instance, ids, process, timeout_s)
        code = _end(instance, ended, time.monotonic() - began)
        if lacking:
            warn(f"the jumbo job is left out: it needs {lacking} (pip install 'harvester_hpc[demo]')")
        elif ranges:
            _jumbo(instance, process, ranges, timeout_s, local=site == "local")
    return code


def _jumbo(instance: Instance, process: subprocess.Popen[bytes], ranges: int, timeout_s: float, *, local: bool) -> None:
    """Run a job of event ranges, kill one of its workers half-way, and count every range.

    Raises:
        HarvesterError: it has not finished, or a range is missing or counted twice.
    """
    click.echo(f"\n1 jumbo job of {ranges} event ranges of {jumbo.EVENTS_IN_A_RANGE} events each, shared by 2 workers of 4 MPI ranks each")
    (job_id,) = inbox_of(instance.configuration()).submit_jobs([jumbo.description(ranges)])
    killer = jumbo.Killer(instance, job_id, ranges, local)
    (job,) = watch(instance, [job_id], process, timeout_s, killer.look)
    if job.state is not JobState.FINISHED:
        remedy = f"harvester-hpc --home {instance.home} jobs show {job_id}"
        raise HarvesterError(f"the jumbo job is {job.state}", why=job.why, remedy=remedy)
    if killer.worker is None:
        warn("no worker was killed half-way: the last one had ended before")
    with instance.reading() as connection:
        (whole,) = jobs.with_files(connection, [job])
    zips = jumbo.zips_of(whole.files, path_of)
    histogram = jumbo.counted(zips, ranges)
    found = jumbo.shares(instance, job_id)
    click.echo()
    write_table(
        ("worker", "state", "batch id", "ranges", "ranges/s", "busy share", ""),
        [(int(one.worker.id), one.worker.state.value, one.worker.batch_id, one.ranges, one.rate, one.busy,
          f"killed when {killer.done_then} were done" if one.worker.id == killer.worker else "") for one in found],
    )
    picture = instance.home / JUMBO_PICTURE
    draw(histogram, picture)
    seconds = jumbo.seconds_of(found)
    click.echo()
    write_table(("what", "value"), [
        ("ranges, each counted once", str(ranges)), ("events", str(histogram.events)), ("zips", str(len(zips))),
        ("ranges a second, start and kill included", f"{ranges / seconds:.1f}"), ("charged particles an event", f"{histogram.mean:.1f}"),
        ("picture", str(picture)),
    ])


def _description(number: int, events: int) -> dict[str, Any]:
    output = "multiplicity.{PandaID}.json"
    return {
        "name": f"demo-{number}", "queue": QUEUE, "executable": sys.executable, "outputs": [output], "cores": 1, "walltime": 600,
        "arguments": [str(Path(payload.__file__).resolve()), "--events", events, "--seed", number, "--output", output],
    }


@contextmanager
def _running(instance: Instance) -> Iterator[subprocess.Popen[bytes]]:
    """Run the instance in a process of its own, and stop it in the end."""
    process, console = launch(instance)
    try:
        wait_for(instance, process, console, START_S)
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _end(instance: Instance, ended: Sequence[Job], seconds: float) -> int:
    with instance.reading() as connection:
        load = jobs.with_files(connection, ended)
        used = workers.by_ids(connection, [number for job in load for number in workers.of_job(connection, job.id)])
    by_job = {job_id: worker for worker in used.values() for job_id in worker.job_ids}
    click.echo()
    write_table(
        ("job", "state", "worker", "batch id", "node", "seconds", "output", "checksum"),
        [_row(job, by_job.get(job.id)) for job in load],
    )
    failed = [job for job in load if job.state is not JobState.FINISHED]
    for job in failed:
        warn(f"job {job.id} {job.state}: {job.why or 'no reason is known'}; look: harvester-hpc --home {instance.home} logs --job {job.id}")
    if failed:
        raise HarvesterError(f"{len(failed)} of {len(load)} jobs have not finished", why=failed[0].why)
    _summary(instance, load, list(used.values()), seconds)
    return Exit.DONE


def _row(job: Job, worker: Worker | None) -> tuple[object, ...]:
    output = next((file for file in job.files if file.kind is FileKind.OUTPUT), None)
    ran = round(worker.ended - worker.started, 1) if worker and worker.started and worker.ended else None
    return (
        int(job.id), job.state.value, int(worker.id) if worker else None, worker.batch_id if worker else "", worker.node if worker else "",
        ran, output.lfn if output else "", output.checksum if output else "",
    )


def _summary(instance: Instance, load: Sequence[Job], used: Sequence[Worker], seconds: float) -> None:
    outputs = [path_of(file.url) for job in load for file in job.files if file.kind is FileKind.OUTPUT]
    histogram = merged(outputs)
    picture = instance.home / PICTURE
    draw(histogram, picture)
    click.echo()
    write_table(("what", "value"), [
        ("jobs finished", str(len(load))), ("workers", workers_said(used)), ("events", str(histogram.events)),
        ("charged particles an event", f"{histogram.mean:.1f}"), ("seconds", f"{seconds:.1f}"),
        ("outputs", str(outputs[0].parent.parent)), ("logs of the workers", str(Path(used[0].access_point).parent)),
        ("log of the daemon", str(instance.state_dir / "log" / "daemon.log")), ("picture", str(picture)),
    ])


def workers_said(used: Sequence[Worker]) -> str:
    """Return how many workers there were in which state: ``5 finished, 1 failed``."""
    counted = Counter(worker.state.value for worker in used)
    return ", ".join(f"{number} {state}" for state, number in counted.items())


def path_of(url: str) -> Path:
    """Return the path of a ``file://`` URL."""
    return Path(unquote(urlsplit(url).path))
