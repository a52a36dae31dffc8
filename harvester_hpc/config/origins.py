"""Where the values of a configuration were written."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from harvester_hpc.config.layers import Stack
from harvester_hpc.config.problems import Keys, dotted

DEFAULT = "default"


def origins_of(stack: Stack, around: Keys) -> dict[Keys, str]:
    """Return {way to a value: ``file: path``} of what was written, the ways beginning with ``around``; objects are left out."""
    return {(*around, *keys): str(place) for keys, place in stack.places.items() if keys and not _is_object(stack.values, keys)}


def with_origins(shown: Mapping[str, Any], origins: Mapping[Keys, str]) -> Iterator[tuple[str, Any, str]]:
    """Give (way, value, origin) of each value of a configuration as ``show`` gives it; DEFAULT where it was not written."""
    for keys, value in _leaves(shown, ()):
        yield dotted(keys), value, _origin(keys, origins)


def _origin(keys: Keys, origins: Mapping[Keys, str]) -> str:
    # a value may have been written as a whole where its parts are shown
    return next((origins[keys[:end]] for end in range(len(keys), 0, -1) if keys[:end] in origins), DEFAULT)


def _leaves(value: Any, keys: Keys) -> Iterator[tuple[Keys, Any]]:
    if isinstance(value, Mapping) and value:
        for key, member in value.items():
            yield from _leaves(member, (*keys, key))
    else:
        yield keys, value


def _is_object(values: Any, keys: Keys) -> bool:
    for key in keys:
        values = values[key]
    return isinstance(values, Mapping)
