"""``dialogs``: what an operator far away is told through the workload management system."""
from __future__ import annotations

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import write_json, write_table
from harvester_hpc.cli.times import iso, span
from harvester_hpc.errors import StoreMissing
from harvester_hpc.model.dialog import Dialog
from harvester_hpc.store import dialog as dialogs


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Rows at most.")
@options.as_json
@click.pass_obj
def command(instance: Instance, limit: int, as_json: bool) -> int:
    """List what needs a person and is told to the workload management system, the newest first: once for each cause and day."""
    try:
        with instance.reading() as connection:
            found = dialogs.newest(connection, limit)
    except StoreMissing:
        found = []
    now = instance.clock.now()
    if as_json:
        write_json({"dialogs": [
            {"dialog": one.id, "module": one.module, "identifier": one.identifier, "level": one.level.value, "message": one.message,
             "times": one.number, "since": iso(one.since), "last": iso(one.last), "told": iso(one.told)}
            for one in found
        ]})
    else:
        rows = [
            (one.id, one.level.value, one.module, one.identifier, one.number, span(now - one.since), _told(one), one.message)
            for one in found
        ]
        write_table(("dialog", "level", "from", "about", "times", "age", "told", "message"), rows)
    return Exit.DONE if found else Exit.NOTHING


def _told(one: Dialog) -> str:
    return "yes" if one.told is not None else "not yet"
