"""panda_harvester.cfg: INI with JSON and lists in it, and ``$VAR`` for whole values."""
from __future__ import annotations

import json
import re
from collections.abc import Mapping
from configparser import Error, RawConfigParser
from pathlib import Path
from typing import Any

from harvester_hpc.config.existing.notes import Notes
from harvester_hpc.errors import ConfigurationError

Sections = Mapping[str, Mapping[str, Any]]
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_WORDS = {"True": True, "False": False, "None": None}


def read_cfg(path: Path, environ: Mapping[str, str], notes: Notes) -> Sections:
    """Return {section: {key: value}} with the types that the existing Harvester gives them.

    Words True, False and None and whole numbers are such; a value of several lines is a list of them, or JSON if it begins with a
    bracket. A value that is ``$VAR`` or ``${VAR}`` is that of the variable; here a variable may also stand within a text. One
    that is not set stays as it is, and is noted.

    Raises:
        ConfigurationError: it cannot be read, or is no INI.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        why = " ".join(str(error).split())
        raise ConfigurationError(f"{path} cannot be read", why=why, remedy="name the panda_harvester.cfg") from error
    return cfg_in(text, str(path), environ, notes)


def cfg_in(text: str, name: str, environ: Mapping[str, str], notes: Notes) -> Sections:
    """Return the sections of a text in the same way; ``name`` is what it is called in messages.

    Raises:
        ConfigurationError: it is no INI.
    """
    parser = RawConfigParser(strict=False, inline_comment_prefixes=None, empty_lines_in_values=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text, source=name)
    except Error as error:
        why = " ".join(str(error).split())
        raise ConfigurationError(f"{name} cannot be read", why=why, remedy="name the panda_harvester.cfg") from error
    return {
        section: {key: _value(text, environ, Notes(f"{notes.place}[{section}] {key}", notes.found)) for key, text in parser.items(section)}
        for section in parser.sections()
    }


def _value(text: str, environ: Mapping[str, str], notes: Notes) -> Any:
    lines = [line.strip() for line in text.strip().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    joined = "\n".join(lines)
    if joined[:1] in ("[", "{") and (len(lines) > 1 or joined[-1:] in ("]", "}")):
        try:
            return _expanded(json.loads(joined), environ, notes)
        except (ValueError, RecursionError) as error:
            notes.impossible("", joined, f"begins like JSON and is none: {error}")
            return None
    if len(lines) > 1:
        return [_typed(_expanded(line, environ, notes)) for line in lines]
    return _typed(_expanded(joined, environ, notes))


def _typed(text: Any) -> Any:
    if not isinstance(text, str):
        return text
    return _WORDS[text] if text in _WORDS else int(text) if re.fullmatch(r"\d+", text) else text


def _expanded(value: Any, environ: Mapping[str, str], notes: Notes) -> Any:
    if isinstance(value, dict):
        return {key: _expanded(one, environ, notes) for key, one in value.items()}
    if isinstance(value, list):
        return [_expanded(one, environ, notes) for one in value]
    if not isinstance(value, str):
        return value

    def filled(found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in environ:
            notes.impossible("", found[0], f"${name} is not set here: set it as etc/sysconfig/panda_harvester does, and import again")
        return environ.get(name, found[0])

    return _VARIABLE.sub(filled, value)
