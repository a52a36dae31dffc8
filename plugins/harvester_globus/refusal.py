"""Errors of Globus, sorted: nothing is known, try later, never, or a person must act."""
from __future__ import annotations

import re
from typing import TYPE_CHECKING

from harvester_globus.account import Account
from harvester_hpc.errors import HarvesterError, Unavailable
from harvester_hpc.ports.carrier import Parked
from harvester_hpc.ports.outcome import Failed, Retry

if TYPE_CHECKING:
    from globus_sdk import GlobusAPIError

_COLLECTION = re.compile(r"scopes/([0-9a-f-]{36})/data_access")
#: Characters of a message of the service that are shown.
SHOWN = 300


class RefusedError(HarvesterError):
    """Globus has answered, and not what was asked for.

    Args:
        outcome: what that means for what was asked.
        code: the service's word for it; "" without an answer.
        status: of HTTP; 0 without an answer.
    """

    def __init__(self, outcome: Retry | Failed | Parked, code: str = "", status: int = 0) -> None:
        super().__init__(outcome.why, remedy=outcome.remedy if isinstance(outcome, Parked) else "")
        self.outcome = outcome
        self.code = code
        self.status = status


def sorted_error(error: Exception, account: Account) -> RefusedError | Unavailable:
    """Return what an error of the SDK means.

    Args:
        error: a GlobusError, or a HarvesterError of ours on the way to the call.
    """
    from globus_sdk import GlobusAPIError
    from globus_sdk.token_storage import TokenValidationError

    if isinstance(error, RefusedError | Unavailable):
        return error
    if isinstance(error, GlobusAPIError):
        return _answered(error, account)
    if isinstance(error, TokenValidationError):
        return RefusedError(_login(account, f"there is no usable login to Globus: {error}"))
    if isinstance(error, HarvesterError):
        return RefusedError(Parked(why=f"{error.what}; {error.why}", remedy=error.remedy))
    return Unavailable("Globus does not answer", why=f"{type(error).__name__}: {error}"[:SHOWN])


def _answered(error: GlobusAPIError, account: Account) -> RefusedError | Unavailable:
    code, said = error.code or "", words(error)
    parked = _for_a_person(error, account)
    if parked is not None:
        return RefusedError(parked, code, error.http_status)
    if error.http_status == 429:
        return Unavailable("Globus has asked for fewer calls", why=said)
    if error.http_status >= 500:
        if "ExternalError" in code or "EndpointError" in code:
            return RefusedError(Retry(why=said), code, error.http_status)
        return Unavailable("Globus does not work now", why=said)
    if error.http_status == 409 or "TooMany" in code:
        return RefusedError(Retry(why=said), code, error.http_status)
    return RefusedError(Failed(why=said), code, error.http_status)


def _for_a_person(error: GlobusAPIError, account: Account) -> Parked | None:
    from globus_sdk import AuthAPIError

    said = words(error)
    if error.info.consent_required:
        scopes = error.info.consent_required.required_scopes or []
        collections = list(dict.fromkeys(_COLLECTION.findall(" ".join(scopes))))
        options = [word for one in collections for word in ("--collection", one)]
        return _login(account, f"Globus wants your consent to use a collection: {said}", options)
    if error.info.authorization_parameters:
        return _login(account, f"the Globus session does not suffice: {said}", _session(error))
    if isinstance(error, AuthAPIError) and error.http_status < 500 and error.http_status != 429:
        if account.is_person:
            return _login(account, f"the login to Globus has expired or was revoked: {said}")
        return Parked(why=f"Globus does not take the client's secret: {said}", remedy=f"put the right secret into {account.secret_file}")
    if error.http_status == 401:
        return _login(account, f"Globus does not take the token: {said}")
    if error.http_status == 403:
        return Parked(why=f"Globus forbids it: {said}", remedy="give the identity that `harvester-hpc globus whoami` shows access to it")
    if error.http_status == 404 and "Endpoint" in (error.code or ""):
        return Parked(why=f"there is no such collection: {said}", remedy="put the right id into the queue's section, and restart")
    return None


def _session(error: GlobusAPIError) -> list[str]:
    wanted = error.info.authorization_parameters
    options: list[str] = []
    for name, values in (
        ("--identity", wanted.session_required_identities), ("--domain", wanted.session_required_single_domain),
        ("--policy", wanted.session_required_policies),
    ):
        options += [word for value in values or [] for word in (name, value)]
    return [*options, "--mfa"] if wanted.session_required_mfa else options


def _login(account: Account, why: str, options: list[str] | None = None) -> Parked:
    return Parked(why=why, remedy=account.login_command(options or []))


def words(error: GlobusAPIError) -> str:
    """Return what the service said, in one line that is not too long."""
    raw = error.raw_json or {}
    said = error.message or raw.get("error_description") or raw.get("error") or error.http_reason
    return " ".join(f"{error.http_status} {error.code or ''}: {said}".split())[:SHOWN]
