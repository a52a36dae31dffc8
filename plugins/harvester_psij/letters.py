"""The two letters of a batch job itself, as the batch side reads them: its claim and its exit code."""
from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.values import Claim, Exit

CLAIM, EXIT = "worker_claim.json", "worker_exit.json"
LARGEST = 65536


def claim_of(access_point: str) -> Claim | None:
    """Return who owns the access point; None if nobody has said so (readably)."""
    fields = _fields(Path(access_point) / CLAIM)
    batch_id = fields.get("batch_id")
    if not isinstance(batch_id, str) or not batch_id:
        return None
    return Claim(
        batch_id=batch_id, host=str(fields.get("host", "")), pid=int(_number(fields.get("pid"))), started=_number(fields.get("started"))
    )


def exit_of(access_point: str) -> Exit | None:
    """Return how the batch script ended; None if it has not said so (readably)."""
    fields = _fields(Path(access_point) / EXIT)
    exit_code = fields.get("exit_code")
    if not isinstance(exit_code, int) or isinstance(exit_code, bool):
        return None
    return Exit(exit_code=exit_code, ended=_number(fields.get("ended")))


def _fields(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            fields = json.loads(file.read(LARGEST))
    except (OSError, ValueError):
        return {}
    return fields if isinstance(fields, dict) else {}


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
