"""The section of such a plugin: any keys, all of which it gets."""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: Keys that are remarks in the files of existing installations.
REMARK = "____comment"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnySettings:
    """Attributes: ``values``: all keys of the section but name and module, as they stand there."""

    values: Mapping[str, Any] = field(default_factory=dict, metadata={"rest": True})

    def arguments(self) -> dict[str, Any]:
        """Return what the plugin is made with."""
        return {key: _thawed(value) for key, value in self.values.items() if not key.startswith(REMARK)}


def _thawed(value: Any) -> Any:
    """Return a value that a plugin may change: dictionaries and lists of its own."""
    if isinstance(value, Mapping):
        return {key: _thawed(one) for key, one in value.items()}
    return [_thawed(one) for one in value] if isinstance(value, list | tuple) else value
