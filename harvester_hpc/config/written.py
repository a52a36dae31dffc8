"""A queue as it is written down to be read again: nothing is left to be filled in."""
from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from harvester_hpc.config.templates import IS_TEMPLATE, TEMPLATE


def doubled(value: Any) -> Any:
    """Return JSON that, read again, comes to ``value``: every dollar sign is a plain one."""
    if isinstance(value, Mapping):
        return {key: doubled(member) for key, member in value.items()}
    if isinstance(value, list | tuple):
        return [doubled(member) for member in value]
    return value.replace("$", "$$") if isinstance(value, str) else value


def text_of(values: Mapping[str, Any]) -> str:
    """Return a queue, put together with what lies below it and with its variables filled in; always the same text for the same values."""
    own = {key: value for key, value in values.items() if key not in (IS_TEMPLATE, TEMPLATE)}
    return json.dumps(doubled(own), sort_keys=True, ensure_ascii=False)
