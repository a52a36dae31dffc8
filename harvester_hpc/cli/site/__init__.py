"""``site``: the files that describe computing centres, and the batch system that is really there."""
from __future__ import annotations

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.site.checking import check_site
from harvester_hpc.cli.site.detecting import detect_site
from harvester_hpc.cli.site.generating import generate_site
from harvester_hpc.cli.site.listing import list_sites
from harvester_hpc.cli.site.matching import match_queue
from harvester_hpc.cli.site.showing import show_site


@click.group(cls=options.Noun)
def command() -> None:
    """List, show, find, check or make the files that describe computing centres."""


for verb in (list_sites, show_site, detect_site, check_site, generate_site, match_queue):
    command.add_command(verb)
