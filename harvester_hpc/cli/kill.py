"""``kill``: jobs, or workers."""
from __future__ import annotations

import sys

import click

from harvester_hpc.app import send_command
from harvester_hpc.cli import options
from harvester_hpc.cli.asking import present, result_of
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json
from harvester_hpc.errors import HarvesterError, StoreMissing
from harvester_hpc.model.command import CommandKind
from harvester_hpc.model.job import JOB_LIFECYCLE
from harvester_hpc.model.worker import WORKER_LIFECYCLE
from harvester_hpc.store import job as jobs
from harvester_hpc.store import worker as workers

#: Seconds to wait for the answer of a running instance.
ANSWER_S = 15.0


@click.command()
@click.argument("job_ids", nargs=-1, type=int, metavar="[JOB]...")
@click.option("--worker", "worker_ids", multiple=True, type=int, metavar="WORKER", help="Kill a worker, and with it what it runs.")
@click.option("--why", default="", help="Reason, for the log and the workload management system.")
@click.option("--no-wait", is_flag=True, help="Do not wait for the instance's answer.")
@options.yes
@options.as_json
@click.pass_obj
def command(
    instance: Instance, job_ids: tuple[int, ...], worker_ids: tuple[int, ...], why: str, no_wait: bool, yes: bool, as_json: bool
) -> int:
    """Kill jobs, or workers. What is asked is kept until an instance runs and does it.

    A job that this instance has not fetched yet is killed in the workload management system, where that is possible.
    """
    if bool(job_ids) == bool(worker_ids):
        raise click.UsageError("name jobs, or workers with --worker")
    what, asked = ("jobs", job_ids) if job_ids else ("workers", worker_ids)
    alive = _alive(instance, what, asked)
    if not _is_wanted(f"kill {len(asked)} {what} ({len(alive)} of them go on here)?", yes):
        click.echo("nothing was killed")
        return Exit.NOTHING
    elsewhere = _killed_elsewhere(instance, asked, alive) if job_ids else 0
    sent, answer = "", None
    if alive:
        kind = CommandKind.KILL_JOBS if job_ids else CommandKind.KILL_WORKERS
        sent = send_command(instance.state_dir, kind, alive, why)
        if not no_wait and present(instance).running:
            answer = result_of(instance, sent, ANSWER_S)
    if as_json:
        write_json({"asked": len(asked), "alive": len(alive), "not_fetched_yet": elsewhere, "command": sent, "answer": answer})
    else:
        _tell(what, asked, alive, elsewhere, answer)
    return Exit.DONE if alive or elsewhere else Exit.NOTHING


def _alive(instance: Instance, what: str, ids: tuple[int, ...]) -> tuple[int, ...]:
    try:
        with instance.reading() as connection:
            if what == "workers":
                found = workers.by_ids(connection, ids).values()
                return tuple(one.id for one in found if not WORKER_LIFECYCLE.is_final(one.state))
            return tuple(one.id for one in jobs.by_ids(connection, ids).values() if not JOB_LIFECYCLE.is_final(one.state))
    except StoreMissing:
        return ()


def _killed_elsewhere(instance: Instance, asked: tuple[int, ...], alive: tuple[int, ...]) -> int:
    """Kill in the workload management system what our store does not know; return how many."""
    unknown = _unknown(instance, tuple(job for job in asked if job not in alive))
    if not unknown:
        return 0
    from harvester_hpc.cli.wms import inbox_of

    try:
        inbox = inbox_of(instance.configuration())
    except HarvesterError as error:
        warn(f"{len(unknown)} jobs are not known here, and the workload management system cannot be asked: {error}")
        return 0
    killed = 0
    for job_id in unknown:
        try:
            inbox.kill_job(job_id)
            killed += 1
        except HarvesterError as error:
            warn(f"job {job_id}: {error}")
    return killed


def _unknown(instance: Instance, ids: tuple[int, ...]) -> tuple[int, ...]:
    try:
        with instance.reading() as connection:
            known = jobs.by_ids(connection, ids)
    except StoreMissing:
        return ids
    return tuple(job_id for job_id in ids if job_id not in known)


def _is_wanted(question: str, yes: bool) -> bool:
    if yes:
        return True
    if not sys.stdin.isatty():
        raise click.UsageError(f"nobody can be asked here: {question} Say --yes")
    return click.confirm(question)


def _tell(what: str, asked: tuple[int, ...], alive: tuple[int, ...], elsewhere: int, answer: str | None) -> None:
    done = f"{len(asked)} {what} asked, {len(alive)} of them go on here"
    click.echo(done + (f", {elsewhere} killed before they were fetched" if elsewhere else ""))
    if alive:
        click.echo(f"answer: {answer}" if answer else "the instance does it at its next round, or when it runs again")
