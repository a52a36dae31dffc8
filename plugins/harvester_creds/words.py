"""What programs and servers say, without what is secret in it."""
from __future__ import annotations

import re
from collections.abc import Iterable

SHOWN = 300
HIDDEN = "(not shown)"
#: JSON web tokens, keys, and words after which a secret comes.
SECRETS = re.compile(
    r"eyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){0,4}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=[Bb]earer )\S+"
    r"|(?<=_token=)[^&\s]+|(?<=_secret=)[^&\s]+|(?<=_token\":\")[^\"]+",
    re.DOTALL,
)


def without_secrets(text: str, known: Iterable[str] = ()) -> str:
    """Return the end of what was said, in one line.

    Args:
        known: secrets that must not be in it.
    """
    for secret in known:
        if len(secret) >= 4:
            text = text.replace(secret, HIDDEN)
    line = " ".join(SECRETS.sub(HIDDEN, text).split())
    printable = "".join(character if character.isprintable() else "?" for character in line)
    return printable if len(printable) <= SHOWN else f"...{printable[-SHOWN:]}"
