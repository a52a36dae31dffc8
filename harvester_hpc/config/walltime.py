"""Walltimes as people and batch systems write them."""
from __future__ import annotations

import re

#: HH:MM:SS or D-HH:MM:SS
PATTERN = r"^(?:(\d{1,3})-)?(\d{1,4}):([0-5]?\d):([0-5]?\d)$"


def seconds_of(value: object) -> object:
    """Return the seconds of ``HH:MM:SS`` or ``D-HH:MM:SS``; anything but text is returned as it is.

    Raises:
        ValueError: the text is of neither form.
    """
    if not isinstance(value, str):
        return value
    match = re.fullmatch(PATTERN, value, re.ASCII)
    if match is None:
        raise ValueError("must be seconds (a whole number), or text such as \"12:00:00\" or \"2-00:00:00\"")
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds
