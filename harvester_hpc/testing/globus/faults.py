"""Refusals and lost answers of the emulated service.

| how | what happens |
|---|---|
| lost_before, lost_after | the connection is closed; nothing was done, or all was done |
| error_before, error_after | ``status`` (503) is answered; nothing was done, or all was done; ``retry_after`` in seconds |
| too_many | 429 with ``retry_after`` (1) |
| external | 502 of an endpoint: the SDK does not try again |
| expired_token | 401, and the token is no longer good |
| consent | 403 that asks for ``collections`` |
| session | 403 with ``parameters`` of a session |
| garbage | a page of a proxy, with 200 |
| refused | ``status`` (400), ``code``, ``message`` as given |
"""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from harvester_hpc.testing.globus.world import Fault

TRANSFER_SCOPE = "urn:globus:auth:scope:transfer.api.globus.org:all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An HTTP answer; ``body`` is sent as JSON, unless there is ``text``."""

    status: int = 200
    body: Any = None
    text: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


class LostError(Exception):
    """The connection is closed without an answer."""


class RefusedError(Exception):
    """The service answers with an error."""

    def __init__(self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **more: Any) -> None:
        super().__init__(message)
        body = {"code": code, "message": message, "request_id": "emulated0", "resource": "", **more}
        self.answer = Answer(status=status, body=body, headers=headers or {})


def data_access(collection: str) -> str:
    """Return the scope of the consent that a mapped collection wants."""
    return f"https://auth.globus.org/scopes/{collection}/data_access"


def consent_required(collections: list[str]) -> RefusedError:
    """Return the refusal that asks for consents."""
    wanted = " ".join(f"*{data_access(one)}" for one in collections)
    return RefusedError(403, "ConsentRequired", "Missing required data_access consent", required_scopes=[f"{TRANSFER_SCOPE}[{wanted}]"])


def _error(more: Mapping[str, Any]) -> RefusedError:
    headers = {"Retry-After": str(more["retry_after"])} if "retry_after" in more else {}
    return RefusedError(int(more.get("status", 503)), "ServiceUnavailable", "the service is down for a moment", headers=headers)


def _too_many(more: Mapping[str, Any]) -> RefusedError:
    return RefusedError(429, "TooManyRequests", "slow down", headers={"Retry-After": str(more.get("retry_after", 1))})


def _session(more: Mapping[str, Any]) -> RefusedError:
    parameters = more.get("parameters", {"session_message": "log in again", "session_required_mfa": True})
    return RefusedError(403, "PermissionDenied", "the session does not suffice", authorization_parameters=parameters)


def _refused(more: Mapping[str, Any]) -> RefusedError:
    return RefusedError(int(more.get("status", 400)), str(more["code"]), str(more.get("message", "refused")))


_REFUSALS: Mapping[str, Callable[[Mapping[str, Any]], RefusedError]] = MappingProxyType({
    "error_before": _error,
    "error_after": _error,
    "too_many": _too_many,
    "external": lambda more: RefusedError(502, "ExternalError.DirListingFailed.GCDisconnected", "the endpoint cannot be reached"),
    "expired_token": lambda more: RefusedError(401, "AuthenticationFailed", "Token is not active"),
    "consent": lambda more: consent_required(list(more["collections"])),
    "session": _session,
    "refused": _refused,
})


def before(fault: Fault | None) -> None:
    """Let go wrong what goes wrong before the call is done.

    Raises:
        LostError, RefusedError: as the fault says.
    """
    if fault is None or fault.how.endswith("_after") or fault.how == "garbage":
        return
    _raise(fault)


def after(fault: Fault | None) -> None:
    """Let go wrong what goes wrong when the call is done.

    Raises:
        LostError, RefusedError: as the fault says.
    """
    if fault is not None and fault.how.endswith("_after"):
        _raise(fault)


def _raise(fault: Fault) -> None:
    if fault.how.startswith("lost"):
        raise LostError
    raise _REFUSALS[fault.how](fault.more)
