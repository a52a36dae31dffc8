"""The token endpoint of a server: new tokens for a refresh token, or for a client's secret (RFC 6749, sections 4.4 and 6)."""
from __future__ import annotations

import base64
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote_plus, urlencode, urlsplit

from harvester_creds.words import without_secrets

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

LARGEST = 1 << 20
#: Errors of the token endpoint that no other call will change (RFC 6749, 5.2), with what to do.
FINAL: Mapping[str, str] = {
    "invalid_grant": "log in again, and put the new refresh token into refreshTokenFile",
    "invalid_client": "put the right clientId and clientSecretFile",
    "unauthorized_client": "let the server allow this grant to the client",
    "unsupported_grant_type": "let the server allow this grant to the client",
    "invalid_scope": "ask for a scope that the server knows",
    "invalid_request": "see that tokenEndpoint, clientId and clientAuth are right",
    "invalid_target": "ask for an audience that the server knows",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who asks, and whom. ``in_body``: id and secret stand in the body (client_secret_post)."""

    endpoint: str
    issuer: str
    client_id: str
    secret: str
    ca_file: str
    in_body: bool
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What the server gave. ``repr`` shows nothing of it.

    Attributes:
        lasts_s: seconds; None: it does not say.
        refresh_token: a new one; "" if the old one stays.
    """

    token: str
    refresh_token: str
    lasts_s: float | None

    def __repr__(self) -> str:
        return "Tokens()"


class GrantRefusedError(Exception):
    """There are no new tokens. ``final``: only a person can mend it. ``silent``: nobody knows what the server has done."""

    def __init__(self, why: str, *, remedy: str = "", final: bool = False, silent: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy
        self.final = final
        self.silent = silent


def granted(client: Client, grant: Mapping[str, str], use: str) -> Tokens:
    """Ask for tokens.

    Args:
        grant: members of the request, besides those that say who asks.
        use: which member of the answer is the token: ``access_token`` or ``id_token``.

    Raises:
        GrantRefusedError: there are none.
    """
    known = [value for name, value in grant.items() if name == "refresh_token"] + [client.secret]
    headers = {"Accept": "application/json", "Content-Type": "application/x-www-form-urlencoded"}
    body = dict(grant)
    if client.in_body or not client.secret:
        body["client_id"] = client.client_id
        body.update({"client_secret": client.secret} if client.secret else {})
    else:
        pair = f"{quote_plus(client.client_id)}:{quote_plus(client.secret)}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
    opener = _opener(client)
    endpoint = client.endpoint or _discovered(opener, client)
    status, raw = _answer(opener, endpoint, urlencode(body).encode(), headers, client.timeout_s)
    answer = _object(raw)
    if status != 200 or answer is None or "error" in answer:
        raise _refusal(status, answer, known)
    return _tokens(answer, use)


def _opener(client: Client) -> OpenerDirector:
    from urllib.request import HTTPRedirectHandler, HTTPSHandler, build_opener

    class Stay(HTTPRedirectHandler):
        """Follows no redirection: what is sent is for one server only."""

        def redirect_request(self, *given: Any) -> None:
            return None

    try:
        context = ssl.create_default_context(cafile=client.ca_file or None)
    except (OSError, ValueError) as error:
        raise GrantRefusedError(f"caFile {client.ca_file} cannot be used: {error}", remedy="put it there") from error
    return build_opener(Stay, HTTPSHandler(context=context))


def _discovered(opener: OpenerDirector, client: Client) -> str:
    """Return the token endpoint that the issuer names (OpenID Connect Discovery, section 4)."""
    where = client.issuer.rstrip("/") + "/.well-known/openid-configuration"
    status, raw = _answer(opener, where, None, {"Accept": "application/json"}, client.timeout_s)
    endpoint = (_object(raw) or {}).get("token_endpoint") if status == 200 else None
    if not isinstance(endpoint, str) or address_problem(endpoint):
        raise GrantRefusedError(f"{where} names no token endpoint (answer {status})", remedy="see that issuer is right")
    return endpoint


def _answer(
    opener: OpenerDirector, url: str, body: bytes | None, headers: Mapping[str, str], timeout_s: float
) -> tuple[int, bytes]:
    from http.client import HTTPException
    from urllib.error import HTTPError, URLError
    from urllib.request import Request

    try:
        with opener.open(Request(url, data=body, headers=dict(headers)), timeout=timeout_s) as response:
            return int(response.status), response.read(LARGEST)
    except HTTPError as error:
        with error:
            try:
                return error.code, error.read(LARGEST)
            except (OSError, HTTPException):
                return error.code, b""
    except URLError as error:
        raise GrantRefusedError(f"{url} cannot be reached: {error.reason}", silent=body is not None) from error
    except (OSError, HTTPException, ValueError) as error:
        raise GrantRefusedError(f"{url} has not answered: {type(error).__name__}", silent=body is not None) from error


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        found = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _refusal(status: int, answer: dict[str, Any] | None, known: list[str]) -> GrantRefusedError:
    if answer is None:
        return GrantRefusedError(f"the token endpoint answers {status} with something else than an answer", silent=status == 200)
    error = str(answer.get("error") or "")
    said = without_secrets(f"{error} {answer.get('error_description') or ''}", known)
    final = error in FINAL and 400 <= status < 500
    return GrantRefusedError(f"the token endpoint answers {status}: {said}".rstrip(": "), remedy=FINAL.get(error, ""), final=final)


def _tokens(answer: Mapping[str, Any], use: str) -> Tokens:
    token, refresh = answer.get(use), answer.get("refresh_token")
    if not isinstance(token, str) or not _is_word(token):
        raise GrantRefusedError(f"the token endpoint gives no {use}", remedy="ask for the scope openid" if use == "id_token" else "")
    lasts = answer.get("expires_in")
    try:
        lasts_s = None if lasts is None or isinstance(lasts, bool) else float(lasts)
    except (TypeError, ValueError):
        lasts_s = None
    return Tokens(
        token=token, refresh_token=refresh if isinstance(refresh, str) and _is_word(refresh) else "",
        lasts_s=lasts_s if lasts_s is not None and 0 < lasts_s < 1e9 else None,
    )


def _is_word(text: str) -> bool:
    return bool(text) and text.isascii() and text.isprintable() and " " not in text


def address_problem(url: str) -> str:
    """Return why secrets must not be sent to ``url``; "" if they may."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises if it is none
    except ValueError as error:
        return f"{url!r} is no address: {error}"
    if parts.scheme not in ("https", "http") or not parts.hostname or parts.username or parts.fragment:
        return f"must look like https://iam.example.org/token, not {url!r}"
    if parts.scheme == "http" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        return "must be https, for what is sent is secret"
    return ""
