"""``config``: check or show the configuration."""
from __future__ import annotations

import json
from collections.abc import Iterable

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json
from harvester_hpc.config.locate import FILE_NAME
from harvester_hpc.config.values import Configuration
from harvester_hpc.errors import ConfigurationError


@click.group(cls=options.Noun)
def command() -> None:
    """Check or show the configuration."""


@command.command("check")
@options.as_json
@click.pass_obj
def check_configuration(instance: Instance, as_json: bool) -> int:
    """Read every file and every plugin's settings; report all problems at once."""
    from harvester_hpc.config.load import load

    try:
        configuration = load(instance.home, instance.environ, also=_plugin_problems)
    except ConfigurationError as error:
        if not as_json:
            raise
        write_json({"usable": False, "problems": list(error.problems or (str(error),)), "warnings": []})
        return Exit.ERROR
    if as_json:
        write_json({"usable": True, "problems": [], "warnings": list(configuration.warnings)})
        return Exit.DONE
    for warning in configuration.warnings:
        warn(f"warning: {warning}")
    facility = configuration.facility
    queues = ", ".join(configuration.queues)
    click.echo(f"usable: instance {configuration.instance} at {facility.name} ({facility.scheduler}), queues {queues}")
    return Exit.DONE


@command.command("show")
@click.option("--resolved", is_flag=True, help="As it is understood: all files put together, defaults filled in.")
@click.pass_obj
def show_configuration(instance: Instance, resolved: bool) -> int:
    """Show harvester.json, or what it comes to."""
    if not resolved:
        click.echo((instance.home / FILE_NAME).read_text(encoding="utf-8"), nl=False)
        return Exit.DONE
    from harvester_hpc.config.show import show

    write_json(show(instance.configuration()))
    return Exit.DONE


@command.command("schema")
@click.argument("kind", type=click.Choice(["harvester", "facility"]), default="harvester")
def print_schema(kind: str) -> int:
    """Print the JSON Schema of harvester.json or of a facility file, for editors."""
    from harvester_hpc.config.schema import schema

    click.echo(json.dumps(schema("facility" if kind == "facility" else "harvester"), indent=2))
    return Exit.DONE


def _plugin_problems(configuration: Configuration) -> Iterable[str]:
    from harvester_hpc.registry import Registry

    try:
        Registry().load_all(configuration)
    except ConfigurationError as error:
        return error.problems or (str(error),)
    return ()
