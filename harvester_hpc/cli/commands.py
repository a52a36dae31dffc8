"""``commands``: what the instance was told to do, by whom, and what became of it."""
from __future__ import annotations

from typing import Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import write_json, write_table
from harvester_hpc.cli.times import iso, span
from harvester_hpc.errors import StoreMissing
from harvester_hpc.store import command as commands
from harvester_hpc.store.command import Known

#: Characters of what came with a command that are shown in a table.
SHOWN = 60


@click.command()
@click.option("--limit", type=click.IntRange(min=1), default=100, show_default=True, help="Rows at most.")
@options.as_json
@click.pass_obj
def command(instance: Instance, limit: int, as_json: bool) -> int:
    """List commands of people and of the workload management system, the newest first; those that nobody knows here too."""
    try:
        with instance.reading() as connection:
            found = commands.newest(connection, limit)
    except StoreMissing:
        found = []
    now = instance.clock.now()
    if as_json:
        write_json({"commands": [_facts(one) for one in found]})
    else:
        headings = ("command", "kind", "said as", "with", "from", "age", "result")
        write_table(headings, [(*_row(one), span(now - one.created), one.result if one.done else "waits") for one in found])
    return Exit.DONE if found else Exit.NOTHING


def _row(one: Known) -> tuple[object, ...]:
    said = one.command.params or ", ".join(map(str, one.command.ids))
    return one.command.id, one.command.kind.value, one.command.name, said[:SHOWN], one.command.origin


def _facts(one: Known) -> dict[str, Any]:
    told = one.command
    return {
        "command": told.id, "kind": told.kind.value, "name": told.name, "params": told.params, "ids": list(told.ids),
        "origin": told.origin, "why": told.why, "created": iso(one.created), "done": one.done, "result": one.result,
        "acknowledgement_wanted": told.ack,
    }
