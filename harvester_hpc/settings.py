"""A plugin's settings, from its section in the configuration."""
from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, get_type_hints

from harvester_hpc.errors import ConfigurationError, did_you_mean
from harvester_hpc.ports.context import Context


def settings_of(plugin: type[Any], section: Mapping[str, Any], ignored: Collection[str], where: str) -> Any:
    """Return ``section`` as the plugin's Settings.

    Args:
        ignored: keys of the section that are not the plugin's.
        where: ``file: path`` of the section, for messages.

    A field with ``metadata={"rest": True}`` gets all keys as they are.

    Raises:
        ConfigurationError: unknown keys, missing keys and wrong types, all together.
    """
    settings, problems = _made(plugin.Settings, section, ignored, where)
    if problems:
        raise ConfigurationError(f"{where}: cannot be used", tuple(problems))
    return settings


def _made(model: type[Any], section: Mapping[str, Any], ignored: Collection[str], where: str) -> tuple[Any, list[str]]:
    """Return ``section`` as ``model``, a dataclass, and why it cannot be."""
    fields = {key_of(field): field for field in dataclasses.fields(model) if field.init}
    hints = get_type_hints(model, include_extras=True)
    rest = next((field.name for field in fields.values() if field.metadata.get("rest")), "")
    problems: list[str] = []
    given: dict[str, Any] = {rest: {}} if rest else {}
    for key, value in section.items():
        if rest:
            given[rest] |= {} if key in ignored else {key: value}
        elif key in fields:
            name = fields[key].name
            given[name], wrong = _value(hints[name], value, f"{where}.{key}")
            problems += wrong
        elif key not in ignored:
            problems.append(f"{where}.{key}: unknown key{did_you_mean(key, fields)}")
    problems += [f"{where}.{key}: is missing" for key, field in fields.items() if field.name not in given and _is_required(field)]
    if problems:
        return None, problems
    try:
        return model(**given), []
    except ValueError as error:  # what the dataclass itself does not want
        return None, [f"{where}: {error}"]


def _value(hint: Any, value: Any, where: str) -> tuple[Any, list[str]]:
    if dataclasses.is_dataclass(hint) and isinstance(hint, type) and isinstance(value, Mapping):
        return _made(hint, value, (), where)  # a section within the section
    given, wrong = _checked(hint, value)
    return given, [f"{where}{way}" for way in wrong]


def key_of(field: dataclasses.Field[Any]) -> str:
    """Return the key of a field of Settings: its name in camelCase, or what its metadata says under ``key``."""
    first, *others = field.name.split("_")
    return str(field.metadata.get("key", first + "".join(word.capitalize() for word in others)))


def _is_required(field: dataclasses.Field[Any]) -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _checked(hint: Any, value: Any) -> tuple[Any, list[str]]:
    """Return ``value`` as the type ``hint`` wants it, and why it cannot be (``[.way]: message``)."""
    from pydantic import TypeAdapter, ValidationError  # heavy; only where configuration is read

    try:
        # by way of JSON, where strict still knows that a list may be a tuple and 1 may be 1.0
        return TypeAdapter(hint).validate_json(json.dumps(value, default=dict), strict=True), []
    except ValidationError as error:
        return None, [_line(problem) for problem in error.errors(include_url=False)]


def _line(error: Mapping[str, Any]) -> str:
    way = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in error["loc"])
    words = (("Input should be", "must be"), ("valid integer", "whole number"), ("valid array", "list"), ("valid tuple", "list"))
    message = str(error["msg"])
    for theirs, ours in words:
        message = message.replace(theirs, ours)
    return f"{way}: {message[0].lower()}{message[1:]}; it is {json.dumps(error['input'], default=str)}"


def problems_of(plugin: type[Any], settings: Any, context: Context, where: str) -> Iterator[str]:
    """Give what ``settings.problems()`` and ``plugin.problems(settings, context)`` say, where there is such a thing."""
    keys = dict(_keys(settings))
    of_settings, of_plugin = getattr(settings, "problems", None), getattr(plugin, "problems", None)
    lines = [*(of_settings() if callable(of_settings) else ()), *(of_plugin(settings, context) if of_plugin else ())]
    for line in lines:
        name, colon, rest = line.partition(":")
        yield f"{where}.{keys[name]}:{rest}" if colon and name in keys else f"{where}: {line}"


def _keys(settings: Any, before: str = "", key_before: str = "") -> Iterator[tuple[str, str]]:
    """Give (name, key) of all fields; those of a section within the section as ``outer.inner``."""
    for field in dataclasses.fields(settings):
        yield before + field.name, key_before + key_of(field)
        inner = getattr(settings, field.name)
        if dataclasses.is_dataclass(inner):
            yield from _keys(inner, f"{before}{field.name}.", f"{key_before}{key_of(field)}.")
