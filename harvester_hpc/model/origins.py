"""Where a job says that its inputs lie."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def origins_of(params: Mapping[str, Any]) -> dict[str, str]:
    """Return {lfn: path or address} from ``inFiles`` and its parallel list ``inFileSources``; "" where nothing is said."""
    names = str(params.get("inFiles") or "").split(",")
    sources = str(params.get("inFileSources") or "").split(",")
    return {name.strip(): _path_of(source.strip()) for name, source in zip(names, sources, strict=False)}


def _path_of(source: str) -> str:
    """Return the path in a ``file://`` address; anything else as it is."""
    if source in ("", "NULL"):
        return ""
    if not source.startswith("file:"):
        return source
    from urllib.parse import unquote, urlsplit  # not at the start of every program

    parts = urlsplit(source)
    return unquote(parts.path) if parts.netloc in ("", "localhost") else source
