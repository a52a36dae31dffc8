"""``config``: check or show the configuration."""
from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json
from harvester_hpc.config.existing.notes import Fate
from harvester_hpc.config.locate import FILE_NAME
from harvester_hpc.config.values import Configuration
from harvester_hpc.errors import ConfigurationError

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


def _plugin_problems(configuration: Configuration) -> Iterable[str]:
    from harvester_hpc.registry import Registry

    try:
        Registry().load_all(configuration)
    except ConfigurationError as error:
        return error.problems or (str(error),)
    return ()
