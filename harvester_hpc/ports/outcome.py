"""What came of one item: values, never exceptions.

A plugin raises ``errors.Unavailable`` when a whole call got no answer; then nothing is known and nothing changes.
Any other exception is a defect of the plugin: its agent backs off for that queue and says so in ``status``.
"""
from __future__ import annotations

from dataclasses import dataclass

from harvester_hpc.model.file import FileId, FileState


@dataclass(frozen=True, slots=True, kw_only=True)
class FileNews:
    """What became of one file during staging.

    Attributes:
        state: its new state. Inputs: preparing, ready, failed; outputs and logs: transferring, finished, failed.
        path: where an input lies now; "" leaves it.
        url: where an output has been put; "" leaves it.
        size: bytes, verified; None leaves it.
        checksum: ``ad:xxxxxxxx`` or ``md:...``, verified; "" leaves it.
    """

    file_id: FileId
    state: FileState
    path: str = ""
    url: str = ""
    size: int | None = None
    checksum: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """It is done; every file has its final state in ``files`` (or had it before)."""

    files: tuple[FileNews, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """It goes on by itself; ask again later."""

    why: str = ""
    files: tuple[FileNews, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """It did not work this time; trigger it again later (counts as a try)."""

    why: str
    files: tuple[FileNews, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """It will never work."""

    why: str
    files: tuple[FileNews, ...] = ()


Result = Done | Pending | Retry | Failed
