"""From JSON to a checked model: pydantic's errors in the words of the user's files."""
from __future__ import annotations

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
    """Return ``values`` as ``model`` (None if it cannot be), and everything that is wrong with them.

    Args:
        also_known: keys of the outermost object that somebody else looks after, for the hint at an unknown one.
    """
    try:
        # by way of JSON, where strict still knows that a list may be a tuple and 1 may be 1.0
        return model.model_validate_json(json.dumps(values)), []
    except ValidationError as error:
        return None, [_finding(model, problem, tuple(also_known)) for problem in error.errors(include_url=False)]


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
