"""Journals: what is done is on disk before it is counted, one JSON line each; a torn last line counts for nothing."""
from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from json.encoder import encode_basestring_ascii
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.letter import sync_folder
from harvester_launch.ranges import Result

DONE, TOLD = "done", "told"
_ENCODE = json.JSONEncoder(check_circular=False).encode


class Journal:
    """A file that only grows, and is on disk whenever ``append`` returns. Made at the first line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._is_torn = False

    def append(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Write lines.

        Raises:
            OSError: they may not be on disk.
        """
        self.write([_ENCODE(line) for line in lines])

    def write(self, texts: Sequence[str]) -> None:
        """Write lines that are JSON already.

        Raises:
            OSError: they may not be on disk.
        """
        if not texts:
            return
        raw = "".join([f"{text}\n" for text in texts]).encode()
        if self._file is None:
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            sync_folder(self.path.parent)
        if self._is_torn:
            raw = b"\n" + raw  # a line that a full disk has cut must not swallow the next one
        self._is_torn = True
        while raw:
            raw = raw[os.write(self._file, raw):]
        os.fdatasync(self._file)
        self._is_torn = False

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def journal_of(own: Path, kind: str, run: str, rank: int) -> Journal:
    """Return a rank's journal of a run."""
    return Journal(own / f"{kind}.{run}.{rank}.jsonl")


def line_of(result: Result) -> str:
    """Return a result as a line of a Droid's journal."""
    # Written out: an encoder costs five times as much, and there is a line for every range.
    one, text = result.range, encode_basestring_ascii
    ok = "true" if result.ok else "false"
    head = f'{{"PandaID": {one.job_id}, "eventRangeID": {text(one.range_id)}, "ok": {ok}, "seconds": {round(result.seconds, 3)}'
    if not result.ok:
        return f'{head}, "try": {one.tried}, "exitCode": {result.code}, "why": {text(result.why)}}}'
    if not result.path:
        return f"{head}}}"
    return (
        f'{head}, "path": {text(result.path)}, "fsize": {result.size}, "chksum": {text(result.checksum)}, "guid": {text(result.guid)}}}'
    )


def lines(own: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Yield all whole lines of the journals of a kind, run by run.

    Raises:
        OSError: a journal cannot be read.
    """
    for path in sorted(own.glob(f"{kind}.*.jsonl")):
        with path.open("rb") as file:
            for raw in file:
                line = _object(raw)
                if line is not None:
                    yield line


def _object(raw: bytes) -> dict[str, Any] | None:
    if not raw.endswith(b"\n"):
        return None
    try:
        line = json.loads(raw)
    except ValueError:
        return None
    fits = isinstance(line, dict) and isinstance(line.get("PandaID"), int) and isinstance(line.get("eventRangeID"), str)
    return line if fits else None
