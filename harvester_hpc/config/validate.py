"""From JSON to a checked model: pydantic's errors in the words of the user's files."""
from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from harvester_hpc.config.problems import Finding, Keys, shown
from harvester_hpc.errors import did_you_mean

#: Our words for pydantic's kinds of errors; for all others its own.
WORDS: Mapping[str, str] = {
    "missing": "is missing",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_too_short": "must not be empty",
    "string_pattern_mismatch": "has characters that it must not have",
    "literal_error": "must be {expected}",
    "greater_than": "must be more than {gt:g}",
    "greater_than_equal": "must be at least {ge:g}",
    "less_than_equal": "must be at most {le:g}",
    "value_error": "{error}",
}


class FileModel(BaseModel):
    """An object of a configuration file; the names of its fields are the keys in the file."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


Model = TypeVar("Model", bound=BaseModel)


def validated(model: type[Model], values: Mapping[str, Any], *, also_known: Iterable[str] = ()) -> tuple[Model | None, list[Finding]]:
    """Return ``values`` as ``model``, and everything that is wrong with them.

    Where something is wrong, the model is that of the values without it, so that other checks can go on
    (None if nothing is left); ``unsaid`` then keeps them from speaking of what is missing now.

    Args:
        also_known: keys of the outermost object that somebody else looks after, for the hint at an unknown one.
    """
    found, wrong = _tried(model, values, tuple(also_known))
    rest, left = copy.deepcopy(dict(values)), wrong
    while found is None and left and _drop(rest, left[0].keys):
        found, left = _tried(model, rest, ())
    return found, wrong


def unsaid(findings: Iterable[Finding], said: Iterable[Finding]) -> list[Finding]:
    """Return those ``findings`` that are about something of which nothing is ``said`` yet, neither around nor within it."""
    known = [finding.keys for finding in said]
    return [finding for finding in findings if not any(_touch(finding.keys, keys) for keys in known)]


def _touch(one: Keys, other: Keys) -> bool:
    shorter = min(len(one), len(other))
    return one[:shorter] == other[:shorter]


def _tried(model: type[Model], values: Mapping[str, Any], also_known: tuple[str, ...]) -> tuple[Model | None, list[Finding]]:
    try:
        # by way of JSON, where strict still knows that a list may be a tuple and 1 may be 1.0
        return model.model_validate_json(json.dumps(values)), []
    except ValidationError as error:
        return None, [_finding(model, problem, also_known) for problem in error.errors(include_url=False)]


def _drop(values: Any, keys: Keys) -> bool:
    """Take the value at ``keys`` out of ``values``, or the object in which it is missed; tell whether something was taken."""
    around: list[tuple[Any, str | int]] = []
    inner = values
    for key in keys:
        if isinstance(inner, dict) and key not in inner:
            break
        if not isinstance(inner, dict | list):  # a part of the way that only the type has
            break
        around.append((inner, key))
        inner = inner[key]  # type: ignore[index]  # pydantic counts the elements of what it was given
    if around:
        container, key = around[-1]
        del container[key]
    return bool(around)


def _finding(model: type[BaseModel], error: Mapping[str, Any], also_known: tuple[str, ...]) -> Finding:
    keys: Keys = tuple(error["loc"])
    if error["type"] == "extra_forbidden":
        known = [*_fields_at(model, keys[:-1]), *(also_known if len(keys) == 1 else ())]
        return Finding(keys=keys, message=f"unknown key{did_you_mean(str(keys[-1]), known)}")
    words = WORDS.get(error["type"])
    message = words.format_map(error.get("ctx", {})) if words else str(error["msg"])
    if error["type"] == "missing":
        return Finding(keys=keys, message=message)
    return Finding(keys=keys, message=f"{message}; it is {shown(error['input'])}")


def _fields_at(model: type[BaseModel], keys: Keys) -> tuple[str, ...]:
    """Return the keys that the object at ``keys`` may have."""
    inner: type[BaseModel] | None = model
    for key in keys:
        field = inner.model_fields.get(str(key)) if inner else None
        if field is not None:
            inner = _model_in(field.annotation)
    return tuple(inner.model_fields) if inner else ()


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)
