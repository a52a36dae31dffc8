"""Addresses of configuration files, and how their servers are asked."""
from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How the server is asked.

    Attributes:
        token_file, certificate_file, key_file, ca_file: absolute paths; "" for none.
        timeout_s: seconds for all of it.
        most: bytes that a file may have.
    """

    token_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    ca_file: str = ""
    timeout_s: float = 60.0
    most: int = 5_000_000


def problem(url: str, access: Access) -> str:
    """Return why an address cannot be used; "" if it can."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        return "" if parts.netloc in ("", "localhost") and parts.path.startswith("/") else "a file is named as file:///absolute/path"
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return "must begin with https://, http:// or file:///"
    if parts.username is not None or parts.password is not None:
        return "must hold no password: put a token into a file (tokenFile)"
    secret = access.token_file or access.certificate_file
    return "a credential goes over https only" if secret and parts.scheme == "http" and parts.hostname not in LOOPBACK else ""
