"""Variables of the environment in the values of a configuration."""
from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from harvester_hpc.config.problems import Finding, Keys
from harvester_hpc.errors import did_you_mean

#: Our own placeholders, written ``${name}``; they are filled in later and stay as they are here.
PLACEHOLDERS = frozenset({"workerID", "harvesterID", "queueName", "computingSite", "workDir", "SRCDIR", "WORKDIR"})

_VARIABLE = re.compile(r"\$(?:(?P<dollar>\$)|(?P<bare>[A-Za-z_]\w*)|\{(?P<braced>[^{}]*)\})", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
# published placeholders with an inner dot: digits of a number, members of "common"
_INNER = re.compile(r"_[A-Za-z]\w*_\d+\.\d+|common\.\w+", re.ASCII)


def expanded(text: str, environ: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return ``text`` with ``$NAME`` and ``${NAME}`` replaced, and why some could not be.

    ``$$`` becomes ``$``. A ``$`` before anything else stays, and so do our own placeholders in braces.
    """
    troubles: list[str] = []

    def value_of(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["bare"] or match["braced"] or ""
        if match["bare"] is None and (name in PLACEHOLDERS or _INNER.fullmatch(name)):
            return match[0]
        if name in environ:
            return environ[name]
        troubles.append(_trouble(name, environ))
        return match[0]

    return _VARIABLE.sub(value_of, text), tuple(troubles)


def _trouble(name: str, environ: Mapping[str, str]) -> str:
    if name in PLACEHOLDERS:
        return f"${name} is written ${{{name}}} with braces"
    if not _NAME.fullmatch(name):
        return f"${{{name}}} is neither a variable nor a placeholder; a plain dollar sign is written $$"
    hint = did_you_mean(name, [*environ, *PLACEHOLDERS])
    return f"the environment has no variable {name}{hint}; set it, or write $$ for a plain dollar sign"


def expanded_values(value: Any, environ: Mapping[str, str], *, but: Collection[str] = ()) -> tuple[Any, list[Finding]]:
    """Return ``value`` with every string in it expanded, and the variables that are not there.

    Args:
        value: JSON; keys stay as they are.
        but: members of the outermost object that are left alone (lines of a batch script are for the shell there).
    """
    findings: list[Finding] = []

    def walk(part: Any, keys: Keys) -> Any:
        if isinstance(part, str):
            text, troubles = expanded(part, environ)
            findings.extend(Finding(keys=keys, message=trouble) for trouble in troubles)
            return text
        if isinstance(part, dict):
            return {key: member if not keys and key in but else walk(member, (*keys, key)) for key, member in part.items()}
        if isinstance(part, list):
            return [walk(member, (*keys, number)) for number, member in enumerate(part)]
        return part

    return walk(value, ()), findings


def absolute(text: str, base: Path, environ: Mapping[str, str]) -> Path:
    """Return a path that the user wrote as an absolute one: relative to ``base``, ``~`` for the home directory."""
    if text == "~" or text.startswith("~/"):
        text = environ.get("HOME", str(Path.home())) + text[1:]
    # pathlib keeps ".." and a double slash at the beginning, and would make two places of one
    return Path("/" + os.path.normpath(base / text).lstrip("/"))
