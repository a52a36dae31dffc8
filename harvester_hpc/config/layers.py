"""Values of several files laid over each other, each value still knowing where it was written."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from harvester_hpc.config.problems import Keys, Place

Replaces = Callable[[Keys, Mapping[str, Any], Mapping[str, Any]], bool]
"""Tells, of an object at ``keys``, whether the upper one replaces the lower one instead of being merged into it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """An object of one file."""

    place: Place
    values: Mapping[str, Any]


@dataclass(slots=True, kw_only=True)
class Stack:
    """Layers as one object."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[Keys, Place] = field(default_factory=dict)

    def place(self, keys: Keys) -> Place:
        """Return where the value at ``keys`` was written, or the nearest object around it."""
        for end in range(len(keys), -1, -1):
            if keys[:end] in self.places:
                return self.places[keys[:end]].below(*keys[end:])
        raise KeyError(keys)


def _never(keys: Keys, below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    return False


def stacked(layers: Iterable[Layer], replaces: Replaces = _never) -> Stack:
    """Return ``layers`` as one object: the later wins, objects are merged member by member, anything else is replaced.

    Args:
        layers: at least one, the lowest first.
    """
    stack = Stack()
    for layer in layers:
        stack.places[()] = layer.place
        _lay(stack, stack.values, layer.values, (), layer.place, replaces)
    return stack


def _lay(stack: Stack, below: dict[str, Any], above: Mapping[str, Any], keys: Keys, place: Place, replaces: Replaces) -> None:
    for name, value in above.items():
        way, there = (*keys, name), place.below(name)
        old = below.get(name)
        if not (isinstance(value, dict) and isinstance(old, dict)) or replaces(way, old, value):
            for stale in [known for known in stack.places if known[: len(way)] == way]:
                del stack.places[stale]
            old = below[name] = {} if isinstance(value, dict) else value
        stack.places[way] = there
        if isinstance(value, dict):
            _lay(stack, old, value, way, there, replaces)
