"""A command with fields of an event range: ``--first {startEvent} --last {lastEvent} -o {out}``."""
from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

#: Only these are fields; other braces are left as they are, for a command may hold JSON or awk.
FIELDS = ("eventRangeID", "startEvent", "lastEvent", "LFN", "GUID", "scope", "PandaID", "out", "ranges", "slot", "rank")
_FIELD = re.compile("{(" + "|".join(FIELDS) + ")}")


def filled(argv: Sequence[str], values: Mapping[str, Any]) -> list[str]:
    """Return the command with its fields filled in; one that the range does not have is empty. A value is part of one word."""
    return [_FIELD.sub(lambda found: str(values.get(found[1], "")).replace("\0", ""), word) for word in argv]


def names(argv: Sequence[str], field: str) -> bool:
    """Tell whether a command has a field."""
    return any(f"{{{field}}}" in word for word in argv)
