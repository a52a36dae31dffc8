"""What the section ``communicator`` says of a PanDA server."""
from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from harvester_panda.address import Address
from harvester_panda.proxies import NONE, parsed

#: Paths that people copy from other configurations; where the server stands is before them.
KNOWN_PATHS = frozenset({"", "/", "/server/panda", "/api/v1", "/api/latest"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
DIALECTS = ("ask", "v1", "old")

#: vo, vo.role or vo:role
ORIGIN = re.compile(r"[A-Za-z0-9_\-]+([.:][A-Za-z0-9_\-]+)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class PandaSettings:
    """A server and who we are to it.

    Attributes:
        url: of the server, ``https://pandaserver.cern.ch:25443``; a path such as ``/server/panda`` is passed over.
        ca_file: certificates of the authorities that may vouch for the server; "" for those of the machine.
        proxy_file: certificate and key in one file (a VOMS proxy), of mode 0600.
        certificate_file, key_file: the same in two files; the key of mode 0600.
        token_file: file of mode 0600 with an OIDC token; read again when it changes.
        credential: name of a token or proxy in the section ``credentials``, in the place of these files: it is renewed.
        origin: ``vo`` or ``vo.role`` that the token is for.
        dialect: ``v1``, ``old``, or ``ask``: v1 if the server has it.
        connect_s: seconds until the server must have taken a connection.
        read_s: seconds for which it may be silent in the middle of an answer.
        proxy: HTTP proxy through which the server is reached, ``http://proxy.centre:3128``; "" for what the environment says
            (``https_proxy``, ``no_proxy``), ``none`` for none.
        gzip: pack what is sent.
        jobs_per_call: asked for at once. An answer that is lost costs so many jobs half an hour, for the server gives each job once.
        items_per_call: jobs, workers or messages that are told at once.
        ranges_per_call: event ranges that are asked for at once.
        object_store: number of the object store in which zips of event ranges lie; 0: they are told with the name of their endpoint.
        object_stores: {endpoint: its number}, for those that lie elsewhere.
        path_convention: number of the rule by which paths of zips are made in it (1000 and more); 0 for none.
    """

    url: str
    ca_file: str = ""
    proxy_file: str = ""
    certificate_file: str = ""
    key_file: str = ""
    token_file: str = ""
    credential: str = ""
    origin: str = ""
    dialect: str = "ask"
    connect_s: float = 10.0
    read_s: float = 180.0
    proxy: str = ""
    gzip: bool = True
    jobs_per_call: int = 50
    items_per_call: int = 100
    ranges_per_call: int = 5120
    object_store: int = 0
    object_stores: Mapping[str, int] = field(default_factory=dict)
    path_convention: int = 0

    def problems(self) -> tuple[str, ...]:
        """Return what types cannot tell, each with the name of the field."""
        return (*self._address(), *self._proxy(), *self._credential(), *self._numbers())

    def address(self) -> Address:
        """Return where the server stands; ``problems`` has found the URL to be good."""
        parts = urlsplit(self.url)
        secure = parts.scheme == "https"
        return Address(host=parts.hostname or "", port=parts.port or (25443 if secure else 25080), secure=secure)

    def _address(self) -> Iterator[str]:
        try:
            parts = urlsplit(self.url)
            parts.port  # noqa: B018 - raises if it is none
        except ValueError as error:
            yield f"url: {self.url!r} is none: {error}"
            return
        if parts.scheme not in ("https", "http") or not parts.hostname:
            yield f"url: must look like https://pandaserver.cern.ch:25443, not {self.url!r}"
        elif parts.path.rstrip("/") not in KNOWN_PATHS or parts.query or parts.fragment or parts.username:
            yield f"url: names more than scheme, host and port: {self.url!r}"
        elif parts.scheme == "http" and parts.hostname not in LOOPBACK:
            yield f"url: must be https, for what is sent says who we are; http is for {', '.join(sorted(LOOPBACK))} only"
        if self.dialect not in DIALECTS:
            yield f"dialect: must be one of {', '.join(DIALECTS)}, not {self.dialect!r}"

    def _proxy(self) -> Iterator[str]:
        if self.proxy not in ("", NONE):
            try:
                parsed(self.proxy)
            except ValueError as error:
                yield f"proxy: {error}"  # without its value, which may hold a password

    def _credential(self) -> Iterator[str]:
        for name in ("ca_file", "proxy_file", "certificate_file", "key_file", "token_file"):
            value = getattr(self, name)
            if value and not value.startswith("/"):
                yield f"{name}: must be an absolute path, not {value!r}"
        if self.ca_file.startswith("/") and not Path(self.ca_file).is_file():
            yield f"ca_file: there is no file {self.ca_file}"
        if bool(self.certificate_file) != bool(self.key_file):
            yield "key_file: certificateFile and keyFile go together"
        if sum(map(bool, (self.proxy_file, self.certificate_file, self.token_file, self.credential))) > 1:
            yield "token_file: only one of credential, proxyFile, certificateFile and tokenFile can say who we are"
        if self.token_file and not ORIGIN.fullmatch(self.origin):
            yield f"origin: must be vo or vo.role, for which the token is, not {self.origin!r}"
        if self.url.startswith("https") and not (
            self.proxy_file or self.certificate_file or self.token_file or self.credential
        ):
            yield "credential: nothing says who we are; name credential, proxyFile, certificateFile and keyFile, or tokenFile and origin"

    def _numbers(self) -> Iterator[str]:
        for name, most in (("jobs_per_call", 500), ("items_per_call", 1000), ("ranges_per_call", 100_000)):
            if not 1 <= getattr(self, name) <= most:
                yield f"{name}: must be from 1 to {most}, not {getattr(self, name)}"
        for name in ("connect_s", "read_s"):
            if not 0.1 <= getattr(self, name) <= 600.0:
                yield f"{name}: must be from 0.1 to 600 seconds, not {getattr(self, name):g}"
        for name in ("object_store", "path_convention"):
            if getattr(self, name) < 0:
                yield f"{name}: must be 0 or more, not {getattr(self, name)}"
        if any(number < 1 for number in self.object_stores.values()):
            yield "object_stores: must map endpoints to numbers from 1"
