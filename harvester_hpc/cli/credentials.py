"""``credentials``: list them as they are now, or renew some; needs no running instance."""
from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from harvester_hpc.cli import options
from harvester_hpc.cli.credential_lines import hours, left
from harvester_hpc.cli.exits import Exit
from harvester_hpc.cli.instance import Instance
from harvester_hpc.cli.paper import warn, write_json, write_table
from harvester_hpc.cli.times import iso
from harvester_hpc.errors import HarvesterError, StoreError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from harvester_hpc.config.values import Configuration
    from harvester_hpc.model.credential import Credential
    from harvester_hpc.ports.credential import CredentialManager

HEADINGS = ("credential", "plugin", "state", "left", "ends", "source left", "about", "file", "why")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """The credentials of an instance."""

    configuration: Configuration
    managers: Mapping[str, CredentialManager]
    known: Mapping[str, Credential]


@click.group(cls=options.Noun)
def command() -> None:
    """List credentials with the days and hours that are left, or renew some."""


@command.command("list")
@options.as_json
@click.pass_obj
def list_credentials(instance: Instance, as_json: bool) -> int:
    """Look at each credential's file now, and tell how it stands.

    Exit code 0: all are good; 3: there are none; 5: one is missing, has ended or was refused.
    """
    from harvester_hpc.model.credential import CredentialState

    here, now = _here(instance), instance.clock.now()
    found = [_seen(here, name, now) for name in here.managers]
    if as_json:
        write_json({"credentials": [_facts(here, one, now) for one in found]})
    else:
        write_table(HEADINGS, [_row(here, one, now) for one in found])
    if not found:
        warn("there is no section credentials in harvester.json")
        return Exit.NOTHING
    return Exit.DONE if all(one.state is CredentialState.GOOD for one in found) else Exit.DEGRADED


@command.command("renew")
@click.argument("names", nargs=-1, metavar="[CREDENTIAL]...")
@click.pass_obj
def renew_credentials(instance: Instance, names: tuple[str, ...]) -> int:
    """Renew these credentials now (all that can be, if none is named); a running instance sees it within its period.

    Exit code 1: one of them was not renewed.
    """
    from harvester_hpc.ports.credential import NotRenewed

    here, failed = _here(instance), False
    for name in names or tuple(name for name, manager in here.managers.items() if manager.renews):
        manager = here.managers.get(name)
        if manager is None:
            there = ", ".join(here.managers) or "none"
            raise HarvesterError(f"no credential {name!r}; there is: {there}{did_you_mean(name, here.managers)}")
        answer = manager.renew_credential(manager.check_credential().mark)
        if isinstance(answer, NotRenewed):
            failed = True
            warn(f"{name}: not renewed: {'; '.join(part for part in (answer.why, answer.remedy) if part)}")
            continue
        until = manager.check_credential().until
        click.echo(f"{name}: renewed" + ("" if until is None else f", until {iso(until)}"))
    return Exit.ERROR if failed else Exit.DONE


def _here(instance: Instance) -> _Here:
    from harvester_hpc.registry import Registry
    from harvester_hpc.store import credential as credentials

    configuration = instance.configuration()
    try:
        with instance.reading() as connection:
            known = credentials.known(connection)
    except StoreError:  # there is none, or an older one: the files are there all the same
        known = {}
    return _Here(configuration=configuration, managers=Registry().credentials_of(configuration), known=known)


def _seen(here: _Here, name: str, now: float) -> Credential:
    from harvester_hpc.policy.credential import seen

    return seen(here.known.get(name), name, here.managers[name].check_credential(), now)


def _row(here: _Here, one: Credential, now: float) -> tuple[object, ...]:
    plugin = here.configuration.credentials[one.name].section["name"]
    path = str(here.managers[one.name].path)
    return (
        one.name, plugin, one.state.value, left(one.until, now), iso(one.until), left(one.source_until, now), one.about, path, one.said,
    )


def _facts(here: _Here, one: Credential, now: float) -> dict[str, Any]:
    manager = here.managers[one.name]
    return {
        "credential": one.name, "plugin": here.configuration.credentials[one.name].section["name"], "file": str(manager.path),
        "holds": manager.form.value, "renews": manager.renews, "state": one.state.value, "since": iso(one.since), "until": iso(one.until),
        "hours_left": hours(one.until, now), "source_until": iso(one.source_until), "about": one.about, "renewed": iso(one.renewed),
        "tries": one.tries, "next_try": iso(one.due), "refused": one.refused_why, "why": one.why,
        "remedy": one.remedy, "failed": one.failed,
    }
