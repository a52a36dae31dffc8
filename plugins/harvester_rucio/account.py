"""Who speaks to Rucio, and how it logs in."""
from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

AUTH_TYPES = ("userpass", "x509", "x509_proxy", "oidc")
NOT_INSTALLED = "rucio-clients is not installed; pip install 'harvester_hpc[rucio]'"


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountSettings:
    """The keys that all four plugins have; what is "" is taken from the environment and rucio.cfg, as any Rucio client does it.

    Attributes:
        host: address of the REST service, ``https://...`` (``rucio_host``).
        auth_host: address of the login (``auth_host``); "" for ``host`` if that is given.
        account: name of the account.
        auth_type: ``userpass``, ``x509``, ``x509_proxy`` or ``oidc``.
        username: userpass: the user.
        password_file: userpass: file with the password, readable for its owner alone.
        certificate, key: x509: PEM files; the key readable for its owner alone.
        proxy: x509_proxy: PEM file; "" for $RUCIO_CLIENT_PROXY, rucio.cfg, $X509_USER_PROXY, /tmp/x509up_u<uid>.
        credential: name of a proxy, a token or a password file in the section ``credentials``, in the place of these files: it is renewed.
        token_file: oidc: file with the token, kept fresh by others (htgettoken, oidc-agent); "" for what the WLCG rules find
            ($BEARER_TOKEN, $BEARER_TOKEN_FILE, $XDG_RUNTIME_DIR/bt_u<uid>, /tmp/bt_u<uid>).
        ca: certificate authorities that the server's certificate is held against: file or folder.
        vo: virtual organisation, where a server has several.
        timeout_s: seconds for which one answer is waited for.
        files_per_call: files in one call to the service, at most 500.
    """

    host: str = ""
    auth_host: str = ""
    account: str = ""
    auth_type: str = ""
    username: str = ""
    password_file: str = ""
    certificate: str = ""
    key: str = ""
    proxy: str = ""
    token_file: str = ""
    credential: str = ""
    ca: str = ""
    vo: str = ""
    timeout_s: float = 60.0
    files_per_call: int = 500

    def problems(self) -> tuple[str, ...]:
        """Return what types cannot tell."""
        return (*self._of_words(), *self._of_files(), *self._of_surroundings())

    def _of_words(self) -> tuple[str, ...]:
        found = [
            f"{name}: must be an address such as https://rucio.example.org, not {value!r}"
            for name, value in (("host", self.host), ("auth_host", self.auth_host))
            if value and (urlsplit(value).scheme not in ("http", "https") or not urlsplit(value).netloc)
        ]
        if self.auth_type and self.auth_type not in AUTH_TYPES:
            found.append(f"auth_type: must be one of {', '.join(AUTH_TYPES)}, not {self.auth_type!r}")
        if self.timeout_s <= 0:
            found.append(f"timeout_s: must be more than 0, not {self.timeout_s:g}")
        if not 1 <= self.files_per_call <= 500:
            found.append(f"files_per_call: must be from 1 to 500, not {self.files_per_call}")
        return tuple(found)

    def _of_files(self) -> tuple[str, ...]:
        """What can be missing later (a proxy, a token) is no problem of the configuration: then the batch is parked."""
        found = [
            f"{name}: must be an absolute path, not {value!r}"
            for name, value in (
                ("password_file", self.password_file), ("certificate", self.certificate), ("key", self.key), ("proxy", self.proxy),
                ("token_file", self.token_file), ("ca", self.ca),
            )
            if value and not Path(value).is_absolute()
        ]
        found += [
            f"{name}: others may read {value}; chmod 600 it"
            for name, value in (("password_file", self.password_file), ("key", self.key))
            if value and Path(value).is_file() and Path(value).stat().st_mode & 0o077
        ]
        if self.password_file and not os.access(self.password_file, os.R_OK):
            found.append(f"password_file: {self.password_file} cannot be read")
        return tuple(found)

    def _of_surroundings(self) -> tuple[str, ...]:
        if find_spec("rucio") is None:
            return (NOT_INSTALLED,)
        found = [] if self.host else _missing("rucio_host", "host")
        found += [] if self.auth_host or self.host else _missing("auth_host", "auth_host")
        auth_type = self.auth_type or configured("auth_type")
        if not auth_type and not self.credential:
            found += _missing("auth_type", "auth_type")
        if auth_type == "userpass":
            found += [] if self.username else _missing("username", "username")
            found += [] if self.password_file or self.credential else _missing("password", "password_file")
        if auth_type == "x509":
            found += [] if self.certificate else _missing("client_cert", "certificate")
        return tuple(found)


def _missing(option: str, field: str) -> list[str]:
    return [] if configured(option) else [f"{field}: is given neither here nor as {option!r} in rucio.cfg"]


def configured(option: str) -> str:
    """Return what the environment or rucio.cfg say; "" if nothing."""
    variable = {"auth_type": "RUCIO_AUTH_TYPE", "client_cert": "RUCIO_CLIENT_CERT"}.get(option, "")
    if variable in os.environ:
        return os.environ[variable]
    from rucio.common.config import config_get
    from rucio.common.exception import RucioException

    try:
        return str(config_get("client", option, raise_exception=False, default="") or "")
    except RucioException:  # a file that RUCIO_CONFIG names and that cannot be read
        return ""
