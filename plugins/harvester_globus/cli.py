"""``harvester-hpc globus``: log in, log out, tell who is logged in. Imports nothing heavy until a verb is called."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Protocol

import click

from harvester_globus.account import Account
from harvester_hpc.errors import HarvesterError, did_you_mean
from harvester_hpc.model.transfer import Direction
from harvester_hpc.ports.plugins import QueuePlugins


class House(Protocol):
    """What is used of the instance that the command line is about."""

    def plugins(self) -> Mapping[str, QueuePlugins]:
        """Make the plugins of all queues."""
        ...


client_option = click.option("--client", metavar="ID", default="", help="Of one client id; by default of all that queues name.")


@click.group()
def command() -> None:
    """Log in to Globus, log out, and tell who is logged in."""


@command.command("login")
@client_option
@click.option("--collection", "collections", multiple=True, metavar="ID", help="Consent to this collection too.")
@click.option("--identity", "identities", multiple=True, metavar="ID", help="Log in with this identity.")
@click.option("--domain", "domains", multiple=True, metavar="NAME", help="Log in with an identity of this domain.")
@click.option("--policy", "policies", multiple=True, metavar="ID", help="Log in as this policy demands.")
@click.option("--mfa", is_flag=True, help="Log in with a second factor.")
@click.pass_obj
def log_in(
    house: House, client: str, collections: tuple[str, ...], identities: tuple[str, ...], domains: tuple[str, ...],
    policies: tuple[str, ...], mfa: bool,
) -> int:
    """Log in, and consent to what the collections want.

    Shows an address to open in a browser on any machine, and reads the code that Globus shows there. A client with a secret
    needs no browser.
    """
    from harvester_globus.login import Demands, logged_in

    demands = Demands(identities=identities, domains=domains, policies=policies, mfa=mfa)
    for account, named in _accounts(house, client).items():
        click.echo(logged_in(account, [*named, *(one for one in collections if one not in named)], demands))
    return 0


@command.command("logout")
@client_option
@click.pass_obj
def log_out(house: House, client: str) -> int:
    """Make the tokens worthless at Globus, and remove them here."""
    from harvester_globus.login import logged_out

    for account in _accounts(house, client):
        click.echo(logged_out(account))
    return 0


@command.command("whoami")
@client_option
@click.option("--json", "as_json", is_flag=True, help="Write JSON; times in UTC.")
@click.pass_obj
def tell(house: House, client: str, as_json: bool) -> int:
    """Tell the identity, how long tokens are good, and which consents are given."""
    from harvester_globus.login import who

    told = [who(account, named) for account, named in _accounts(house, client).items()]
    if as_json:
        click.echo(json.dumps([one.as_dictionary() for one in told], indent=2))
        return 0
    for one in told:
        for line in one.lines():
            click.echo(line)
    return 0


def _accounts(house: House, client: str) -> dict[Account, Sequence[str]]:
    """Return {account: collections that its sections name}.

    Raises:
        HarvesterError: no queue uses Globus, or none with this client.
    """
    from harvester_globus.carrier import GlobusCarrier

    found: dict[Account, list[str]] = {}
    for plugins in house.plugins().values():
        for hop in (*plugins.hops(Direction.IN), *plugins.hops(Direction.OUT)):
            if isinstance(hop, GlobusCarrier):
                named = found.setdefault(hop.account, [])
                named += [one for one in hop.settings.collections() if one not in named]
    if not found:
        raise HarvesterError("no queue uses Globus", remedy='name it in a queue\'s preparator or stager: {"name": "globus", ...}')
    chosen = {account: named for account, named in found.items() if client in ("", account.client_id)}
    if not chosen:
        known = [account.client_id for account in found]
        raise HarvesterError(f"no queue uses the client {client}{did_you_mean(client, known)}; there is: {', '.join(known)}")
    return dict(chosen)
