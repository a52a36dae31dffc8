"""Who we are to the server: a token or a certificate from a file, read again when it changes."""
from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from harvester_hpc.errors import CredentialRefused, Unavailable
from harvester_hpc.ports.context import Context
from harvester_hpc.ports.credential import Form
from harvester_hpc.secret_file import mark_of, read_token
from harvester_panda.settings import PandaSettings

if TYPE_CHECKING:
    from ssl import SSLContext

REMEDY = "renew the token or proxy, and see that its user may do this"
#: What a server says of a certificate that it does not take, while the connection is made (alerts of TLS).
ALERTS = ("CERTIFICATE", "UNKNOWN CA", "UNKNOWN_CA", "ACCESS DENIED", "ACCESS_DENIED")


def settings_with_files(settings: PandaSettings, context: Context) -> PandaSettings:
    """Return the settings with the file of the credential that they name."""
    manager = context.credentials.get(settings.credential)
    if manager is None:
        return settings
    if manager.form is Form.PROXY:
        return replace(settings, proxy_file=str(manager.path))
    return replace(settings, token_file=str(manager.path))


def credential_problems(settings: PandaSettings, context: Context) -> Iterator[str]:
    """Give what is wrong with the name of the credential."""
    if not settings.credential:
        return
    manager = context.credentials.get(settings.credential)
    if manager is None:
        there = ", ".join(context.credentials) or "none"
        yield f"credential: there is no {settings.credential!r} in the section credentials of harvester.json; there is: {there}"
    elif manager.form is Form.FILE:
        yield f"credential: {settings.credential!r} holds neither a token nor a proxy"
    elif manager.form is Form.TOKEN and not settings.origin:
        yield "origin: is missing; for which vo or vo.role is the token?"


class Credential:
    """The credential of one server. Nothing of it is ever in a message; safe for several threads."""

    def __init__(self, settings: PandaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._token: tuple[str, str] | None = None
        self._context: tuple[tuple[str, ...], SSLContext] | None = None

    def mark(self) -> str:
        """Return what tells the content that is shown now from any other; "" if there is none."""
        name = self._settings.token_file or self._settings.proxy_file or self._settings.key_file
        try:
            return mark_of(Path(name)) if name else ""
        except Unavailable:
            return ""

    def refusal(self, mark: str, what: str, why: str) -> CredentialRefused:
        """Return what to raise when the server does not take the content with this mark."""
        return CredentialRefused(what, credential=self._settings.credential, mark=mark, why=why, remedy=REMEDY)

    @contextmanager
    def asking(self) -> Iterator[str]:
        """Give the mark of what is shown, and sort out what the server says of a certificate while the connection is made.

        Raises:
            CredentialRefused: it does not take it.
        """
        mark = self.mark()
        try:
            yield mark
        except Unavailable as error:
            if isinstance(error, CredentialRefused) or not _is_alert(error):
                raise
            raise self.refusal(mark, f"the PanDA server {self._settings.url} does not take our certificate", error.why) from error

    def headers(self) -> Mapping[str, str]:
        """Return the headers that say who we are; none with a certificate.

        Raises:
            Unavailable: there is no usable token.
        """
        if not self._settings.token_file:
            return {}
        path = Path(self._settings.token_file)
        with self._named():
            mark = mark_of(path)
            with self._lock:
                if self._token is None or self._token[0] != mark:
                    self._token = read_token(path)
                return {"Authorization": f"Bearer {self._token[1]}", "Origin": self._settings.origin}

    def context(self) -> SSLContext:
        """Return how to secure a connection; another one when a certificate was renewed.

        Raises:
            Unavailable: a file is missing, readable by others, or holds no certificate.
        """
        authorities = self._settings.ca_file  # not ours: whoever we are is not to be renewed for it
        theirs = mark_of(Path(authorities), secret=False) if authorities else ""
        with self._named():
            marks = (theirs, *(f"{path} {mark_of(path, secret=secret)}" for path, secret in self._files()))
        with self._lock:
            if self._context is None or self._context[0] != marks:
                self._context = (marks, self._made())
            return self._context[1]

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Say of a credential that somebody keeps whose it is, so that it is renewed."""
        try:
            yield
        except Unavailable as error:
            name = self._settings.credential
            if not name:
                raise
            mark = self.mark()
            raise CredentialRefused(error.what, credential=name, mark=mark, why=error.why, remedy=error.remedy) from error

    def _files(self) -> list[tuple[Path, bool]]:
        """Return files that say who we are, and whether others must not read them."""
        given = self._settings
        files = ((given.proxy_file, True), (given.certificate_file, False), (given.key_file, True))
        return [(Path(name), secret) for name, secret in files if name]

    def _made(self) -> SSLContext:
        import ssl  # heavy; not for those who only look at a store

        given = self._settings
        try:
            context = ssl.create_default_context(cafile=given.ca_file or None)
        except (OSError, ValueError) as error:
            what = f"caFile {given.ca_file} cannot be used"
            raise Unavailable(what, why=str(error), remedy="put the certificates of authorities there") from error
        with self._named():
            try:
                if given.proxy_file or given.certificate_file:
                    # With an empty password a key that wants one fails instead of asking the terminal.
                    context.load_cert_chain(given.proxy_file or given.certificate_file, given.key_file or None, password="")
            except (OSError, ValueError) as error:
                what = "no certificate to talk to the PanDA server with"
                raise Unavailable(what, why=str(error), remedy="renew the proxy or certificate") from error
        return context


def _is_alert(error: BaseException) -> bool:
    """Tell whether the server has ended the connection because of our certificate."""
    cause: BaseException | None = error
    while cause is not None:
        words = str(cause).upper()
        if isinstance(cause, OSError) and "ALERT" in words and any(alert in words for alert in ALERTS):
            return True
        cause = cause.__cause__
    return False
