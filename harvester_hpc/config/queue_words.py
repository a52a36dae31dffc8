"""Attributes of queues that published files write as text, such as ``key=value,key=value``."""
from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema


def _criteria(value: object) -> object:
    """Return ``k=v,k=v`` as an object, and the values of an object as text.

    Raises:
        ValueError: a part of the text has no ``=``.
    """
    if isinstance(value, str):
        pairs = [part.strip().partition("=") for part in value.split(",") if part.strip()]
        if not all(key and sign for key, sign, _ in pairs):
            raise ValueError('must be an object, or text such as "key=value,key=value"')
        return {key.strip(): text.strip() for key, _, text in pairs}
    if isinstance(value, dict):
        return {key: str(text) if type(text) in (int, float) else text for key, text in value.items()}
    return value


Criteria = Annotated[
    dict[str, str] | None,
    BeforeValidator(_criteria),
    WithJsonSchema(
        {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": {"type": ["string", "number"]}}, {"type": "null"}]}
    ),
]


def _states(value: object) -> object:
    """Return ``a,b`` as a list of words."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


ReportedState = Literal["starting", "running", "transferring", "finished", "failed"]
States = Annotated[
    list[ReportedState], BeforeValidator(_states),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
]


def _status(value: object) -> object:
    """Return ``online`` for what published files leave open; words may be in capitals there."""
    if value is None or value == "":
        return "online"
    return value.lower() if isinstance(value, str) else value


StatusWord = Annotated[
    Literal["online", "offline", "standby", "maintenance", "test"], BeforeValidator(_status),
    WithJsonSchema({"anyOf": [{"enum": ["online", "offline", "standby", "maintenance", "test"]}, {"type": "string"}, {"type": "null"}]}),
]
