"""``site generate``: a first site file from what the live batch system says."""
from __future__ import annotations

import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json
from harvester_hpc.cli.site.checking import timeout
from harvester_hpc.cli.site.detecting import generic_site
from harvester_hpc.cli.site.live import only_scheduler, survey_of
from harvester_hpc.cli.site.places import site_home
from harvester_hpc.errors import ConfigurationError, HarvesterError

if TYPE_CHECKING:
    from harvester_hpc.config.site_text import DraftQueue
    from harvester_hpc.policy.site_draft import QueueDraft
    from harvester_hpc.ports.survey import Survey

NAME = re.compile(r"[A-Za-z0-9_.-]+")


@click.command("generate")
@click.argument("name", required=False, metavar="[NAME]")
@click.option("--scheduler", default="", help="Which batch system, where several answer.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Where to; - prints it. By default site_configs/NAME.json"
)
@timeout
@options.yes
@options.as_json
@click.pass_obj
def generate_site(
    instance: Instance, name: str | None, scheduler: str, output: Path | None, timeout: float, yes: bool, as_json: bool
) -> int:
    """Write a first site file from what the live batch system says, with remarks.

    It lies in site_configs of the instance, or where there is none in ~/.harvester_hpc/site_configs. A file that is there is
    overwritten only if you say so.
    """
    from harvester_hpc.config.site_text import name_for

    if name is not None and not NAME.fullmatch(name):
        raise click.BadParameter(f"{name!r} is no name of a site: letters, digits, and _ . - only", param_hint="NAME")
    survey = survey_of(scheduler or only_scheduler(), timeout)
    name = name or (output.stem if output and str(output) != "-" else "") or name_for(survey.identity.cluster, survey.identity.scheduler)
    text = generated(survey, instance, name, site_home(instance))
    if output is not None and str(output) == "-":
        click.echo(text, nl=False)
        return Exit.DONE
    file = (output or site_home(instance) / "site_configs" / f"{name}.json").absolute()
    write(file, text, may_overwrite=yes)
    if as_json:
        write_json({"name": name, "file": str(file), "gaps": list(survey.gaps)})
        return Exit.DONE
    click.echo(f"wrote {file}")
    for gap in survey.gaps:
        warn(f"not known: {gap}")
    for line in _next(instance, file, name):
        click.echo(line)
    return Exit.DONE


def generated(survey: Survey, instance: Instance, name: str, home: Path) -> str:
    """Return the text of a site file.

    Args:
        home: folder whose ``site_configs`` comes first.

    Raises:
        ConfigurationError: there is no queue that this user could use.
    """
    from harvester_hpc.config.site_text import site_text
    from harvester_hpc.policy.site_draft import drafts

    found = drafts(survey)
    if not found or found[0].why_not:
        why = "; ".join(f"{draft.queue.name}: {draft.why_not}" for draft in found[:10]) or "it has none"
        raise ConfigurationError("no queue of the batch system is open to you", why=why, remedy="ask the centre for access")
    node = found[0].node
    queues = [_queue(draft, found[0]) for draft in found]
    date = datetime.fromtimestamp(instance.clock.now(), UTC).strftime("%Y-%m-%d")
    return site_text(survey, queues, name=name, date=date, base=generic_site(survey.identity.scheduler, home), node=node)


def _queue(draft: QueueDraft, first: QueueDraft) -> DraftQueue:
    from harvester_hpc.config.site_text import DraftQueue, limits_said, node_said

    queue, may = draft.queue, draft.allowed
    said: dict[str, Any] = {"name": queue.name}
    if may.min_nodes and may.min_nodes > 1:
        said["minNodes"] = may.min_nodes
    if may.max_nodes:
        said["maxNodes"] = may.max_nodes
    if may.min_walltime_s:
        said["minWalltime"] = may.min_walltime_s
    if may.max_walltime_s:
        said["maxWalltime"] = _clock(may.max_walltime_s)
    if draft.behind:
        said["bins"] = [
            {"minNodes": one.min_nodes or 1, "maxNodes": one.max_nodes, "maxWalltime": _clock(one.max_walltime_s or 1), "queue": name}
            for name, one in draft.behind
        ]
    if draft.qos:
        said["qos"] = draft.qos
    if limits := limits_said(may.limits):
        said["limits"] = limits
    if queue.preemptible:
        said["preemptible"] = True
    if queue.exclusive is not None:
        said["exclusive"] = queue.exclusive
    if draft.node and first.node and node_said(draft.node) != node_said(first.node):
        said["node"] = {"reservedCores": 0, "threadsPerCore": 1, "gpus": 0, **node_said(draft.node)}
    if draft.account:
        said["attributes"] = {"account": draft.account}
    return DraftQueue(said=said, why_not=draft.why_not, remarks=tuple(_remarks(draft)))


def _remarks(draft: QueueDraft) -> Iterator[str]:
    queue = draft.queue
    if queue.is_default:
        yield "the batch system's own default"
    if draft.allowed.by_nodes:
        yield f"{queue.name} has {draft.allowed.max_nodes} node(s), and no other limit on them"
    if queue.default_walltime_s and not draft.allowed.max_walltime_s:
        yield f"no limit on walltime; the batch system's default is {_clock(queue.default_walltime_s)}"
    if queue.routes_to:
        yield f"jobs go on into {', '.join(queue.routes_to[:12])}"
    if len({(kind.cores, kind.memory_mb, kind.gpus) for kind in queue.nodes}) > 1:
        kinds = "; ".join(f"{kind.count} with {kind.cores} cores, {kind.memory_mb} MB, {kind.gpus} GPUs" for kind in queue.nodes[:6])
        yield f"its nodes differ: {kinds}; what follows fits all of them"
    if draft.account:
        yield "it does not take the usual account"


def _clock(seconds: int) -> str:
    from harvester_hpc.policy.difference import clock_of

    return clock_of(seconds)


def write(file: Path, text: str, *, may_overwrite: bool) -> None:
    """Write a file whole or not at all; one that is there is asked about.

    Raises:
        HarvesterError: it is there, and is to stay.
    """
    if file.exists() and not may_overwrite:
        if not os.isatty(0):
            raise HarvesterError(f"there is a file {file} already", remedy="name another with --output, or overwrite it with --yes")
        click.confirm(f"{file} is there already; overwrite it?", abort=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_name(f".{file.name}.{os.getpid()}")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def _next(instance: Instance, file: Path, name: str) -> Iterator[str]:
    from harvester_hpc.config.extends import site_folders

    by_name = name if file.parent in site_folders(site_home(instance)) and file.stem == name else str(file)
    yield f"next: harvester-hpc site show {by_name}"
    try:
        home = instance.home
    except ConfigurationError:
        yield f"next: harvester-hpc init DIR --site {by_name}"
        return
    yield f'next: "extends": "{by_name}" in {home / "harvester.json"}'
