"""The inbox: a folder into which people drop job files; each is taken exactly once.

    inbox/      what people drop: *.json
    taking/     ours for the moment, under a name that no other file ever has
    accepted/   <PandaID>.<name>
    rejected/   <name>, and beside it <name>.reason

A file goes from inbox/ to taking/ by rename before its jobs are stored with its unique name; so after a crash at any
instant it is known whether they are.
"""
from __future__ import annotations

import json
import logging
import os
import secrets
import stat
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harvester_hpc.errors import ConfigurationError
from harvester_local.description import JobDescription, description_of
from harvester_local.durable import sync_folder

log = logging.getLogger(__name__)

#: A file that does not parse and is younger than this is still being written.
YOUNG_S = 2.0
LARGEST = 16 << 20
#: Files taken in one round.
ROUND = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Letter:
    """A job file that is ours. ``key`` is unique for ever; ``name`` is what it was called."""

    key: str
    name: str
    path: Path


class DropBox:
    """The four folders below ``folder``."""

    def __init__(self, folder: Path) -> None:
        self.inbox = folder / "inbox"
        self.taking = folder / "taking"
        self.accepted = folder / "accepted"
        self.rejected = folder / "rejected"

    def prepare(self) -> None:
        """Make the folders."""
        for folder in (self.inbox, self.taking, self.accepted, self.rejected):
            folder.mkdir(parents=True, exist_ok=True)

    def letters(self) -> Sequence[Letter]:
        """Take what lies in the inbox, and return all that is taken but not put away."""
        taken = 0
        for path in self._dropped():
            try:
                if not _is_still_written(path):
                    # The time keeps the order in which they were taken.
                    key = f"{time.time_ns():016x}{secrets.token_hex(4)}"
                    path.rename(self.taking / f"{key}.{_short(path.name)}")
                    taken += 1
            except OSError as error:
                log.warning("cannot take a job file path=%s why=%s", path, error)
        if taken:
            # The key must not go back to the inbox, under which it would be another, once its jobs are stored.
            sync_folder(self.taking)
            sync_folder(self.inbox)
        return [_letter(path) for path in sorted(self.taking.iterdir())[:ROUND]]

    def accept(self, letter: Letter, job_id: int) -> None:
        """Put a letter away whose jobs are stored."""
        letter.path.replace(self.accepted / f"{job_id}.{letter.name}")

    def reject(self, letter: Letter, problems: Sequence[str]) -> None:
        """Put a bad letter aside, its reason beside it."""
        target = self.rejected / letter.name
        if os.path.lexists(target):
            target = self.rejected / f"{letter.key}.{letter.name}"
        lines = [*problems, f"Correct the file and put it into {self.inbox} again.", ""]
        target.with_name(f"{target.name}.reason").write_text("\n".join(lines), errors="backslashreplace")
        letter.path.replace(target)

    def _dropped(self) -> list[Path]:
        if not self.rejected.is_dir():
            self.prepare()
        with os.scandir(self.inbox) as entries:
            names = [one.name for one in entries if one.name.endswith(".json") and not one.name.startswith(".") and not one.is_dir()]
        return [self.inbox / name for name in sorted(names)[:ROUND]]


def jobs_in(letter: Letter) -> tuple[JobDescription, ...]:
    """Return the jobs that a letter describes: one object, or a list of them.

    Raises:
        ConfigurationError: with every problem.
        FileNotFoundError: somebody has put it away.
    """
    try:
        content = _parsed(letter.path)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise ConfigurationError("a job file cannot be used", (f"is no JSON file of jobs: {error}",)) from error
    if not isinstance(content, list):
        return (description_of(content),)
    return descriptions_of(content)


def descriptions_of(raw: Sequence[Any]) -> tuple[JobDescription, ...]:
    """Return the jobs that ``raw`` describes; all of them or none.

    Raises:
        ConfigurationError: with every problem of every job.
    """
    if not raw:
        raise ConfigurationError("no job to take", ("the list of jobs is empty",))
    found: list[JobDescription] = []
    problems: list[str] = []
    for number, one in enumerate(raw, 1):
        try:
            found.append(description_of(one, place=f"job {number}: "))
        except ConfigurationError as error:
            problems += error.problems
    if problems:
        raise ConfigurationError("jobs cannot be used", tuple(problems))
    return tuple(found)


def _parsed(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        OSError, ValueError, RecursionError: it cannot be read, or is no JSON that we take.
    """
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode):
        raise ValueError("not an ordinary file")
    if found.st_size > LARGEST:
        raise ValueError(f"{found.st_size} bytes; at most {LARGEST} are taken")
    return json.loads(path.read_bytes())


def _is_still_written(path: Path) -> bool:
    found = path.lstat()
    if not stat.S_ISREG(found.st_mode) or time.time() - found.st_mtime >= YOUNG_S:
        return False
    try:
        _parsed(path)
    except (ValueError, RecursionError):
        return True
    except OSError:
        return False
    return False


def _letter(path: Path) -> Letter:
    key, _, name = path.name.partition(".")
    return Letter(key=key, name=name, path=path)


def _short(name: str) -> str:
    """Return the end of a name: with our key before and .reason behind it, it must still be one."""
    return os.fsdecode(os.fsencode(name)[-160:])
