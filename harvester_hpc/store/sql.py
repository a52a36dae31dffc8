"""Named SQL sentences, read from the .sql files beside this module."""
from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

QUERIES = Path(__file__).parent / "queries"
_HEAD = re.compile(r"^-- name: ([a-z_]+)$", re.MULTILINE)


@cache
def sentences(aggregate: str) -> Mapping[str, str]:
    """Return {name: SQL} of ``queries/<aggregate>.sql``."""
    return sentences_in(QUERIES / f"{aggregate}.sql")


@cache
def sentences_in(file: Path) -> Mapping[str, str]:
    """Return {name: SQL} of a file.

    A sentence starts with a line ``-- name: xyz``, then comment lines that say what it does, then one statement.
    """
    parts = _HEAD.split(file.read_text())
    return {name: _statement(text) for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def _statement(text: str) -> str:
    lines = [line for line in text.splitlines() if not line.startswith("--")]
    return "\n".join(lines).strip().removesuffix(";")
