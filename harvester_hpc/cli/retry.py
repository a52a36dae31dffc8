"""``retry``: new attempts of jobs that ended without success."""
from __future__ import annotations

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json
from harvester_hpc.errors import HarvesterError, Unavailable


@click.command()
@click.argument("job_ids", nargs=-1, type=int, required=True, metavar="JOB...")
@options.as_json
@click.pass_obj
def command(instance: Instance, job_ids: tuple[int, ...], as_json: bool) -> int:
    """Make new attempts of jobs that failed or were cancelled; each gets a new number."""
    from harvester_hpc.cli.wms import inbox_of

    inbox = inbox_of(instance.configuration())
    made: dict[int, int] = {}
    for job_id in job_ids:
        try:
            made[job_id] = inbox.retry_job(job_id)
        except Unavailable:
            raise
        except HarvesterError as error:
            warn(f"job {job_id}: {error}")
    if as_json:
        write_json({"asked": len(job_ids), "new": {str(old): new for old, new in made.items()}})
    else:
        for old, new in made.items():
            click.echo(f"{old} -> {new}")
        click.echo(f"{len(job_ids)} jobs asked, {len(made)} new attempts")
    return Exit.DONE if made else Exit.NOTHING
