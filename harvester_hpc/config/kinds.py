"""Kinds of values that several members of a configuration have."""
from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field, WithJsonSchema

from harvester_hpc.config.walltime import PATTERN, seconds_of

MANY = 10**9
Count = Annotated[int, Field(ge=0, le=MANY)]
Number = Annotated[int, Field(ge=1, le=MANY)]
OneLine = Annotated[str, Field(pattern=r"^[^\x00-\x1f]*$", max_length=4096)]
Date = Annotated[str, Field(pattern=r"^(\d{4}-\d{2}(-\d{2})?)?$", max_length=10)]
Walltime = Annotated[
    Annotated[int, Field(ge=1, le=MANY)],
    BeforeValidator(seconds_of),
    WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 1}, {"type": "string", "pattern": PATTERN}]}),
]


def _option(value: object) -> object:
    """Return the value of a submit option as text; None (an option without a value) stays."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


OptionValue = Annotated[
    OneLine | None, BeforeValidator(_option), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "null"}]})
]
