"""What is different between two configurations as they are shown, and when it takes effect."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from harvester_hpc.config.problems import dotted
from harvester_hpc.config.queue_file import LOG_EXPOSER, SECTIONS

#: Members that say where something was read, and nothing of what is done.
NO_SETTINGS = frozenset({"files", "warnings", "home", "tag"})
#: Attributes of a queue on which jobs and workers under way stand.
FOUNDATIONS = frozenset({"mapType", "useJobLateBinding", "inputCache", "siteName"})
#: What keeps a place in an object that is not there.
ABSENT = "(absent)"


class Effect(StrEnum):
    """When a change counts."""

    AT_ONCE = "at once"
    NEW_WORKERS = "new workers"
    AT_RESTART = "at restart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One value, at the way ``keys``. ``before`` and ``after`` are JSON, ABSENT where there is none."""

    keys: tuple[str, ...]
    before: Any
    after: Any
    effect: Effect

    @property
    def path(self) -> str:
        """The way as people write it."""
        return dotted(self.keys)

    def __str__(self) -> str:
        return f"{self.path}: {self.before!r} -> {self.after!r} ({self.effect})"


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return what is different, in the order of the keys; both as ``show`` gives them."""
    old, new = ({key: value for key, value in one.items() if key not in NO_SETTINGS} for one in (before, after))
    return [Difference(keys=keys, before=was, after=now, effect=effect_of(keys)) for keys, was, now in _pairs(old, new, ())]


def effect_of(keys: tuple[str, ...]) -> Effect:
    """Return when a change at ``keys`` counts."""
    if keys[0] != "queues":
        return Effect.AT_RESTART
    if len(keys) == 2:
        return Effect.AT_ONCE
    if keys[2] in FOUNDATIONS or "hops" in keys:
        return Effect.AT_RESTART
    return Effect.NEW_WORKERS if keys[2] in (*SECTIONS, LOG_EXPOSER, "common", "resources") else Effect.AT_ONCE


def _pairs(before: Any, after: Any, keys: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, Any]]:
    if not (isinstance(before, Mapping) and isinstance(after, Mapping)):
        if before != after:
            yield keys, before, after
        return
    for key in dict.fromkeys((*before, *after)):
        yield from _pairs(before.get(key, ABSENT), after.get(key, ABSENT), (*keys, key))
