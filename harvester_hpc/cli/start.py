"""``start``: the instance in the background."""
from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import click

from harvester_hpc import app
from harvester_hpc.cli.asking import present, until
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.logs import last_lines
from harvester_hpc.cli.presence import Presence
from harvester_hpc.cli.times import span
from harvester_hpc.errors import HarvesterError, StoreMissing, StoreUnusable

CONSOLE = "console.log"
LINES = 15


@click.command()
@click.option("--timeout", type=click.FloatRange(min=1), default=60.0, show_default=True, help="Seconds to wait until it runs.")
@click.pass_obj
def command(instance: Instance, timeout: float) -> int:
    """Start the instance in a session of its own, and wait until it has taken the store.

    If one runs already, on this or another host, that is said and all is well.
    """
    now = _present(instance)
    if now.running:
        click.echo(f"it runs already: {now.remark}")
        return Exit.DONE
    began = time.monotonic()
    process, console = launch(instance)
    try:
        wait_for(instance, process, console, timeout)
    except HarvesterError:
        # Another start was faster, at this very moment: that is what was wanted.
        now = _present(instance)
        if process.poll() != Exit.BUSY or not now.running:
            raise
        click.echo(f"it runs already: {now.remark}")
        return Exit.DONE
    click.echo(f"started: process {process.pid}, {span(time.monotonic() - began)}; log: {instance.state_dir / app.LOGS / 'daemon.log'}")
    return Exit.DONE


def launch(instance: Instance) -> tuple[subprocess.Popen[bytes], Path]:
    """Start ``run`` in a session of its own; return the process, and the file with what it says before its log is open."""
    app.make_folders(instance.state_dir)
    logs = instance.state_dir / app.LOGS
    console = logs / CONSOLE
    with console.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "harvester_hpc.cli", "--home", str(instance.home), "run", "--quiet"],
            stdin=subprocess.DEVNULL, stdout=stream, stderr=stream, start_new_session=True, cwd=instance.home,
        )
    return process, console


def wait_for(instance: Instance, process: subprocess.Popen[bytes], console: Path, timeout_s: float) -> None:
    """Wait until the process has the lease.

    Raises:
        HarvesterError: it has ended, or it does not come so far; with its last words.
    """

    def decided() -> bool:
        return process.poll() is not None or _has_lease(instance, process.pid)

    in_time = until(decided, timeout_s)
    if process.poll() is None and in_time:
        return
    words = "\n".join(f"  {line}" for line in last_lines(console, LINES))
    if process.poll() is None:
        raise HarvesterError(
            f"process {process.pid} has not taken the store within {timeout_s:g} s", why=f"it is still at it and goes on\n{words}".rstrip(),
            remedy=f"look again with harvester-hpc status; its log is in {console.parent}",
        )
    raise HarvesterError(
        f"it ended at once with exit code {process.returncode}", why=f"its last words ({console}):\n{words}",
        remedy="set that right, or try harvester-hpc run to see it in the terminal",
    )


def _has_lease(instance: Instance, pid: int) -> bool:
    now = _present(instance)
    return now.running and now.holder is not None and now.holder.pid == pid and now.here


def _present(instance: Instance) -> Presence:
    try:
        return present(instance)
    except (StoreMissing, StoreUnusable):  # an older store is brought up to date by the process; whatever else it is, that will say it
        return Presence(holder=None)
