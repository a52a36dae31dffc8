"""``explain``: why there are so many jobs and workers, and what one of them waits for."""
from __future__ import annotations

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.account import Account
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn
from harvester_hpc.cli.presence import lease_limit_s, presence
from harvester_hpc.errors import did_you_mean
from harvester_hpc.store.lease import holder


@click.group()
def command() -> None:
    """Tell the arithmetic of a queue, or what a job or a worker waits for and until when."""


@command.command("queue")
@click.argument("name", metavar="QUEUE")
@options.as_json
@click.pass_obj
def explain_queue(instance: Instance, name: str, as_json: bool) -> int:
    """Tell how many jobs would be fetched and workers made for QUEUE now, limit by limit."""
    from harvester_hpc.cli.queue_account import queue_account

    configuration = instance.configuration()
    one = configuration.queues.get(name)
    if one is None:
        warn(f"no queue {name!r}; there is: {', '.join(configuration.queues)}{did_you_mean(name, list(configuration.queues))}")
        return Exit.NOTHING
    with instance.reading() as connection:
        account = queue_account(
            connection, one.queue, configuration.facility, configuration.agents.batch, instance.clock.now(), configuration.queues
        )
    return _told(instance, account, as_json)


@command.command("job")
@click.argument("job_id", type=int, metavar="JOB")
@options.as_json
@click.pass_obj
def explain_job(instance: Instance, job_id: int, as_json: bool) -> int:
    """Tell what JOB waits for, and until when."""
    from harvester_hpc.cli.row_accounts import job_account

    with instance.reading() as connection:
        account = job_account(connection, job_id, instance.clock.now())
    if account is None:
        warn(f"no job {job_id} is known here; it may not have been fetched yet, or it ended long ago")
        return Exit.NOTHING
    return _told(instance, account, as_json)


@command.command("worker")
@click.argument("worker_id", type=int, metavar="WORKER")
@options.as_json
@click.pass_obj
def explain_worker(instance: Instance, worker_id: int, as_json: bool) -> int:
    """Tell what WORKER waits for, and until when."""
    from harvester_hpc.cli.row_accounts import worker_account

    with instance.reading() as connection:
        account = worker_account(connection, worker_id, instance.clock.now())
    if account is None:
        warn(f"no worker {worker_id} is known here; it may have ended long ago")
        return Exit.NOTHING
    return _told(instance, account, as_json)


def _told(instance: Instance, account: Account, as_json: bool) -> int:
    with instance.reading() as connection:
        running = presence(holder(connection), instance.clock.now(), lease_limit_s(instance.home)).running
    account.facts["running"] = running
    if not running:
        account.say("no instance runs here: nothing moves until one does (harvester-hpc start)")
    account.write(as_json=as_json)
    return Exit.DONE
