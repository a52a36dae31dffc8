"""``version``."""
from __future__ import annotations

import click

from harvester_hpc import __version__


@click.command()
def command() -> None:
    """Print the version of the program."""
    click.echo(__version__)
