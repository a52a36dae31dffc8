"""Values as the server takes them: types are checked strictly there, and a text that is too long sinks a whole bunch."""
from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

#: Stands where the middle of a text was cut out.
CUT = " [...] "
#: The largest number that a column of the server takes.
LARGEST = 2**63 - 1


def short(text: str, length: int) -> str:
    """Return ``text`` within ``length`` bytes of UTF-8; what is too long visibly lacks its middle. Without NUL and lone surrogates."""
    text = text.replace("\0", "").encode(errors="replace").decode()
    raw = text.encode()
    if len(raw) <= length:
        return text
    if length < 3 * len(CUT):
        return raw[:length].decode(errors="ignore")
    head = (length - len(CUT)) // 2
    tail = length - len(CUT) - head
    return raw[:head].decode(errors="ignore") + CUT + raw[-tail:].decode(errors="ignore")


def whole(value: Any) -> int | None:
    """Return a value as a whole number; None if it is none that the server takes."""
    number = value if type(value) is int else number_of(value)
    return None if number is None or abs(number) > LARGEST else int(number)


def number_of(value: Any) -> int | float | None:
    """Return a value as a number; None if it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = value if isinstance(value, int | float) else _read(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and abs(number) <= LARGEST else None


def _read(text: str) -> int | float:
    if len(text) > 40:
        raise ValueError("no number is that long")
    try:
        return int(text)
    except ValueError:
        return float(text)


def text_of(value: Any) -> str | None:
    """Return a value as a text; structures as JSON, None and what cannot be written as None."""
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bytes):
        return None
    try:
        return json.dumps(value, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


def plain_time(value: Any) -> str | None:
    """Return a time as ``2026-11-21 10:45:36`` in UTC; None if it is none."""
    when = time_of(value)
    return None if when is None else when.strftime("%Y-%m-%d %H:%M:%S")


def marked_time(value: Any) -> str | None:
    """Return a time as ``datetime/2026-11-21 10:45:36.000000`` in UTC; None if it is none."""
    when = time_of(value)
    return None if when is None else when.strftime("datetime/%Y-%m-%d %H:%M:%S.%f")


def time_of(value: Any) -> datetime | None:
    """Return seconds since 1970, or a text in ISO 8601, as a time in UTC; None if it is none."""
    try:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, tz=UTC)
        if not isinstance(value, str):
            return None
        when = datetime.fromisoformat(value.strip().removeprefix("datetime/"))
        return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def without_nothing(item: Mapping[str, Any]) -> dict[str, Any]:
    """Return an item without the keys that say nothing: the server takes no null."""
    return {key: value for key, value in item.items() if value is not None and value != ""}


def parts(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    """Return ``items`` in parts of at most ``size``."""
    return [items[start:start + size] for start in range(0, len(items), size)]
