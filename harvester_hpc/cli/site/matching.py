"""``site match``: which batch queue fits so many nodes and hours, and why not the others."""
from __future__ import annotations

from typing import TYPE_CHECKING

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import write_json, write_table
from harvester_hpc.cli.site.meant import meant_facility

if TYPE_CHECKING:
    from harvester_hpc.policy.fitting import Fit


@click.command("match")
@click.option("-N", "--nodes", type=click.IntRange(min=1), required=True, help="Nodes of one worker.")
@click.option("-H", "--hours", type=click.FloatRange(min=0, min_open=True, max=100_000), help="Hours that it runs; by default any.")
@click.option("--gpus", type=click.IntRange(min=0), default=0, show_default=True, help="GPUs on each node.")
@click.option("--cores", type=click.IntRange(min=0), default=0, help="Cores on each node.")
@click.option("--memory", type=click.IntRange(min=0), default=0, metavar="MB", help="Memory on each node.")
@click.option("--site", default=None, metavar="NAME|FILE", help="By default that of the instance, else the one that fits this machine.")
@options.as_json
@click.pass_obj
def match_queue(
    instance: Instance, nodes: int, hours: float | None, gpus: int, cores: int, memory: int, site: str | None, as_json: bool
) -> int:
    """Tell which batch queue fits a worker, and why the others do not. Asks no batch system."""
    from harvester_hpc.policy.fitting import Wish, best, fits

    meant = meant_facility(instance, site)
    walltime_s = 0 if hours is None else max(1, round(hours * 3600))
    wish = Wish(nodes=nodes, walltime_s=walltime_s, cores_per_node=cores, memory_mb=memory, gpus_per_node=gpus)
    found = fits(meant.facility, wish)
    first = best(found)
    if as_json:
        write_json({"what": meant.what, "best": first.queue.name if first else None, "queues": [_as_json(fit) for fit in found]})
    else:
        write_table(("", "QUEUE", "LANDS IN", "LONGEST", "WHY"), [_row(fit, fit is first) for fit in found])
        if first is None:
            click.echo(f"no queue of {meant.what} takes it")
    return Exit.NOTHING if first is None else Exit.DONE


def _row(fit: Fit, is_best: bool) -> tuple[str, str, str, str, str]:
    from harvester_hpc.policy.difference import clock_of

    mark = "best" if is_best else "fits" if fit.takes_it else "no"
    longest = "" if not fit.takes_it else clock_of(fit.longest_s) if fit.longest_s else "any"
    return mark, fit.queue.name, fit.lands_in if fit.takes_it else "", longest, "; ".join(fit.why_not or fit.but)


def _as_json(fit: Fit) -> dict[str, object]:
    return {
        "queue": fit.queue.name, "takes_it": fit.takes_it, "why_not": list(fit.why_not), "but": list(fit.but), "lands_in": fit.lands_in,
        "longest_s": fit.longest_s,
    }
