"""A dialog: what an operator far away is to be told, because a person is needed."""
from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is, in PanDA's words."""

    WARNING = "WARNING"
    ERROR = "ERROR"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialog:
    """One message.

    Attributes:
        module: who says it: an agent, a plugin.
        identifier: what it is about, the same for the same cause: a queue, a service.
        number: how often it happened since.
        since, last: seconds since 1970: when it happened first and last.
        told: when it was taken; None if it was not.
    """

    id: int
    module: str
    identifier: str
    level: Level
    message: str
    number: int = 1
    since: float = 0.0
    last: float = 0.0
    told: float | None = None
