"""What a payload leaves behind: its log is packed, its outputs are measured and declared."""
from __future__ import annotations

import contextlib
import os
import tarfile
import uuid
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.letter import BAD, LARGEST, deliver, read_plain
from harvester_hpc.messenger.names import NAMES
from harvester_launch.assignment import Assignment

STDOUT, STDERR = "payload.stdout", "payload.stderr"
BLOCK = 1 << 20


def expected(assignment: Assignment) -> list[str]:
    """Return the names of the files that the job is to leave in its folder: outputs and log."""
    log = assignment.text("logFile")
    names = assignment.names("outFiles")
    return [*names, log] if log and log not in names else names


def missing(assignment: Assignment) -> list[str]:
    """Return the outputs that are not there and may not be absent; the log is ours to make.

    What the payload has declared itself may lie elsewhere.
    """
    optional = {assignment.text("logFile"), *assignment.names("allowNoOutput"), *_declared_by_payload(assignment)}
    return [name for name in expected(assignment) if name not in optional and not _is_there(assignment.folder, name)]


def _declared_by_payload(assignment: Assignment) -> set[str]:
    letters = [path for path in assignment.folder.iterdir() if path.name.startswith(NAMES.status_dump) and BAD not in path.name]
    items = [read_plain(path, LARGEST).get(str(assignment.job_id)) for path in letters]
    return {
        Path(item["path"]).name
        for listed in items if isinstance(listed, list)
        for item in listed if isinstance(item, dict) and isinstance(item.get("path"), str)
    }


def pack_log(assignment: Assignment) -> str:
    """Make the log file that the job names, unless the payload has made it; return why it could not be made, or ""."""
    name = assignment.text("logFile")
    if not name or _is_there(assignment.folder, name):
        return ""
    if not _is_plain(name):
        return f"the log {name!r} has no plain file name"
    part = assignment.folder / f".{name}.{os.getpid()}.part"
    try:
        with tarfile.open(part, "x:gz") as archive:
            for entry in (STDOUT, STDERR, NAMES.job_report):
                if (assignment.folder / entry).is_file():
                    archive.add(assignment.folder / entry, arcname=entry)
        part.replace(assignment.folder / name)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink()
        return f"the log {name} cannot be made: {error}"
    return ""


def declare(assignment: Assignment, *, checksums: bool) -> None:
    """Write the declaration of all outputs that are there; none if there are none.

    Args:
        checksums: compute them; a failed payload's outputs stay where they are, and the allocation may be about to end.

    Raises:
        OSError: it was not written, or an output cannot be read.
    """
    items = [_item(assignment, name, checksums) for name in expected(assignment) if _is_there(assignment.folder, name)]
    if items:
        deliver(assignment.folder / NAMES.status_dump, {str(assignment.job_id): items})


def _item(assignment: Assignment, name: str, checksums: bool) -> dict[str, Any]:
    path = assignment.folder / name
    is_log = name == assignment.text("logFile")
    item: dict[str, Any] = {
        "path": str(path), "type": "log" if is_log else "output", "fsize": path.stat().st_size,
        "guid": (assignment.text("logGUID") if is_log else "") or str(uuid.uuid4()).upper(),
    }
    if checksums or is_log:
        item["chksum"] = adler32_of(path)
    return item


def adler32_of(path: Path) -> str:
    """Return the adler32 of a file as 8 hexadecimal digits.

    Raises:
        OSError: it cannot be read.
    """
    checksum = 1
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            checksum = zlib.adler32(block, checksum)
    return f"{checksum:08x}"


def last_words(folder: Path, names: Sequence[str] = (STDERR, STDOUT)) -> str:
    """Return the last lines that the payload has printed, at most 400 characters: on stderr, or else on stdout."""
    for name in names:
        with contextlib.suppress(OSError), (folder / name).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - 4096))
            lines = [line.strip() for line in file.read().decode("utf-8", "replace").splitlines() if line.strip()]
            if lines:
                return " | ".join(lines[-5:])[-400:]
    return ""


def _is_there(folder: Path, name: str) -> bool:
    return _is_plain(name) and (folder / name).is_file()


def _is_plain(name: str) -> bool:
    return bool(name) and "/" not in name and "\0" not in name and name not in (".", "..")
