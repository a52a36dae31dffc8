"""``site list``: every site file that there is."""
from __future__ import annotations

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json, write_table
from harvester_hpc.cli.site.places import Found, all_sites


@click.command("list")
@options.as_json
@click.pass_obj
def list_sites(instance: Instance, as_json: bool) -> int:
    """List every site file: the instance's, yours in ~/.harvester_hpc/site_configs, and the shipped ones."""
    found = [one for one in all_sites(instance) if one.site is None or not one.site.common_part_of]
    if as_json:
        write_json([_as_json(one) for one in found])
        return Exit.DONE if found else Exit.NOTHING
    write_table(("SITE", "SCHEDULER", "CHECKED", "FROM", "WHAT"), [_row(one) for one in found])
    for one in found:
        for hidden in one.hides:
            warn(f"{one.name}: {one.file} is taken, {hidden} is not")
    return Exit.DONE if found else Exit.NOTHING


def _row(found: Found) -> tuple[object, ...]:
    if found.site is None:
        return found.name, "?", "", found.owner, f"cannot be used: {found.trouble}"
    site = found.site
    problems = f"{len(site.problems)} problem(s), see: harvester-hpc site show {site.name}" if site.problems else ""
    retired = f"retired {site.settings.retired}" if site.settings.retired else ""
    what = ", ".join(part for part in (site.settings.title, retired, problems) if part)
    return site.name, site.facility.scheduler, site.settings.checked or "-", found.owner, what


def _as_json(found: Found) -> dict[str, object]:
    site = found.site
    return {
        "name": found.name, "file": str(found.file), "owner": found.owner, "hides": [str(file) for file in found.hides],
        "usable": site is not None and not site.problems,
        "problems": [found.trouble] if site is None else [str(problem) for problem in site.problems],
        "scheduler": site.facility.scheduler if site else None, "title": site.settings.title if site else None,
        "checked": (site.settings.checked or None) if site else None, "retired": (site.settings.retired or None) if site else None,
    }
