"""``init``: a new instance."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.config.locate import DEFAULT_STATE_DIR, FILE_NAME, VARIABLE
from harvester_hpc.errors import ConfigurationError, HarvesterError, Unavailable, did_you_mean

LOCAL = "local"
#: Seconds for the batch system to say who it is, and to tell what a site file says.
IDENTIFY_S, SURVEY_S = 10.0, 60.0


@click.command()
@click.argument("folder", required=False, type=click.Path(path_type=Path), metavar="[DIR]")
@click.option("--site", default="", help="The facility that it extends; by default the one that is found here, see `site detect`.")
@click.option("--queue", default="", help="Name of its PanDA queue; by default that of the facility in capitals.")
@click.option("--account", default="", help="Project that is charged.")
@click.option("--partition", default="", help="Queue or partition of the batch system.")
@click.option("--work-dir", default="", help="Folder for the workers, on a file system that compute nodes see.")
@click.pass_obj
def command(instance: Instance, folder: Path | None, site: str, queue: str, account: str, partition: str, work_dir: str) -> int:
    """Make a new instance in DIR: harvester.json to be edited, and the state folder. Nothing that exists is overwritten.

    DIR is by default that of --home, else $HARVESTER_HPC_HOME, else the current folder. Without --site it looks where it is: a site file
    that fits; else, where a batch system answers, one that is written into DIR/site_configs from what that says; else this machine.
    """
    home = Path(folder or instance.home_option or instance.environ.get(VARIABLE) or ".").absolute()
    refuse_where_one_is(home)
    if site:
        _check_site(home, site)
    else:
        site = _site_here(instance, home)
    facility = {"account": account, "partition": partition, "workDir": work_dir}
    name = queue or f"{Path(site).stem.upper().replace('-', '_')}"
    batch_queues = _batch_queues(instance, home, site)
    make(home, harvester_json(site, name, facility, batch_queues=batch_queues))
    click.echo(f"made {home / FILE_NAME}")
    if partition and batch_queues and partition not in batch_queues and not Path(site).stem.endswith("generic"):
        hint = did_you_mean(partition, batch_queues)
        click.echo(f"look: {site} knows no batch queue {partition!r}{hint}, so it stands alone in the file, without limits")
    if site.endswith("generic"):
        click.echo("next: edit it, for it knows nothing of your facility yet; or let it be written: harvester-hpc site generate")
    click.echo(f"next: harvester-hpc --home {home} config check")
    click.echo(f"next: harvester-hpc --home {home} start")
    return Exit.DONE


def refuse_where_one_is(home: Path) -> None:
    """Raise HarvesterError if there is an instance already."""
    if (home / FILE_NAME).exists():
        raise HarvesterError(f"there is an instance in {home} already", remedy=f"edit its {FILE_NAME}, or name another folder")


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


def harvester_json(site: str, queue: str, facility: Mapping[str, str], batch_queues: Sequence[str] = ()) -> str:
    """Return the text of a harvester.json with remarks.

    Args:
        facility: ``account``, ``partition`` and ``workDir``; "" where nothing is said, which leaves an example in a remark.
        batch_queues: those that the site file has; a partition among them is chosen, another one replaces them.
    """
    chosen = facility["partition"] if facility["partition"] in batch_queues else ""
    facility = {**facility, "partition": "" if chosen else facility["partition"]}
    resources = {"nodes": 1, "walltime": "01:00:00"}
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
        *_facility_lines(site, facility, examples, is_told=bool(batch_queues) and not site.endswith("generic")),
        "  },",
        "",
        "  // PanDA queues by name. {} takes everything from the facility and the defaults.",
        '  "queues": {',
        f"    {json.dumps(queue)}: {{",
        '      // "nQueueLimitWorker": 10,   // workers waiting in the batch queue, at most',
        '      // "maxWorkers": 100,         // workers in the batch system, at most',
        f'      "resources": {json.dumps({"batchQueue": chosen})}' if chosen else f'      // "resources": {json.dumps(resources)}',
        "    }",
        "  }",
        "}",
        "",
    ]
    return "\n".join(lines)


def _facility_lines(site: str, facility: Mapping[str, str], examples: Mapping[str, str], *, is_told: bool) -> list[str]:
    lines = []
    for key, example in examples.items():
        if is_told and key == "partition" and not facility[key]:
            continue
        text = json.dumps(facility[key] or example)
        line = f'"queues": [{{"name": {text}}}],' if key == "partition" else f'"{key}": {text},'
        if site != LOCAL or facility[key]:
            lines.append(f"    {'' if facility[key] else '// '}{line}")
    if site != LOCAL and not is_told:
        lines.append('    // "node": {"cores": 32, "memoryMB": 128000},')
    return lines


def _site_here(instance: Instance, home: Path) -> str:
    """Return the site that fits this machine; where none does and a batch system answers, one that is written for it.

    Raises:
        ConfigurationError: several fit.
        Unavailable: there is a batch system, and it does not answer.
    """
    from harvester_hpc.cli.site.detecting import clues_here, generic_site, matching_sites
    from harvester_hpc.cli.site.places import all_sites

    clues = clues_here(instance.environ, IDENTIFY_S)
    found = [match for match in matching_sites(all_sites(instance, home), clues) if not match.retired]
    if len(found) > 1:
        names = "; ".join(f"{match.name} ({match.reasons[0]})" for match in found)
        raise ConfigurationError("several sites fit this machine", why=names, remedy="name one with --site, by the nodes that you want")
    if found:
        click.echo(f"this is {found[0].name}: {'; '.join(found[0].reasons)}")
        return found[0].name
    silent = [one for one in clues.systems if one.identity is None]
    if silent and len(silent) == len(clues.systems):
        why = "; ".join(f"{one.scheduler}: {one.silence}" for one in silent)
        generic = generic_site(silent[0].scheduler, home)
        remedy = f"try again when it does; or say {f'--site {generic}, or ' if generic else ''}--site local for this machine"
        raise Unavailable("the batch system of this machine does not answer", why=why, remedy=remedy)
    return _written_site(instance, home) if clues.systems else LOCAL


def _written_site(instance: Instance, home: Path) -> str:
    """Write a site file for the batch system that answers; return its name."""
    from harvester_hpc.cli.site.generating import generated, write
    from harvester_hpc.cli.site.live import only_scheduler, survey_of
    from harvester_hpc.config.extends import facilities
    from harvester_hpc.config.site_text import name_for

    survey = survey_of(only_scheduler(IDENTIFY_S), SURVEY_S)
    name = name_for(survey.identity.cluster, survey.identity.scheduler)
    if name in facilities(home):  # a file of that name which does not say that it is this machine
        name = f"{name}-here"
    file = home / "site_configs" / f"{name}.json"
    write(file, generated(survey, instance, name, home), may_overwrite=False)
    click.echo(f"wrote {file} from what {survey.identity.scheduler} says of itself; look at it")
    return name


def _batch_queues(instance: Instance, home: Path, site: str) -> list[str]:
    """Return the names of the batch queues of a site; none if it cannot be read, which ``config check`` will tell."""
    from harvester_hpc.config.site_file import site_named

    try:
        return [queue.name for queue in site_named(site, home, instance.environ).facility.queues]
    except ConfigurationError:
        return []


def _check_site(home: Path, site: str) -> None:
    from harvester_hpc.config.extends import facilities

    there = facilities(home)
    if site not in there and not (site.endswith(".json") and Path(site).is_file()):
        what = f"no facility {site!r}; there is: {', '.join(there)}{did_you_mean(site, there)}"
        raise ConfigurationError(what, remedy="name one with --site, or the path of its file")
