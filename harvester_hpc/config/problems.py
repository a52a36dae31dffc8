"""A problem of the configuration: in which file, at which key, what, and what to do."""
from __future__ import annotations

from dataclasses import dataclass, replace

Keys = tuple[str | int, ...]
"""The way to a value: names of objects' members and numbers of list elements."""


def dotted(keys: Keys) -> str:
    """Return ``keys`` as people write it, such as ``facility.queues[0].name``."""
    text = ""
    for key in keys:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a value was written: its file and the way to it within the file."""

    file: str
    keys: Keys = ()

    def below(self, *keys: str | int) -> Place:
        """Return the place of a member."""
        return replace(self, keys=(*self.keys, *keys))

    def __str__(self) -> str:
        """Return ``file: path``."""
        return f"{self.file}: {dotted(self.keys)}" if self.keys else self.file


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What a check has found, by the way to it in what was checked; a ``Problem`` once the file is known."""

    keys: Keys
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that keeps the configuration from being used; ``path`` is "" for the file as a whole."""

    file: str
    path: str
    message: str

    @classmethod
    def at(cls, place: Place, message: str) -> Problem:
        """Return the problem of the value at ``place``."""
        return cls(file=place.file, path=dotted(place.keys), message=message)

    def __str__(self) -> str:
        """Return ``file: path: message``."""
        return ": ".join(part for part in (self.file, self.path, self.message) if part)


def shown(value: object) -> str:
    """Return a short picture of a value for a message, as JSON writes it where it can."""
    import json

    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
