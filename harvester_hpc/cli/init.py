"""``init``: a new instance."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import click

from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.config.locate import DEFAULT_STATE_DIR, FILE_NAME, VARIABLE
from harvester_hpc.errors import ConfigurationError, HarvesterError, did_you_mean

LOCAL = "local"


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[DIR]")
@click.option("--site", default=LOCAL, show_default=True, help="The facility that it extends.")
@click.option("--queue", default="", help="Name of its PanDA queue; by default that of the facility in capitals.")
@click.option("--account", default="", help="Project that is charged.")
@click.option("--partition", default="", help="Queue or partition of the batch system.")
@click.option("--work-dir", default="", help="Folder for the workers, on a file system that compute nodes see.")
@click.pass_obj
def command(instance: Instance, folder: Path | None, site: str, queue: str, account: str, partition: str, work_dir: str) -> int:
    """Make a new instance in DIR: harvester.json to be edited, and the state folder. Nothing that exists is overwritten.

    DIR is by default that of --home, else $HARVESTER_HPC_HOME, else the current folder.
    """
    home = Path(folder or instance.home_option or instance.environ.get(VARIABLE) or ".").absolute()
    _check_site(home, site)
    facility = {"account": account, "partition": partition, "workDir": work_dir}
    make(home, harvester_json(site, queue or f"{site.upper().replace('-', '_')}", facility))
    click.echo(f"made {home / FILE_NAME}")
    if site != LOCAL:
        click.echo("next: edit it, for it knows nothing of your facility yet")
    click.echo(f"next: harvester-hpc --home {home} config check")
    click.echo(f"next: harvester-hpc --home {home} start")
    return Exit.DONE


def make(home: Path, text: str) -> None:
    """Make the folder, harvester.json and the state folder.

    Raises:
        HarvesterError: there is an instance already.
    """
    home.mkdir(parents=True, exist_ok=True)
    try:
        with (home / FILE_NAME).open("x", encoding="utf-8") as stream:
            stream.write(text)
    except FileExistsError as error:
        raise HarvesterError(f"there is an instance in {home} already", remedy=f"edit its {FILE_NAME}, or name another folder") from error
    (home / DEFAULT_STATE_DIR).mkdir(exist_ok=True, mode=0o700)
    (home / DEFAULT_STATE_DIR).chmod(0o700)


def harvester_json(site: str, queue: str, facility: Mapping[str, str]) -> str:
    """Return the text of a harvester.json with remarks.

    Args:
        facility: ``account``, ``partition`` and ``workDir``; "" where nothing is said, which leaves an example in a remark.
    """
    examples = {"account": "m1234", "partition": "batch", "workDir": "$SCRATCH/harvester"}
    lines = [
        "{",
        "  // Comments are welcome. All keys: docs/configuration.md. Check it with: harvester-hpc config check",
        f'  "extends": {json.dumps(site)},',
        "",
        "  // The name of this instance, as the workload management system knows it; by default user-facility.",
        '  // "instance": "my-instance",',
        "",
        "  // What is different here from the facility's file: account, partitions with their limits, node shape, work folder.",
        '  "facility": {',
        *_facility_lines(site, facility, examples),
        "  },",
        "",
        "  // PanDA queues by name. {} takes everything from the facility and the defaults.",
        '  "queues": {',
        f"    {json.dumps(queue)}: {{",
        '      // "nQueueLimitWorker": 10,   // workers waiting in the batch queue, at most',
        '      // "maxWorkers": 100,         // workers in the batch system, at most',
        '      // "resources": {"nodes": 1, "walltime": "01:00:00"}',
        "    }",
        "  }",
        "}",
        "",
    ]
    return "\n".join(lines)


def _facility_lines(site: str, facility: Mapping[str, str], examples: Mapping[str, str]) -> list[str]:
    lines = []
    for key, example in examples.items():
        text = json.dumps(facility[key] or example)
        line = f'"queues": [{{"name": {text}}}],' if key == "partition" else f'"{key}": {text},'
        if site != LOCAL or facility[key]:
            lines.append(f"    {'' if facility[key] else '// '}{line}")
    if site != LOCAL:
        lines.append('    // "node": {"cores": 32, "memoryMB": 128000},')
    return lines


def _check_site(home: Path, site: str) -> None:
    from harvester_hpc.config.extends import facilities

    there = facilities(home)
    if site not in there and not (site.endswith(".json") and Path(site).is_file()):
        what = f"no facility {site!r}; there is: {', '.join(there)}{did_you_mean(site, there)}"
        raise ConfigurationError(what, remedy="name one with --site, or the path of its file")
