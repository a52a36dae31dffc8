"""What a worker declares: the items of an event status dump, each judged by itself."""
from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.values import DeclaredFile, EventUpdate

KINDS = frozenset({"output", "log", "es_output", "zip_output", "checkpoint"})
#: Kinds whose items belong to an event range.
OF_EVENTS = frozenset({"es_output", "zip_output"})
#: Characters of a diagnosis that are kept.
DIAGNOSTICS = 500
#: The largest whole number that a database takes.
LARGEST_NUMBER = 2**63 - 1

#: What the system says of a path that cannot become a file by itself; anything else may pass.
NEVER = frozenset({errno.ELOOP, errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.EINVAL})

_ADLER32 = re.compile(r"(?:ad:|adler32:)?([0-9a-f]{1,8})")
_MD5 = re.compile(r"(?:md:|md5:)?([0-9a-f]{32})")


class BadItem(ValueError):
    """An item that says nothing usable; str() says why."""


@dataclass(slots=True)
class Items:
    """The items of one letter.

    Attributes:
        bad: (item, why).
        waiting: paths of files that are not visible yet.
    """

    files: list[DeclaredFile] = field(default_factory=list)
    updates: dict[int, list[EventUpdate]] = field(default_factory=dict)
    bad: list[tuple[Any, str]] = field(default_factory=list)
    waiting: list[str] = field(default_factory=list)


def items_of(content: Mapping[str, Any], folder: Path, root: Path, *, last: bool) -> Items:
    """Return the items of a dump, {"<PandaID>": [item, ...]}; a bad one does not sink its neighbours.

    Args:
        folder: where relative paths start.
        root: of the access points; what lies outside must be named by an absolute path, and is marked.
        last: what is not visible now never will be.
    """
    items = Items()
    for key, listed in content.items():
        try:
            job_id = job_number(key)
            entries = _list(listed)
        except BadItem as error:
            items.bad.append(({key: listed}, str(error)))
            continue
        for entry in entries:
            _sort(items, job_id, entry, (folder, root), last)
    return items


def updates_of(content: Mapping[str, Any]) -> Items:
    """Return the items of ``worker_updateevents.json``, which name no files."""
    items = Items()
    for key, listed in content.items():
        try:
            job_id = job_number(key)
            entries = _list(listed)
        except BadItem as error:
            items.bad.append(({key: listed}, str(error)))
            continue
        for entry in entries:
            try:
                items.updates.setdefault(job_id, []).append(_update(_object(entry)))
            except BadItem as error:
                items.bad.append((entry, str(error)))
    return items


def job_number(key: str) -> int:
    """Return the PandaID that ``key`` names.

    Raises:
        BadItem: it names none.
    """
    if key.isascii() and key.isdigit() and len(key) <= 19 and 0 < int(key) <= LARGEST_NUMBER:
        return int(key)
    raise BadItem(f"{key[:40]!r} is no PandaID")


def _sort(items: Items, job_id: int, entry: Any, place: tuple[Path, Path], last: bool) -> None:
    try:
        item = _object(entry)
        if item.get("path") in (None, ""):
            items.updates.setdefault(job_id, []).append(_update(item))
            return
        file = _file(job_id, item, *place)
        unseen = _unseen(file)
    except BadItem as error:
        items.bad.append((entry, str(error)))
        return
    if not unseen:
        items.files.append(file)
    elif last:
        items.bad.append((entry, unseen))
    else:
        items.waiting.append(file.path)


def _file(job_id: int, item: Mapping[str, Any], folder: Path, root: Path) -> DeclaredFile:
    kind = item.get("type", item.get("filetype"))  # pilot3 writes filetype
    if kind is None:
        raise BadItem("has a path, but no type")
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadItem(f"type {_shown(kind)} is none of {', '.join(sorted(KINDS))}")
    path, outside = _path(_text(item, "path"), folder, root)
    range_id, status = _text(item, "eventRangeID"), _text(item, "eventStatus")
    if kind in OF_EVENTS and not status:
        raise BadItem(f"is a {kind}, but has no eventStatus")
    return DeclaredFile(
        job_id=job_id, lfn=Path(path).name, path=path, kind=kind, size=_whole_number(item, "fsize"), checksum=_checksum(item),
        guid=_text(item, "guid"), event_range_id=range_id, event_status=status, outside=outside,
    )


def _path(text: str, folder: Path, root: Path) -> tuple[str, bool]:
    if "\0" in text or text.endswith(("/", "/.", "/..")):
        raise BadItem(f"path {_shown(text)} names no file")
    path = os.path.normpath(folder / text)
    outside = not Path(path).is_relative_to(os.path.normpath(root))
    if outside and not text.startswith("/"):
        raise BadItem(f"path {_shown(text)} leads out of the access points; give an absolute one if that is meant")
    return path, outside


def _unseen(file: DeclaredFile) -> str:
    """Return why the file cannot be taken yet; "" if it can.

    Raises:
        BadItem: it never can.
    """
    try:
        there = Path(file.path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return f"{file.path} is not there"
    except OSError as error:
        if error.errno in NEVER:
            raise BadItem(f"{file.path}: {error.strerror}") from error
        # A stale handle, an I/O error: the file system is in trouble, and the file may be seen later.
        return f"{file.path} cannot be looked at: {error.strerror}"
    if not stat.S_ISREG(there.st_mode):
        raise BadItem(f"{file.path} is not a regular file")
    if file.outside and not os.access(file.path, os.R_OK):
        raise BadItem(f"{file.path} lies outside the access points, and cannot be read")
    if file.size is not None and there.st_size < file.size:
        return f"{file.path} has {there.st_size} bytes, and {file.size} are declared"
    return ""


def _update(item: Mapping[str, Any]) -> EventUpdate:
    range_id, status = _text(item, "eventRangeID"), _text(item, "eventStatus")
    if not range_id or not status:
        raise BadItem("has neither a path, nor both eventRangeID and eventStatus")
    cpu_s = item.get("cpuConsumptionTime")
    if cpu_s is not None and (isinstance(cpu_s, bool) or not isinstance(cpu_s, int | float) or not 0 <= cpu_s < LARGEST_NUMBER):
        raise BadItem(f"cpuConsumptionTime {_shown(cpu_s)} is no time in seconds")
    return EventUpdate(
        event_range_id=range_id, event_status=status, core_count=_whole_number(item, "coreCount"),
        cpu_s=None if cpu_s is None else float(cpu_s), why=_text(item, "errorDiag")[:DIAGNOSTICS],
    )


def _object(entry: Any) -> Mapping[str, Any]:
    if not isinstance(entry, dict):
        raise BadItem(f"{_shown(entry)} is no JSON object")
    return entry


def _list(listed: Any) -> list[Any]:
    if not isinstance(listed, list):
        raise BadItem(f"{_shown(listed)} is no list of items")
    return listed


def _text(item: Mapping[str, Any], key: str) -> str:
    value = item.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise BadItem(f"{key} {_shown(value)} is no text")
    return value


def _whole_number(item: Mapping[str, Any], key: str) -> int | None:
    value = item.get(key)
    if value is None or value == "":
        return None
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 19:
        value = int(value)
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_NUMBER:
        raise BadItem(f"{key} {_shown(value)} is no whole number")
    return value


def _checksum(item: Mapping[str, Any]) -> str:
    text = _text(item, "chksum").strip().lower()
    if not text:
        return ""
    if match := _MD5.fullmatch(text):
        return f"md:{match[1]}"
    if match := _ADLER32.fullmatch(text):
        return f"ad:{match[1]:0>8}"
    raise BadItem(f"chksum {_shown(text)} is neither an adler32 nor an md5")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
