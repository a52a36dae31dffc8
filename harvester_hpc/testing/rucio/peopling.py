"""Makes accounts, scopes and RSEs through the REST service. Run by the interpreter of the server's own environment.

Its standard input is JSON: {"accounts": {name: password}, "admins": [name], "scopes": {scope: account}, "rses": {name: folder}}.
"""
from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

OPERATIONS = {"read": 1, "write": 1, "delete": 1}
WAN = {**OPERATIONS, "third_party_copy_read": 1, "third_party_copy_write": 1}
QUOTA = 10**12


def main() -> None:
    """Make each only where it is missing."""
    from rucio.client import Client

    told = json.load(sys.stdin)
    client = Client()
    for name, password in told["accounts"].items():
        _once(client.add_account, name, "SERVICE" if name in told["admins"] else "USER", "")
        _once(client.add_identity, name, name, "userpass", f"{name}@localhost", password=password)
        if name in told["admins"]:
            _once(client.add_account_attribute, name, "admin", "true")
    for scope, account in told["scopes"].items():
        _once(client.add_scope, account, scope)
    _make_rses(client, told["rses"], told["accounts"])


def _make_rses(client: Any, rses: Mapping[str, str], accounts: Mapping[str, str]) -> None:
    there = {row["rse"] for row in client.list_rses()}
    for name, folder in rses.items():
        if name in there:
            continue
        client.add_rse(name, deterministic=True, rse_type="DISK")
        client.add_protocol(name, {
            "scheme": "file", "hostname": "localhost", "port": 0, "prefix": f"{folder}/", "impl": "rucio.rse.protocols.posix.Default",
            "extended_attributes": None, "domains": {"lan": OPERATIONS, "wan": WAN},
        })
        for key, value in (("greedyDeletion", True), ("fts", "none")):
            client.add_rse_attribute(name, key, value)
        for account in ("root", *accounts):
            client.set_local_account_limit(account, name, QUOTA)
        for other in there:
            client.add_distance(name, other, {"distance": 1})
            client.add_distance(other, name, {"distance": 1})
        there.add(name)


def _once(make: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    from rucio.common.exception import Duplicate, RucioException

    try:
        make(*arguments, **named)
    except Duplicate:
        pass
    except RucioException as error:
        # Of an identity that is there already the server says so in the words of its database.
        if "already" not in str(error).lower() and "unique" not in str(error).lower():
            raise


if __name__ == "__main__":
    main()
