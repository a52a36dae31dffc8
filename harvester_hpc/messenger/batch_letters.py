"""The two letters of the batch script: its claim on the access point, and its exit code; and the fence in place of a claim."""
from __future__ import annotations

import json
import os
import secrets
from pathlib import Path

from harvester_hpc.messenger.letter import read_plain
from harvester_hpc.messenger.values import Claim, Exit

#: Who claims an access point that no batch job may use any more.
NOBODY = "nobody"


def read_claim(path: Path) -> Claim | None:
    """Return what the claim at ``path`` (the file) says; None if there is none that can be read, or it is a fence."""
    fields = read_plain(path)
    batch_id = fields.get("batch_id")
    if isinstance(batch_id, bool) or not isinstance(batch_id, str | int) or batch_id in ("", NOBODY):
        return None
    host = fields.get("host")
    return Claim(
        batch_id=str(batch_id), host=host if isinstance(host, str) else "", pid=int(_number(fields.get("pid"))),
        started=_number(fields.get("started")), restart=int(_number(fields.get("restart"))),
    )


def fence(path: Path) -> bool:
    """Claim an access point for nobody, at ``path`` (the file of the claim), as atomically as a batch job does.

    Returns:
        True: no batch job has claimed it or ever will. False: one has.

    Raises:
        OSError: it cannot be told.
    """
    part = path.with_name(f"{path.name}.{NOBODY}.{secrets.token_hex(4)}")
    try:
        part.write_text(json.dumps({"batch_id": NOBODY}) + "\n")
    except FileNotFoundError:
        return True  # without its access point a batch job ends at once
    try:
        os.link(part, path)
    except FileExistsError:
        return read_plain(path).get("batch_id") == NOBODY
    finally:
        part.unlink(missing_ok=True)
    return True


def read_exit(path: Path) -> Exit | None:
    """Return what the exit letter at ``path`` (the file) says; None if there is none that can be read."""
    fields = read_plain(path)
    exit_code = fields.get("exit_code")
    if isinstance(exit_code, bool) or not isinstance(exit_code, int) or not -(2**31) <= exit_code < 2**31:
        return None
    return Exit(exit_code=exit_code, ended=_number(fields.get("ended")))


def _number(value: object) -> float:
    """Return a number that a clock, a process or a counter may have; 0 for anything else."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53
    return float(value) if fits and isinstance(value, int | float) else 0.0
