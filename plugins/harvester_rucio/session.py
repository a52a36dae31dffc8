"""Clients of Rucio: one for each thread, with tokens of our own, and never a question to anybody."""
from __future__ import annotations

import logging
import os
import re
import ssl
import sys
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harvester_hpc.clock import SystemClock, as_datetime
from harvester_hpc.errors import Unavailable
from harvester_hpc.ports.carrier import Parked
from harvester_hpc.ports.outcome import Failed
from harvester_rucio.account import AccountSettings, configured
from harvester_rucio.credential import OF_THE_CREDENTIAL, mark_shown, refusal
from harvester_rucio.sorting import REMEDIES, said, sort

#: notBefore and notAfter of a certificate, as UTCTime, one after the other (RFC 5280, 4.1.2.5; DER).
VALIDITY = re.compile(rb"\x17\x0d\d{12}Z\x17\x0d(\d{12})Z")
EMPTY = "# Rucio's library found no rucio.cfg, and does not work without one.\n[client]\n[policy]\n[common]\n"
#: The library's configuration is one for the whole process.
CONFIGURING = threading.Lock()


class NeedsPerson(Exception):
    """Nothing goes on before a person has acted. kind: the name of Rucio's error, "" if it is none of Rucio's."""

    def __init__(self, parked: Parked, kind: str = "") -> None:
        super().__init__(parked.why)
        self.parked = parked
        self.kind = kind


class Refused(Exception):
    """Rucio will never do it with these files. kind: the name of its error."""

    def __init__(self, failed: Failed, kind: str) -> None:
        super().__init__(failed.why)
        self.why = failed.why
        self.kind = kind


class Sessions:
    """Gives each thread its client.

    Args:
        folder: for token files; made when it is needed, for its owner alone.
    """

    def __init__(self, settings: AccountSettings, folder: Path) -> None:
        self.settings = settings
        self._folder = folder
        self._mine = threading.local()
        # The library shortens sys.argv[0] to its last part each time a client is made.
        self._program = sys.argv[0]

    @contextmanager
    def asking(self, what: str) -> Iterator[Any]:
        """Give the client of this thread, and sort what goes wrong while it is used.

        Args:
            what: what is being done, for messages.

        Raises:
            NeedsPerson: a person must act first; the next client reads the credentials again.
            Refused: it lies in the files that the call names.
            CredentialRefused: Rucio does not take the credential that the settings name.
            Unavailable: nothing is known.
        """
        from configparser import Error as ConfigParserError

        from requests import RequestException
        from rucio.common.exception import RucioException

        mark = mark_shown(self.settings)
        try:
            self._configure()
            yield self._named_client(mark)
        except (RucioException, RequestException, OSError, ValueError, ConfigParserError) as error:
            match sort(error, what):
                case Parked() as parked:
                    self.forget()
                    if self.settings.credential and type(error).__name__ in OF_THE_CREDENTIAL:
                        raise refusal(self.settings, parked, mark) from error
                    raise NeedsPerson(parked, type(error).__name__) from error
                case Failed() as failed:
                    raise Refused(failed, type(error).__name__) from error
                case None:
                    raise Unavailable(f"Rucio: {what}", why=said(error)) from error

    def forget(self) -> None:
        """Drop the client of this thread."""
        self._mine.client = None

    def token(self) -> str | None:
        """Return the token that storage may be given, if the account logs in by one."""
        client = getattr(self._mine, "client", None)
        token = str(client.auth_token or "") if client is not None else ""
        return token if token.count(".") == 2 else None

    def _configure(self) -> None:
        """Give the library an empty configuration where it finds none: its protocols refuse to work without."""
        from rucio.common.config import get_config
        from rucio.common.exception import ConfigNotFound

        with CONFIGURING:
            try:
                get_config()
            except ConfigNotFound:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                empty = self._folder / "rucio.cfg"
                empty.write_text(EMPTY)
                # It keeps what it has read. The variable must not stay: batch jobs would inherit it.
                os.environ["RUCIO_CONFIG"] = str(empty)
                try:
                    get_config()
                finally:
                    del os.environ["RUCIO_CONFIG"]

    def _named_client(self, mark: str) -> Any:
        """Return the client; a credential that somebody keeps and that cannot be used is said by its name, so that it is renewed."""
        try:
            return self._client()
        except NeedsPerson as error:
            if not self.settings.credential:
                raise
            raise refusal(self.settings, error.parked, mark) from error

    def _client(self) -> Any:
        if getattr(self._mine, "client", None) is None:
            self._mine.client = self._made()
        return self._mine.client

    def _made(self) -> Any:
        settings = self.settings
        credentials = self._credentials()
        account = settings.account or os.environ.get("RUCIO_ACCOUNT") or None
        host = settings.host or None
        try:
            return _client_class()(
                self._token_file(credentials), _token_of(settings), rucio_host=host, auth_host=settings.auth_host or host,
                account=account, ca_cert=settings.ca or None, auth_type=settings.auth_type or None, creds=credentials,
                timeout=settings.timeout_s, user_agent="harvester_hpc", vo=settings.vo or None,
                # What goes wrong comes back as an exception, and is logged once by who knows what it means.
                logger=silence(),
            )
        finally:
            sys.argv[0] = self._program

    def _credentials(self) -> dict[str, str]:
        """Return what was given for the way to log in; the library looks for the rest.

        Raises:
            NeedsPerson: it cannot be read, or its time is over.
        """
        settings = self.settings
        found: dict[str, str] = {}
        if settings.username:
            found["username"] = settings.username
        if settings.password_file:
            found["password"] = _read(settings.password_file)
        for key, value in (("client_cert", settings.certificate), ("client_key", settings.key), ("client_proxy", settings.proxy)):
            if value:
                found[key] = value
        for path in (settings.certificate, settings.proxy or default_proxy(settings.auth_type)):
            if path and (problem := certificate_problem(Path(path))):
                raise NeedsPerson(Parked(why=problem, remedy="renew it (voms-proxy-init, or where it comes from)"))
        return found

    def _token_file(self, credentials: dict[str, str]) -> Path:
        """Return where the token of this account at this host is kept; one that is older than its credential is removed."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        who = f"{self.settings.host}|{self.settings.account}|{self.settings.auth_type}|{self.settings.username}|{self.settings.vo}"
        readable = re.sub(r"[^A-Za-z0-9.-]+", "_", f"{self.settings.host.partition('//')[2]}_{self.settings.account}")[:80]
        file = self._folder / f"token_{readable}_{zlib.crc32(who.encode()):08x}"
        paths = (self.settings.password_file, *(credentials.get(key, "") for key in ("client_cert", "client_key", "client_proxy")))
        for path in paths:
            # The library would go on with the token although the password was changed (or is wrong).
            if path and _changed(file) < _changed(Path(path)):
                file.unlink(missing_ok=True)
        return file


def silence() -> logging.Logger:
    """Return a logger that nobody hears; the library writes of every failed connection as an error, three times each."""
    return logging.Logger("rucio", logging.CRITICAL + 1)  # noqa: LOG001 (below no other logger, and configured by nobody)


def _client_class() -> Any:
    from rucio.client import Client
    from rucio.common.exception import CannotAuthenticate

    class QuietClient(Client):  # type: ignore[misc]
        """The client of Rucio with a token file of its own, that asks nobody for anything.

        Without this the token lies under /tmp, by account and not by host; and a login by OIDC prints an address and waits for
        somebody to type.
        """

        def __init__(self, token_file: Path, token: Any, **named: Any) -> None:
            self._our_token_file = token_file
            self._our_token = token
            self.auth_token: str = ""
            super().__init__(**named)

        def _get_auth_tokens(self) -> tuple[str | None, str, str, str]:
            file = self._our_token_file
            return str(file), str(file.with_name(f"{file.name}.until")), str(file), str(file.parent)

        def _BaseClient__read_token(self) -> bool:
            if self.auth_type != "oidc":
                return bool(Client._BaseClient__read_token(self))
            return bool(self._BaseClient__get_token_oidc())

        def _BaseClient__get_token_oidc(self) -> bool:
            before, found = self.auth_token, self._our_token()
            if not found:
                raise CannotAuthenticate("no OIDC token is there ('tokenFile', or BEARER_TOKEN and so on)")
            if found == before:
                raise CannotAuthenticate("the OIDC token is not accepted (any more)")
            self.auth_token = found
            self.headers["X-Rucio-Auth-Token"] = found
            return True

        def _BaseClient__write_token(self) -> None:
            if self.auth_type != "oidc":
                Client._BaseClient__write_token(self)

    return QuietClient


def _token_of(settings: AccountSettings) -> Any:
    """Return what reads the OIDC token, anew at each login: others keep it fresh."""

    def token() -> str:
        if settings.token_file:
            return _read(settings.token_file)
        from rucio.common.utils import wlcg_token_discovery

        return str(wlcg_token_discovery() or "")

    return token


def _changed(path: Path) -> int:
    """Return when a file was written, in ns since 1970; 0 if it is not there."""
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _read(path: str) -> str:
    try:
        return Path(path).read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise NeedsPerson(Parked(why=f"{path} cannot be read: {said(error)}", remedy=REMEDIES["CannotAuthenticate"])) from error


def default_proxy(auth_type: str) -> str:
    """Return the proxy that the library will take; "" if it takes none, or there is none."""
    if (auth_type or configured("auth_type")) != "x509_proxy":
        return ""
    places = (os.environ.get("RUCIO_CLIENT_PROXY"), configured("client_x509_proxy"), os.environ.get("X509_USER_PROXY"))
    usual = Path(f"/tmp/x509up_u{os.geteuid()}")
    return next((place for place in places if place), str(usual) if usual.is_file() else "")


def certificate_problem(path: Path) -> str:
    """Return why a certificate or proxy cannot be used: it is not there, or its time is over; "" if it can, as far as we see."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        return f"{path} cannot be read: {said(error)}"
    begin = text.find("-----BEGIN CERTIFICATE-----")
    end = text.find("-----END CERTIFICATE-----", begin)
    if begin < 0 or end < 0:
        return f"{path}: there is no certificate in it"
    try:
        found = VALIDITY.search(ssl.PEM_cert_to_DER_cert(text[begin:end] + "-----END CERTIFICATE-----\n"))
    except ValueError as error:
        return f"{path}: {said(error)}"
    if found is None:
        return ""
    until = datetime.strptime(found[1].decode(), "%y%m%d%H%M%S").replace(tzinfo=UTC)
    return "" if as_datetime(SystemClock().now()) < until else f"{path}: its time is over since {until:%Y-%m-%d %H:%M} UTC"
