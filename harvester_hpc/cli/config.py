"""``config``: check or show the configuration."""
from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json
from harvester_hpc.cli.times import iso
from harvester_hpc.config.existing.notes import Fate
from harvester_hpc.config.locate import FILE_NAME
from harvester_hpc.config.values import Configuration
from harvester_hpc.errors import ConfigurationError, StoreMissing

if TYPE_CHECKING:
    from harvester_hpc.config.existing.importing import Imported


@click.group(cls=options.Noun)
def command() -> None:
    """Check or show the configuration."""


@command.command("check")
@options.as_json
@click.pass_obj
def check_configuration(instance: Instance, as_json: bool) -> int:
    """Read every file and every plugin's settings; report all problems at once."""
    from harvester_hpc.app import plugin_problems
    from harvester_hpc.config.reading import read

    try:
        reading = read(instance.home, instance.environ, instance.clock.now(), plugin_problems)
    except ConfigurationError as error:
        if not as_json:
            raise
        write_json({"usable": False, "problems": list(error.problems or (str(error),)), "warnings": []})
        return Exit.ERROR
    configuration = reading.configuration
    warnings = [*([reading.trouble] if reading.trouble else []), *configuration.warnings]
    if as_json:
        write_json({"usable": True, "problems": [], "warnings": warnings, "files": _files(configuration)})
        return Exit.DONE
    for warning in warnings:
        warn(f"warning: {warning}")
    facility = configuration.facility
    queues = ", ".join(configuration.queues)
    click.echo(f"usable: instance {configuration.instance} at {facility.name} ({facility.scheduler}), queues {queues}")
    click.echo(f"from: {', '.join(_files(configuration))}")
    return Exit.DONE


@command.command("diff")
@options.as_json
@click.pass_obj
def show_differences(instance: Instance, as_json: bool) -> int:
    """Tell what is different from the configuration that the instance works with, or has worked with last, and when it counts.

    Remote files are asked. Exit code 0: nothing is different; 1: something is.
    """
    from harvester_hpc.config.differences import differences
    from harvester_hpc.config.reading import read
    from harvester_hpc.config.show import show
    from harvester_hpc.store.configuration import last_applied

    reading = read(instance.home, instance.environ, instance.clock.now())
    with instance.reading() as connection:
        last = last_applied(connection)
    if last is None:
        raise StoreMissing("this instance has never run", remedy="harvester-hpc config show --resolved shows what it would begin with")
    found = differences(json.loads(last.content), show(reading.configuration))
    if as_json:
        write_json({
            "since": iso(last.made), "trouble": reading.trouble, "differences": [
                {"path": one.path, "before": one.before, "after": one.after, "effect": str(one.effect)} for one in found
            ],
        })
        return Exit.ERROR if found else Exit.DONE
    if reading.trouble:
        warn(f"warning: {reading.trouble}")
    for one in found:
        click.echo(str(one))
    if not found:
        click.echo(f"nothing is different from what has been in use since {iso(last.made)}")
    return Exit.ERROR if found else Exit.DONE


def _files(configuration: Configuration) -> list[str]:
    return [*map(str, configuration.files), *configuration.remote]


@command.command("show")
@click.option("--resolved", is_flag=True, help="As it is understood: all files put together, defaults filled in.")
@click.option("--origins", is_flag=True, help="With --resolved: one line for each value, and where it was written.")
@click.pass_obj
def show_configuration(instance: Instance, resolved: bool, origins: bool) -> int:
    """Show harvester.json, or what it comes to."""
    if not resolved and not origins:
        click.echo((instance.home / FILE_NAME).read_text(encoding="utf-8"), nl=False)
        return Exit.DONE
    from harvester_hpc.config.show import show

    configuration = instance.configuration()
    if not origins:
        write_json(show(configuration))
        return Exit.DONE
    from harvester_hpc.config.origins import with_origins

    for path, value, origin in with_origins(show(configuration), configuration.origins):
        click.echo(f"{path} = {json.dumps(value, ensure_ascii=False)}  # {origin}")
    return Exit.DONE


@command.command("schema")
@click.argument("kind", type=click.Choice(["harvester", "facility"]), default="harvester")
def print_schema(kind: str) -> int:
    """Print the JSON Schema of harvester.json or of a facility file, for editors."""
    from harvester_hpc.config.schema import schema

    click.echo(json.dumps(schema("facility" if kind == "facility" else "harvester"), indent=2))
    return Exit.DONE


@command.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="[CFG] QUEUES")
@click.option("--to", "target", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the new instance.")
@click.option("--site", default="", help="Facility that it extends; by default the generic one of the batch system.")
@options.as_json
@click.pass_obj
def import_files(instance: Instance, files: tuple[Path, ...], target: Path, site: str, as_json: bool) -> int:
    """Take over panda_harvester.cfg and panda_queueconfig.json: write our harvester.json, and a report of what became of each thing."""
    from harvester_hpc.config.existing.importing import imported

    if len(files) > 2:
        raise click.UsageError("name panda_harvester.cfg, if there is one, and panda_queueconfig.json")
    cfg = files[0] if len(files) == 2 else None
    found = imported(cfg, files[-1], site, instance.environ)
    made = _written(found, target)
    counts = {fate.value: sum(one.fate is fate for one in found.notes) for fate in Fate}
    if as_json:
        write_json({"files": [str(file) for file in made], "counts": counts, "values": found.values})
        return Exit.DONE
    for file in made:
        click.echo(file)
    click.echo(", ".join(f"{number} {word}" for word, number in counts.items()))
    click.echo(f"read {made[1].name}, then: harvester-hpc --home {target} config check")
    return Exit.DONE


def _written(found: Imported, target: Path) -> tuple[Path, Path]:
    """Write both files; nothing that is there is overwritten."""
    from harvester_hpc.config.existing.notes import report

    made = (target / FILE_NAME, target / "import-report.md")
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    for file, text in zip(made, (json.dumps(found.values, indent=2, ensure_ascii=False) + "\n", report(found.notes)), strict=True):
        try:
            with file.open("x", encoding="utf-8") as stream:
                stream.write(text)
        except FileExistsError as error:
            raise ConfigurationError(f"{file} is there already", remedy="name another folder with --to, or move it away") from error
    return made
