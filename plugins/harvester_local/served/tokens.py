"""Which tokens a served system takes."""
from __future__ import annotations

import base64
import json
import time
from pathlib import Path


def known_tokens(token: str, file: Path | None) -> frozenset[str] | None:
    """Return the tokens that are taken now; None if clients need none.

    Args:
        token: one that is always taken; "" for none.
        file: with tokens, one a line; None: there is no such file.
    """
    if not token and file is None:
        return None
    try:
        listed = file.read_text(encoding="ascii").split() if file else []
    except (OSError, ValueError):
        listed = []
    return frozenset(one for one in (token, *listed) if one and _ends(one) > time.time())


def _ends(token: str) -> float:
    """Return when a token ends, seconds since 1970; far away if it does not say."""
    body = token.split(".")[1] if token.count(".") == 2 else ""
    try:
        return float(json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"])
    except (ValueError, TypeError, KeyError):
        return float("inf")
