"""What a published submitter was asked and has answered, on disk: it names no batch job, so nothing else can tell after a crash."""
from __future__ import annotations

import json
import os
import time
from pathlib import Path


class SubmissionRecord:
    """One worker's submission.

    Args:
        folder: of all records.
        key: the worker's.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._path = folder / f"{key}.json"

    def read(self) -> dict[str, str]:
        """Return {"state": "began" or "accepted", "batch_id", "time"}; {} if there is none.

        Raises:
            OSError, ValueError: nobody knows what it says.
        """
        try:
            found = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        if not isinstance(found, dict):
            raise ValueError(f"{self._path} is no record")
        return {str(name): str(value) for name, value in found.items()}

    def write(self, state: str, batch_id: str = "") -> None:
        """Write it, so that it outlives a crash.

        Raises:
            OSError: it could not be written.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        with draft.open("w", encoding="utf-8") as stream:
            json.dump({"state": state, "batch_id": batch_id, "time": str(time.time())}, stream)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def remove(self) -> None:
        """Remove it: nothing was submitted, or nobody asks any more."""
        self._path.unlink(missing_ok=True)
