"""Outputs that a payload has left in its folders without a word: found by their names."""
from __future__ import annotations

import logging
import os
import re
import stat
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.log_tar import Brake

log = logging.getLogger(__name__)

#: Files that are looked at, at most.
MOST = 1_000_000
#: What a look at one file costs, in bytes of the brake.
LOOK = 4096


class TooMany(Exception):
    """There are more files than anybody looks at; str() says where."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scan:
    """Where outputs are looked for, and what they are called.

    Attributes:
        sub_dir: they lie in this folder of each sub-folder; "": in the sub-folders.
        patterns: of names (regular expressions, found anywhere in a name); none: every file.
        zip_patterns: of names of tars whose members are outputs of event ranges.
    """

    sub_dir: str = ""
    patterns: tuple[str, ...] = ()
    zip_patterns: tuple[str, ...] = ()

    def problems(self) -> tuple[str, ...]:
        """Return what is no regular expression."""
        found = []
        for key, patterns in (("left_over_patterns", self.patterns), ("left_over_zip_patterns", self.zip_patterns)):
            for pattern in patterns:
                try:
                    re.compile(pattern)
                except re.error as error:
                    found.append(f"{key}: {pattern!r} is no regular expression: {error}")
        if self.sub_dir and (self.sub_dir.startswith("/") or ".." in Path(self.sub_dir).parts):
            found.append(f"output_sub_dir: must be a folder inside of the sub-folders, not {self.sub_dir!r}")
        return tuple(found)


def compiled(patterns: Sequence[str], job_id: int, task_id: int | None, outputs: Sequence[str]) -> list[re.Pattern[str]]:
    """Return the patterns with ``%PANDAID``, ``%TASKID`` and ``%OUTPUT_FILE`` filled in; the last makes one for each output."""
    made = []
    for pattern in patterns:
        pattern = pattern.replace("%PANDAID", str(job_id)).replace("%TASKID", str(task_id))
        names = outputs if "%OUTPUT_FILE" in pattern else ("",)
        made += [re.compile(pattern.replace("%OUTPUT_FILE", re.escape(name))) for name in names]
    return made


def left_overs(
    folder: Path, scan: Scan, patterns: Sequence[re.Pattern[str]], zips: Sequence[re.Pattern[str]], known: frozenset[str],
    outputs: frozenset[str], brake: Brake,
) -> Iterator[dict[str, Any]]:
    """Give items of a dump for the outputs that lie in ``folder``; one of events has the name of its range behind its last dot.

    Args:
        known: names of files that were declared already.
        outputs: names of outputs of the job itself.

    Raises:
        OSError: it cannot be looked at.
        TooMany: nobody looks at so many files.
    """
    for path in _files(folder, scan.sub_dir, brake):
        name = path.name
        if name in known:
            continue
        if any(pattern.search(name) for pattern in zips):
            yield from ({**_file(path, "zip_output"), **_range_of(member)} for member in _members(path))
        elif name in outputs:
            yield _file(path, "output")
        elif not scan.patterns or any(pattern.search(name) for pattern in patterns):
            yield {**_file(path, "es_output"), **_range_of(name)}


def _file(path: Path, kind: str) -> dict[str, Any]:
    return {"path": str(path), "type": kind, "fsize": path.lstat().st_size}


def _range_of(name: str) -> dict[str, str]:
    return {"eventRangeID": name.rpartition(".")[2], "eventStatus": "finished"}


def _files(folder: Path, sub_dir: str, brake: Brake) -> Iterator[Path]:
    number = 0
    folders = (entry for entry in folder.iterdir() if entry.is_dir() and not entry.is_symlink() and not entry.name.startswith("."))
    for inside in sorted(folders):
        for root, _, names in os.walk(inside / sub_dir, onerror=_unless_gone):
            for name in sorted(names):
                number += 1
                if number > MOST:
                    raise TooMany(f"more than {MOST} files in {folder}")
                brake.spend(LOOK)
                path = Path(root) / name
                if not name.startswith(".") and stat.S_ISREG(path.lstat().st_mode):
                    yield path


def _unless_gone(error: OSError) -> None:
    """Let a folder that cannot be listed be tried again: what lies in it must not be taken for not there."""
    if not isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError):
        raise error
    if isinstance(error, PermissionError):
        log.warning("a folder of left-over outputs may not be looked into folder=%s", error.filename)


def _members(path: Path) -> list[str]:
    """Return the names in a tar; none of what is no tar, or was cut short: it is no output of anything."""
    try:
        with tarfile.open(path) as archive:
            return [Path(member.name).name for member in archive if member.isfile()]
    except (tarfile.TarError, EOFError):
        return []
