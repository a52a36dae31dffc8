"""The output of a range: on disk, measured, or missing."""
from __future__ import annotations

import os
import stat
import uuid
import zlib
from pathlib import Path

from harvester_launch.ranges import Range, Result

BLOCK = 1 << 20
NO_OUTPUT = 80


def finished(one: Range, path: Path | None, seconds: float) -> Result:
    """Return the result of a range that says it is done, its output brought to disk and measured; failed if there is none.

    Args:
        path: its output; None: it makes none.
    """
    if path is None:
        return Result(range=one, ok=True, seconds=seconds)
    try:
        size, checksum = _measured(path)
    except OSError as error:
        return Result(range=one, ok=False, seconds=seconds, code=NO_OUTPUT, why=f"no output {path.name}: {error.strerror or error}")
    return Result(range=one, ok=True, path=str(path), size=size, checksum=checksum, guid=str(uuid.uuid4()).upper(), seconds=seconds)


def _measured(path: Path) -> tuple[int, str]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError("not a regular file")
        os.fsync(descriptor)
        size, checksum = 0, 1
        while block := os.read(descriptor, BLOCK):
            size += len(block)
            checksum = zlib.adler32(block, checksum)
        return size, f"{checksum:08x}"
    finally:
        os.close(descriptor)
