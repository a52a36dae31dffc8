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
