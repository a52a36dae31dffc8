"""``harvester-hpc panda``: see whether the server takes us. Imports nothing heavy until a verb is called."""
from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import click

from harvester_hpc.errors import HarvesterError

if TYPE_CHECKING:
    from harvester_hpc.ports.context import Context


class Configured(Protocol):
    """What is used of the configuration of an instance."""

    @property
    def communicator(self) -> Mapping[str, Any]: ...


class House(Protocol):
    """What is used of the instance that the command line is about."""

    def configuration(self) -> Configured:
        """Read the whole configuration."""
        ...

    def context(self) -> Context:
        """Return the surroundings of its plugins."""
        ...


@click.group()
def command() -> None:
    """Look at the PanDA server that the instance works for."""


@command.command("check")
@click.pass_obj
def check(house: House) -> int:
    """Ask the server what changes nothing there but our sign of life, and tell what it says to each question.

    Ends with 0 if every question was answered, else with 1. Commands and jobs are not asked for: each is given once.
    """
    from harvester_panda.questions import asked

    configuration = house.configuration()
    if configuration.communicator.get("name") != "panda":
        raise HarvesterError("the instance does not work for a PanDA server", remedy='"communicator": {"name": "panda", "url": ...}')
    answers = asked(configuration.communicator, house.context())
    for one in answers:
        click.echo(f"{'ok  ' if one.good else 'FAIL'} {one.question}: {one.said}")
    return 0 if all(one.good for one in answers) else 1


@command.command("conformance")
@click.option("--url", required=True, metavar="URL", help="The server: https://pandaserver.cern.ch:25443.")
@click.option("--token-file", metavar="FILE", help="An OIDC token, of mode 0600.")
@click.option("--origin", metavar="VO[.ROLE]", help="What the token is for.")
@click.option("--proxy-file", metavar="FILE", help="A VOMS proxy, of mode 0600.")
@click.option("--certificate-file", metavar="FILE", help="A certificate, with --key-file.")
@click.option("--key-file", metavar="FILE")
@click.option("--ca-file", metavar="FILE", help="Authorities that may vouch for the server.")
@click.option("--dialect", type=click.Choice(["ask", "v1", "old"]), default="ask", show_default=True)
@click.option("--proxy", metavar="URL", help="HTTP proxy to the server; none: without the one of the environment.")
@click.option("--instance", default="harvester_hpc_conformance", show_default=True, metavar="NAME", help="Our name there; not one in use.")
@click.option("--site", default="", metavar="QUEUE", help="Queue whose numbers of workers, and jobs, may be used.")
@click.option("--jobs", default=0, metavar="N", help="Jobs of that queue that may be taken; they will FAIL. 5 for everything.")
@click.option("--label", default="managed", show_default=True, metavar="LABEL", help="prodSourceLabel of these jobs.")
@click.option("--yes", is_flag=True, help="Do not ask before anything is written there.")
def conformance(instance: str, site: str, jobs: int, label: str, yes: bool, **server: str | None) -> int:
    """Try whether a server does for us what every server does. It says what it will write there, and asks.

    Ends with 0 if everything is as it should be, else with 1.
    """
    from harvester_panda.trial import Trial, settings_from, tried

    trial = Trial(settings=settings_from(server), instance=instance, queue=site, jobs=jobs, label=label)
    click.echo(f"On {trial.settings.url} this will leave, under the instance {instance}:")
    for line in trial.writes():
        click.echo(f"  - {line}")
    if not yes and not click.confirm("Go on?"):
        return 1
    wrong = 0
    for one in tried(trial):
        wrong += bool(one.said)
        click.echo(f"{'FAIL' if one.said else 'ok  '} {one.rule}{': ' + one.said if one.said else ''}")
    click.echo(f"{len(trial.chosen()) - wrong} of {len(trial.chosen())} are as they should be")
    return 1 if wrong else 0
