"""``submit``: hand in jobs."""
from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import write_json
from harvester_hpc.errors import ConfigurationError, did_you_mean

if TYPE_CHECKING:
    from harvester_hpc.config.values import Configuration


ONLY_WITH_EXEC = ("inputs", "outputs", "environment", "name", "cores", "memory", "walltime", "attempts", "priority")


@click.command()
@click.argument("words", nargs=-1, metavar="FILE.json... | --exec PROGRAM [-- ARGUMENT...]")
@click.option("--exec", "program", metavar="PROGRAM", help="The program of one job; its arguments stand behind --.")
@click.option("--in", "inputs", multiple=True, type=click.Path(exists=True, dir_okay=False, path_type=Path), help="An input file.")
@click.option("--out", "outputs", multiple=True, metavar="NAME", help="A file that the job leaves in its folder.")
@click.option("--env", "environment", multiple=True, metavar="KEY=VALUE", help="A variable of the job's environment.")
@click.option("-q", "--queue", default="", help="PanDA queue; by default any.")
@click.option("--name", default="", help="Name of the job.")
@click.option("--cores", type=click.IntRange(min=1), help="Cores.")
@click.option("--memory", type=click.IntRange(min=1), metavar="MB", help="Memory in MB.")
@click.option("--walltime", type=click.IntRange(min=1), metavar="SECONDS", help="Seconds that it needs at most.")
@click.option("--attempts", type=click.IntRange(min=1), help="How often it is tried at most.")
@click.option("--priority", type=int, help="The higher, the sooner.")
@click.option("--dry-run", is_flag=True, help="Print the batch script and the submit command of the workers that they would get.")
@click.option("-n", "--count", type=click.IntRange(min=1), default=1, show_default=True, help="How many of each.")
@options.as_json
@click.pass_obj
def command(
    instance: Instance, /, words: tuple[str, ...], program: str | None, count: int, dry_run: bool, as_json: bool, **given: Any
) -> int:
    """Hand in jobs: described in JSON files (an object or a list in each; - reads standard input), or one from options.

    {PandaID} in arguments, variables and names of outputs stands for the number of the job.
    """
    configuration = instance.configuration()
    if dry_run:
        from harvester_hpc.cli.dry_run import show

        described = [_from_options(program, words, given)] if program else _from_files(words, given) if words else []
        return show(configuration, described * count, given["queue"], now=instance.clock.now(), as_json=as_json)
    from harvester_hpc.cli.wms import inbox_of

    descriptions = [_from_options(program, words, given)] if program else _from_files(words, given)
    described = [_for_queue(description, configuration) for description in descriptions] * count
    ids = inbox_of(configuration).submit_jobs(described)
    if as_json:
        write_json({"jobs": list(ids)})
    else:
        click.echo("\n".join(map(str, ids)))
    return Exit.DONE


def _from_options(program: str, arguments: Sequence[str], given: Mapping[str, Any]) -> dict[str, Any]:
    there = shutil.which(program) if "/" not in program else program
    description: dict[str, Any] = {
        "executable": str(Path(program).absolute()) if "/" in program else program,
        "arguments": list(arguments),
        "environment": dict(_variable(one) for one in given["environment"]),
        "inputs": [str(path.absolute()) for path in given["inputs"]],
        "outputs": list(given["outputs"]),
        "name": given["name"] or Path(there or program).name,
        "memory_mb": given["memory"],
        **{key: given[key] for key in ("queue", "cores", "walltime", "attempts", "priority")},
    }
    return {key: value for key, value in description.items() if value not in (None, "", [], {})}


def _variable(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not name or not sign:
        raise click.BadParameter(f"{text!r} is not KEY=VALUE", param_hint="--env")
    return name, value


def _from_files(words: Sequence[str], given: Mapping[str, Any]) -> list[Any]:
    if not words:
        raise click.UsageError("name job files, or a program with --exec")
    if any(given[name] for name in ONLY_WITH_EXEC):
        raise click.UsageError("--in, --out, --env, --name and sizes describe a job of --exec; a job file says such things itself")
    found: list[Any] = []
    for word in words:
        content = _parsed(word)
        found += content if isinstance(content, list) else [content]
    if given["queue"]:
        found = [{**job, "queue": given["queue"]} if isinstance(job, dict) else job for job in found]
    return found


def _parsed(word: str) -> Any:
    try:
        return json.loads(sys.stdin.read() if word == "-" else Path(word).read_text(encoding="utf-8"))
    except OSError as error:
        remedy = "to run a program say --exec PROGRAM"
        raise ConfigurationError(f"{word}: cannot be read", why=str(error.strerror), remedy=remedy) from error
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"{word}: is no JSON", why=str(error), remedy="correct the file there, or just before") from error


def _for_queue(description: Any, configuration: Configuration) -> Any:
    """Return the description with the queue's name in the workload management system.

    Raises:
        ConfigurationError: the instance has no such queue, so that nobody would ever fetch the job.
    """
    name = description.get("queue") if isinstance(description, dict) else None
    if not isinstance(name, str) or not name:
        return description
    sites = [queue.queue.site for queue in configuration.queues.values()]
    if name in configuration.queues:
        return {**description, "queue": configuration.queues[name].queue.site or name}
    if name in sites:
        return description
    there = [*configuration.queues]
    raise ConfigurationError(f"no queue {name!r}; there is: {', '.join(there)}{did_you_mean(name, there)}", remedy="name one of these")
