"""Where a file of a job lies below a folder: ``<folder>/<PandaID>/<lfn>``."""
from __future__ import annotations

from pathlib import Path


def place_of(folder: Path, job_id: int, lfn: str) -> Path | None:
    """Return the place of ``lfn``; None if the name leads out of the job's folder (slash, dots, NUL) or is empty."""
    if not lfn or lfn in (".", "..") or "/" in lfn or "\0" in lfn:
        return None
    return folder / str(job_id) / lfn
