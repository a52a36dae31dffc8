"""``harvester-hpc wms``: serve and command the embedded workload management system. Imports nothing heavy until a verb is called."""
from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from harvester_local.served.faults import FaultKind


@click.group()
def command() -> None:
    """Serve the embedded workload management system over HTTP, as a PanDA server is."""


@command.command("command")
@click.argument("folder", type=click.Path(file_okay=False, exists=True, path_type=Path))
@click.argument("words")
@click.argument("params", default="null")
@click.option("--ack", is_flag=True, help="Ask for an acknowledgement.")
def put_command(folder: Path, words: str, params: str, ack: bool) -> int:
    """Let the system that lives in FOLDER give its client a command, served or not.

    WORDS and PARAMS (JSON) are those of a PanDA server: KILL_WORKERS, SYNC_WORKERS_KILL '[1, 2]',
    SET_N_WORKERS_JOBTYPE:QUEUE '{"managed": {"MCORE": 2}}', REPORT_WORKER_STATS:QUEUE.
    """
    import json

    from harvester_hpc.errors import ConfigurationError
    from harvester_hpc.model.command import CommandKind
    from harvester_hpc.ports.orders import command_of
    from harvester_local.served.system import made

    try:
        read = json.loads(params)
    except (ValueError, RecursionError) as error:
        raise ConfigurationError(f"PARAMS is no JSON: {error}", remedy='quote it for the shell: \'{"managed": {"MCORE": 2}}\'') from error
    if not (folder / "wms.sqlite").exists():
        raise ConfigurationError(f"no workload management system lives in {folder}", remedy="name the folder that `wms serve` serves")
    number = made(folder.resolve()).put_command(words, read, ack=ack)
    click.echo(f"command {number}: {words}")
    if command_of(number, words, read, ack=ack).kind is CommandKind.UNKNOWN:
        click.echo("it is none that an instance knows: it will be kept and shown there, and nothing be done", err=True)
    return 0


@command.command("serve")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=25080, show_default=True, help="Of loopback; 0 for a free one.")
@click.option("--form", type=click.Choice(["v1", "old", "both"]), default="v1", show_default=True, help="Of the API.")
@click.option("--token-file", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="Tokens: clients must bring one.")
@click.option("--certificate", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="PEM; serve HTTPS.")
@click.option("--key", type=click.Path(dir_okay=False, exists=True, path_type=Path), help="PEM, of the certificate.")
@click.option("--fault", "wanted", multiple=True, metavar="KIND[:METHOD[:TIMES]]", help="Let the next such calls go wrong.")
@click.option("--no-quirks", is_flag=True, help="Without what is odd about real servers.")
def serve(
    folder: Path, port: int, form: str, token_file: Path | None, certificate: Path | None, key: Path | None, wanted: tuple[str, ...],
    no_quirks: bool,
) -> int:
    """Serve the system that lives in FOLDER until it is interrupted.

    Jobs are job files that are dropped into FOLDER/inbox. An instance talks to it with
    {"communicator": {"name": "panda", "url": "http://127.0.0.1:25080"}}.
    """
    import ssl

    from harvester_hpc.errors import ConfigurationError
    from harvester_local.served.faults import Quirks, fault_of
    from harvester_local.served.server import ServedSystem, Service

    none = Quirks(
        breaks_after_ranges=False, bare_ranges=False, first_heartbeat_fails=False, joined_commands=False, one_return_more=False)
    service = Service(
        v1=form != "old", old=form != "v1", token_file=token_file.resolve() if token_file else None, certificate=certificate, key=key,
        quirks=none if no_quirks else Quirks(),
    )
    faults = [_of_a_method(*fault_of(one)) for one in wanted]
    try:
        served = ServedSystem(folder.resolve(), service, port)
    except ssl.SSLError as error:
        raise ConfigurationError(f"{certificate} cannot be served with its key", why=str(error), remedy="name PEM files") from error
    except OSError as error:
        raise ConfigurationError(f"port {port} cannot be served", why=str(error), remedy="name another --port, or 0") from error
    for one in faults:
        served.faults.add(*one)
    (folder / "inbox").mkdir(parents=True, exist_ok=True)
    click.echo(f"serving {folder} at {served.url} (jobs: {folder}/inbox)")
    try:
        served.serve()
    finally:
        served.close()
    return 0


def _of_a_method(kind: FaultKind, method: str, times: int) -> tuple[FaultKind, str, int]:
    """Return a fault with the bare name of its method.

    Raises:
        ConfigurationError: there is no such method, so that it would never come.
    """
    from harvester_hpc.errors import ConfigurationError, did_you_mean
    from harvester_local.served.cache import OLD_UPLOAD, UPLOAD
    from harvester_local.served.old_form import OLD

    known = {path.rpartition("/")[2] for path in (UPLOAD, "system/is_alive", *(one.path for one in OLD.values()))}
    known |= {*OLD, OLD_UPLOAD, "isAlive"}
    name = method.rpartition("/")[2]
    if name and name not in known:
        raise ConfigurationError(f"no method {method!r}{did_you_mean(name, sorted(known))}", remedy=f"there is: {', '.join(sorted(known))}")
    return kind, name, times
