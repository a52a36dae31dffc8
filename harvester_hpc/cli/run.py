"""``run``: the instance itself."""
from __future__ import annotations

import gc
import logging
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance

log = logging.getLogger(__name__)


@contextmanager
def without_collector() -> Iterator[None]:
    """Look for no garbage while the program is put together: what is imported stays, and to look costs a tenth of the imports."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


@click.command()
@click.option("--once", is_flag=True, help="One bounded round of every agent, then end (for cron).")
@click.option("--quiet", is_flag=True, help="Log to the log folder only.")
@click.pass_obj
def command(instance: Instance, once: bool, quiet: bool) -> int:
    """Run the instance until it is told to stop. The first INT, TERM or HUP finishes the rounds under way, the second leaves now.

    Batch jobs go on in either case.
    """
    from harvester_hpc import app
    from harvester_hpc.config.reading import read
    from harvester_hpc.log import stop, to_folder, to_terminal

    with without_collector():
        reading = read(instance.home, instance.environ, instance.clock.now(), app.remote_problems)
        configuration = reading.configuration
    app.make_folders(configuration.state_dir)
    handlers = [] if quiet else to_terminal()
    try:
        with ExitStack() as stack:
            with without_collector():
                service = stack.enter_context(app.service(configuration, clock=instance.clock, reading=reading))
            # Not before the lease is ours: the log is that of the instance that runs.
            handlers += to_folder(configuration.state_dir / app.LOGS)
            for warning in configuration.warnings:
                log.warning("%s", warning)
            service.obey_signals()
            if not once:
                code = service.run()
            else:
                log.info("one round of every agent changes=%d", service.run_once())
                code = int(Exit.DONE)
    except Exception as error:
        log.error("ended by an error why=%s", error)
        raise
    finally:
        stop(handlers)
    if service.hangs():
        os._exit(code)  # the interpreter would wait for threads in a file system that is dead
    return code
