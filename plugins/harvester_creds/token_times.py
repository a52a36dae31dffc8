"""What a token says of itself, if it is a JSON web token (RFC 7519). Its signature is for others to look at."""
from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTimes:
    """Seconds since 1970; None: it does not say. ``issuer``: who has made it."""

    begins: float | None = None
    until: float | None = None
    issuer: str = ""


def times_of(token: str) -> TokenTimes:
    """Return when a token begins and ends; nothing of one that is no JSON web token."""
    parts = token.split(".")
    if len(parts) != 3:
        return TokenTimes()
    body = parts[1].rstrip("=")
    try:
        claims = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (ValueError, RecursionError):
        return TokenTimes()
    if not isinstance(claims, dict):
        return TokenTimes()
    begins = _seconds(claims.get("nbf"))
    issuer = claims.get("iss")
    return TokenTimes(
        begins=_seconds(claims.get("iat")) if begins is None else begins, until=_seconds(claims.get("exp")),
        issuer=issuer[:200] if isinstance(issuer, str) and issuer.isprintable() else "",
    )


def _seconds(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or not 0 <= value < 1e11:
        return None
    return float(value)
