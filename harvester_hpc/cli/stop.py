"""``stop``: from any login node."""
from __future__ import annotations

import os
import signal

import click

from harvester_hpc import app
from harvester_hpc.cli.asking import present, until
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn
from harvester_hpc.cli.presence import Presence
from harvester_hpc.errors import HarvesterError, StoreMissing
from harvester_hpc.model.command import CommandKind


@click.command()
@click.option("--timeout", type=click.FloatRange(min=1), default=120.0, show_default=True, help="Seconds to wait until it has ended.")
@click.pass_obj
def command(instance: Instance, timeout: float) -> int:
    """Ask the instance to end after the rounds under way, and wait for it. Batch jobs go on."""
    try:
        now = present(instance)
    except StoreMissing:
        now = Presence(holder=None)
    if not now.running or now.holder is None:
        warn(now.remark)
        return Exit.NOT_RUNNING
    where = f"{now.holder.host}, process {now.holder.pid}"
    letter = _signalled(now) or app.send_command(instance.state_dir, CommandKind.STOP, why="harvester-hpc stop")
    generation = now.holder.generation
    ended = until(lambda: _has_ended(instance, generation), timeout)
    # A letter that nobody has read would end the next instance at once.
    (instance.state_dir / app.INBOX / f"{letter}.json").unlink(missing_ok=True)
    if not ended:
        raise HarvesterError(
            f"{where} has not ended within {timeout:g} s", why="a round under way may wait for the outside (a transfer, the batch system)",
            remedy=f"wait and look with harvester-hpc status; to end it now, on {now.holder.host}: kill -KILL {now.holder.pid}",
        )
    click.echo(f"stopped: {where}")
    return Exit.DONE


def _signalled(now: Presence) -> str:
    """Signal a process of this host, whose number and start time agree with the lease; "" if it must be asked by letter."""
    if not now.here or now.holder is None:
        return ""
    try:
        os.kill(now.holder.pid, signal.SIGTERM)
    except (ProcessLookupError, PermissionError):
        return ""
    return "signalled"


def _has_ended(instance: Instance, generation: int) -> bool:
    now = present(instance)
    return not now.running or (now.holder is not None and now.holder.generation != generation)
