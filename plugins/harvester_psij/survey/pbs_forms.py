"""How PBS and Torque write queues, servers and nodes: blocks of ``name = value``, or JSON."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from harvester_psij.survey.questions import Asker, number_of

UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40, "p": 2**50}
SIZE = re.compile(r"(\d+)([kmgtp]?)[bw]?", re.IGNORECASE)
ATTRIBUTE = re.compile(r"[ \t]+([A-Za-z][\w.]*) = (.*)")
LIMIT = re.compile(r"\[?([ugpo]):\s*\"?'?([^=\]\"']+)['\"]?=(\d+)\]?")


def blocks(text: str, head: str) -> dict[str, dict[str, str]]:
    """Return {name: {attribute: value}} of ``qstat -Q -f``, ``qstat -B -f`` or ``pbsnodes -a`` in text.

    A value goes on in the next line if that starts with a tab or holds no ``=``. A block cut off at the end of the
    text is left out.

    Args:
        head: what stands before the name: ``Queue: ``, ``Server: ``, or "" for a name that stands alone.
    """
    found: dict[str, dict[str, str]] = {}
    block: dict[str, str] | None = None
    last = ""
    for line in text.replace("\r", "").split("\n")[:-1]:
        if not line.strip():
            continue
        if not line[0].isspace():
            block, last = ({}, "") if line.startswith(head) else (None, "")
            if block is not None:
                found[line.removeprefix(head).strip()] = block
            continue
        attribute = ATTRIBUTE.fullmatch(line)
        if block is None or (attribute is None and not last):
            continue
        if attribute is not None and not (line.startswith("\t") and last):
            last = attribute.group(1)
            block[last] = attribute.group(2).strip()
        else:
            block[last] += line.strip()
    if text and not text.endswith("\n") and found:
        found.popitem()
    return found


def server_settings(text: str) -> dict[str, str]:
    """Return what ``qmgr -c "print server"`` says of the server itself, {attribute: value}."""
    found: dict[str, str] = {}
    for name, sign, value in re.findall(r"^set server ([\w.]+) (\+?=) (.*)$", text, re.MULTILINE):
        found[name] = f"{found[name]},{value.strip()}" if sign == "+=" and name in found else value.strip()
    return found


def flat(values: Mapping[str, Any], before: str = "") -> Iterator[tuple[str, str]]:
    """Give the members of a JSON object as ``resources_max.walltime`` and text."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value)


def json_nodes(text: str) -> dict[str, dict[str, str]]:
    """Return {node: {attribute: value}} of ``pbsnodes -a -F json``; nothing if it is no JSON (some versions print such)."""
    try:
        answer = json.loads(text, strict=False)
    except ValueError:
        return {}
    nodes = answer.get("nodes") if isinstance(answer, dict) else None
    if not isinstance(nodes, dict):
        return {}
    return {str(name): dict(flat(values)) for name, values in nodes.items() if isinstance(values, dict) and "Error" not in values}


def megabytes_of(text: str) -> int:
    """Return MB (2**20) of a size such as ``527672488kb``; 0 if it is none."""
    found = SIZE.fullmatch(text.strip())
    return int(found.group(1)) * UNITS[found.group(2).lower()] // 2**20 if found else 0


def seconds_of(text: str) -> int | None:
    """Return seconds of ``72:00:00``, ``00:30`` (minutes and seconds) or ``600``; None if it says no time."""
    parts = text.strip().split(":")
    if not all(number_of(part) is not None for part in parts) or len(parts) > 3:
        return None
    seconds = 0
    for part in parts:
        seconds = seconds * 60 + int(part)
    return seconds


def limit_of(text: str, kind: str, asker: Asker) -> int | None:
    """Return a limit of a table such as ``[u:PBS_GENERIC=4],[u:alice=9],[p:PBS_GENERIC=100]``.

    Args:
        kind: u for a user, p for a project, g for a group, o for all together.

    Source: PBS Professional Administrator's Guide, "Limits": one's own entry goes before that of all.
    """
    table = {name.strip(): int(number) for letter, name, number in LIMIT.findall(text) if letter == kind}
    own = [table[name] for name in ((asker.user,) if kind == "u" else asker.groups if kind == "g" else ()) if name in table]
    if own:
        return max(own)
    return table.get("PBS_GENERIC", table.get("PBS_ALL"))


def is_true(text: str) -> bool:
    """Tell whether a flag is set."""
    return text.strip().lower() in ("true", "t", "yes", "1")
