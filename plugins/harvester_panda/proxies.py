"""The way out of a network that lets nobody out but through an HTTP proxy."""
from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from harvester_panda.address import Address

#: Setting: never through one, whatever the environment says.
NONE = "none"
DEFAULT_PORT = 3128


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxy:
    """A proxy that makes tunnels (CONNECT). ``headers`` say who we are to it, and are never shown."""

    host: str
    port: int
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)


def proxy_for(address: Address, setting: str) -> Proxy | None:
    """Return the proxy through which a server is reached; None if there is none.

    Args:
        setting: "" for what the environment says (``https_proxy``, ``no_proxy``, also in capitals), ``none``, or the proxy's address.

    Plain HTTP is for this machine only, and goes through none.

    Raises:
        ValueError: the address of the proxy is none; the message has nothing of it, for it may hold a password.
    """
    if setting == NONE or not address.secure:
        return None
    if setting:
        return parsed(setting)
    url = _said("https_proxy")
    return parsed(url) if url and not _is_excepted(address, _said("no_proxy")) else None


def _said(name: str) -> str:
    """Return a variable of the environment; in small letters it counts first, as for curl."""
    return os.environ.get(name) or os.environ.get(name.upper(), "")


def _is_excepted(address: Address, exceptions: str) -> bool:
    """Tell whether a list such as ``localhost, .cern.ch, host:443`` names a host, or a domain that it is in."""
    host = address.host.lower()
    for word in exceptions.lower().replace(",", " ").split():
        name = word.removesuffix(f":{address.port}").removeprefix("*").removeprefix(".")
        if word == "*" or host == name or (name and host.endswith(f".{name}")):
            return True
    return False


def parsed(url: str) -> Proxy:
    """Return the proxy at an address such as ``http://user:password@proxy.centre:3128``, or ``proxy.centre:3128``.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url if "://" in url else f"http://{url}")
    try:
        port = parts.port or DEFAULT_PORT
    except ValueError:
        raise ValueError("its port is none") from None
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("a proxy looks like http://proxy.centre:3128")
    if not parts.username:
        return Proxy(host=parts.hostname, port=port)
    who = f"{unquote(parts.username)}:{unquote(parts.password or '')}".encode()
    return Proxy(host=parts.hostname, port=port, headers={"Proxy-Authorization": f"Basic {b64encode(who).decode()}"})
