"""Arguments are checked as the v1 API does it: by the signature of the method, type by type."""
from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from typing import Any


class ArgumentError(ValueError):
    """The server's words about arguments that it does not take."""


def bound(method: Callable[..., Any], given: Mapping[str, Any], *, casts: bool) -> dict[str, Any]:
    """Return the arguments of a call.

    Args:
        casts: they come from an address, where everything is text.

    Raises:
        ArgumentError: one is unknown, missing or of another type.
    """
    try:
        inspect.signature(method).bind(**given)
    except TypeError as error:
        raise ArgumentError(f"Argument error: {error}") from error
    hints = typing.get_type_hints(method)
    return {name: _checked(name, _cast(value, hints[name]) if casts else value, hints[name]) for name, value in given.items()}


def fits(value: Any, hint: Any) -> bool:
    """Tell whether a value is of a type, without any coercion: true is no number, and 8.0 no whole one."""
    if isinstance(hint, types.UnionType):
        return any(fits(value, one) for one in typing.get_args(hint))
    plain = typing.get_origin(hint) or hint
    if plain is Any:
        return True
    return type(value) is plain or (plain is types.NoneType and value is None)


def _checked(name: str, value: Any, hint: Any) -> Any:
    if not fits(value, hint):
        wanted = getattr(hint, "__name__", str(hint))
        raise ArgumentError(f"Type error: '{name}' must be of type {wanted}, got {type(value).__name__}.")
    return value


def _cast(value: list[str], hint: Any) -> Any:
    plain = typing.get_origin(hint) or hint
    try:
        if plain is list:
            (of,) = typing.get_args(hint)
            return [of(one) for one in value]
        if plain is bool:
            return value[0].lower() == "true"
        return plain(value[0]) if plain in (int, float) else value[0]
    except ValueError as error:
        raise ArgumentError(f"Type error: {error}") from error
