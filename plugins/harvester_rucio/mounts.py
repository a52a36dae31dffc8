"""File systems of RSEs that are mounted here: from the name by which Rucio knows a file to a path of this machine."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def problems_of(mounts: Mapping[str, str], field: str) -> tuple[str, ...]:
    """Return what is wrong with a table of the queue's section."""
    return tuple(
        f"{field}: {prefix!r} must be the beginning of a PFN such as davs://dtn.example.org:1094/rucio/, and {folder!r} an absolute path"
        for prefix, folder in mounts.items()
        if "://" not in prefix or not Path(folder).is_absolute()
    )


def translated(pfn: str, table: Mapping[str, str]) -> str:
    """Return a PFN with its beginning replaced; "" if no beginning fits, or if it leads out of its folder.

    Args:
        table: {beginning of PFNs: what it is elsewhere}; of several that fit, the longest counts.
    """
    fitting = [prefix for prefix in table if pfn.startswith(_whole(prefix))]
    if not fitting:
        return ""
    prefix = max(fitting, key=len)
    rest = pfn[len(_whole(prefix)) :].lstrip("/")
    if not rest or ".." in rest.split("/") or "\0" in rest:
        return ""
    return f"{table[prefix].rstrip('/')}/{rest}"


def restored(path: str, table: Mapping[str, str]) -> str:
    """Return the PFN of a path: the other way round; "" if no folder of the table fits."""
    fitting = {_whole(folder): prefix for prefix, folder in table.items() if path.startswith(_whole(folder))}
    if not fitting or ".." in path.split("/"):
        return ""
    folder = max(fitting, key=len)
    return f"{_whole(fitting[folder])}{path[len(folder) :].lstrip('/')}"


def _whole(prefix: str) -> str:
    """A beginning ends with a whole part of the path: /rucio is not the beginning of /rucio2/file."""
    return prefix if prefix.endswith("/") else f"{prefix}/"
