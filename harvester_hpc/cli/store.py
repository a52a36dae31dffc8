"""``store``: check, copy, bring up to date or shrink the store."""
from __future__ import annotations

from pathlib import Path

import click

from harvester_hpc import app
from harvester_hpc.cli import options
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import write_json, write_table
from harvester_hpc.cli.presence import lease_limit_s


@click.group(cls=options.Noun)
def command() -> None:
    """Check, copy, bring up to date or shrink the store."""


@command.command("check")
@click.option("--thorough", is_flag=True, help="Compare indices with tables too; takes several times as long.")
@options.as_json
@click.pass_obj
def check_store(instance: Instance, thorough: bool, as_json: bool) -> int:
    """Try what the store needs of its folder (lock, rename, fsync), and look at the store itself. Needs no running instance."""
    from harvester_hpc.store.upkeep import check

    path = app.store_path(instance.state_dir)
    report = check(path, clock=instance.clock, thorough=thorough, limit_s=lease_limit_s(instance.home))
    if as_json:
        findings = [{"what": one.name, "grade": one.grade.value, "text": one.text} for one in report.findings]
        write_json({"store": str(path), "usable": report.usable, "findings": findings})
    else:
        click.echo(path)
        write_table(("what", "grade", "finding"), [(one.name, one.grade.value, one.text) for one in report.findings])
        click.echo("usable" if report.usable else "NOT usable")
    return Exit.DONE if report.usable else Exit.ERROR


@command.command("backup")
@click.argument("target", required=False, type=click.Path(path_type=Path), metavar="[FILE]")
@click.pass_obj
def back_up(instance: Instance, target: Path | None) -> int:
    """Copy the store to FILE (by default beside it, with the time in its name); nobody has to stop."""
    from harvester_hpc.store.upkeep import backup

    path = app.store_path(instance.state_dir)
    stamp = instance.clock.now()
    file = target.absolute() if target else path.with_name(f"{path.name}.{_compact_time(stamp)}")
    size = backup(path, file)
    click.echo(f"{file} ({size} bytes)")
    return Exit.DONE


@command.command("migrate")
@click.pass_obj
def migrate_store(instance: Instance) -> int:
    """Bring the store to the schema of this program; the old file is copied aside first. Starting does the same."""
    from harvester_hpc.store.migrate import migrate

    before, after = migrate(app.store_path(instance.state_dir), instance.clock, limit_s=lease_limit_s(instance.home))
    click.echo(f"schema {before} -> {after}" if before != after else f"schema {after} already")
    return Exit.DONE


@command.command("compact")
@click.pass_obj
def compact_store(instance: Instance) -> int:
    """Give the space of deleted rows back; the instance must be stopped."""
    from harvester_hpc.store.upkeep import compact

    before, after = compact(app.store_path(instance.state_dir), clock=instance.clock)
    click.echo(f"{before} -> {after} bytes")
    return Exit.DONE


def _compact_time(seconds: float) -> str:
    from harvester_hpc.clock import as_datetime

    return as_datetime(seconds).strftime("%Y%m%dT%H%M%SZ")
