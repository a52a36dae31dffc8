"""``site check``: a site file held against the live batch system."""
from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json
from harvester_hpc.cli.site.live import survey_of
from harvester_hpc.cli.site.meant import meant_facility

if TYPE_CHECKING:
    from harvester_hpc.policy.difference import Difference
    from harvester_hpc.ports.survey import Survey

SURVEY_S = 60.0
timeout = click.option(
    "--timeout", type=click.FloatRange(min=0.1), default=SURVEY_S, show_default=True, help="Seconds for all questions to the batch system."
)


@click.command("check")
@click.argument("name", required=False, metavar="[NAME|FILE]")
@timeout
@options.as_json
@click.pass_obj
def check_site(instance: Instance, name: str | None, timeout: float, as_json: bool) -> int:
    """Hold a site file against the live batch system, and tell the differences.

    By default what the instance uses, harvester.json included; without an instance the site that fits this machine. Exit code 1 if
    batch jobs that follow the file would be refused or never start, 75 if the batch system does not answer.
    """
    from harvester_hpc.policy.site_differences import differences

    meant = meant_facility(instance, name)
    if meant.facility.scheduler == "local":
        _tell_none(meant.what, as_json)
        return Exit.DONE
    survey = survey_of(meant.facility.scheduler, timeout)
    found = differences(meant.facility, survey)
    fails = any(one.fails for one in found)
    if as_json:
        write_json(_as_json(meant.what, survey, found))
    else:
        _tell(meant.what, survey, found)
    return Exit.ERROR if fails else Exit.DONE


def _tell(what: str, survey: Survey, found: Sequence[Difference]) -> None:
    identity = survey.identity
    cluster = f", cluster {identity.cluster}" if identity.cluster else ""
    click.echo(f"{what} against {identity.scheduler} {identity.version}{cluster}, {len(survey.queues)} queue(s)")
    for one in sorted(found, key=lambda one: not one.fails):
        click.echo(f"\n{'FAILS' if one.fails else 'note '}  {one.where}")
        click.echo(f"       the file says: {one.file_says}")
        click.echo(f"       the scheduler: {one.scheduler_says}")
        click.echo(f"       what to do:    {one.remedy}")
    for gap in survey.gaps:
        warn(f"not compared, for it could not be asked: {gap}")
    fails = sum(one.fails for one in found)
    click.echo()
    if fails:
        click.echo(f"{fails} difference(s) would make submissions fail, {len(found) - fails} would not")
    else:
        click.echo(f"nothing would make a submission fail; {len(found)} other difference(s)" if found else "no difference")


def _tell_none(what: str, as_json: bool) -> None:
    if as_json:
        write_json({"what": what, "usable": True, "differences": [], "gaps": []})
    else:
        click.echo(f"{what}: workers are processes of this machine; there is no batch system to hold it against")


def _as_json(what: str, survey: Survey, found: Sequence[Difference]) -> dict[str, object]:
    identity = survey.identity
    return {
        "what": what, "scheduler": identity.scheduler, "version": identity.version, "cluster": identity.cluster,
        "usable": not any(one.fails for one in found),
        "differences": [
            {
                "where": one.where, "file_says": one.file_says, "scheduler_says": one.scheduler_says, "remedy": one.remedy,
                "fails": one.fails,
            }
            for one in found
        ],
        "gaps": list(survey.gaps),
    }
