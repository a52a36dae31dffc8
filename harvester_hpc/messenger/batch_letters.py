"""Who may run what: the claim on an access point, that on one job of many, the fences in place of both; and the exit code."""
from __future__ import annotations

import errno
import json
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from harvester_hpc.messenger.letter import read_plain
from harvester_hpc.messenger.values import Claim, Exit

#: Who claims an access point that no batch job may use any more.
NOBODY = "nobody"


#: What a file system without hard links answers.
_NO_LINKS = frozenset({errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


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
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _fenced_without_links(part, path)
    finally:
        part.unlink(missing_ok=True)
    return True


def _fenced_without_links(part: Path, path: Path) -> bool:
    """Claim for nobody where no hard links can be made: a folder beside the claim decides, as in the batch script."""
    try:
        path.with_name(f"{path.name}.d").mkdir()
    except FileExistsError:
        return read_plain(path).get("batch_id") == NOBODY
    if path.exists():
        return read_plain(path).get("batch_id") == NOBODY
    part.replace(path)
    return True


def claim_job(path: Path, fields: Mapping[str, object]) -> bool:
    """Take one job of many, at ``path`` (the file of its claim), which exists once for all launchers on all nodes.

    Args:
        fields: who takes it (batch_id, host, pid, started); they stand in the claim from the moment it is there.

    Returns:
        True: it is ours. False: somebody else has it, or nobody may have it any more.

    Raises:
        OSError: it could not be taken, or it cannot be told.
    """
    content = json.dumps(dict(fields)) + "\n"
    part = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    part.write_text(content)
    try:
        os.link(part, path)
    except FileExistsError:
        # NFS may make a link and report that it failed: look whose it is.
        return part.samefile(path)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return _made(path, content)
    finally:
        part.unlink(missing_ok=True)
    return True


def _made(path: Path, content: str) -> bool:
    try:
        with path.open("x") as file:
            file.write(content)
    except FileExistsError:
        return False
    return True


def fence_job(path: Path) -> bool:
    """Take one job of many for nobody, at ``path`` (the file of its claim).

    Returns:
        True: no launcher has begun it or ever will. False: one has.

    Raises:
        OSError: it cannot be told.
    """
    try:
        return claim_job(path, {"batch_id": NOBODY}) or not is_begun(path)
    except (FileNotFoundError, NotADirectoryError):
        return True  # without its folder no launcher can begin it


def is_begun(path: Path) -> bool:
    """Tell whether a claim on one job, which is there at ``path``, is a launcher's; also one that says nothing."""
    return read_plain(path).get("batch_id") != NOBODY


def read_exit(path: Path) -> Exit | None:
    """Return what the exit letter at ``path`` (the file) says; None if there is none that can be read."""
    fields = read_plain(path)
    exit_code = fields.get("exit_code")
    if isinstance(exit_code, bool) or not isinstance(exit_code, int) or not -(2**31) <= exit_code < 2**31:
        return None
    return Exit(exit_code=exit_code, ended=_number(fields.get("ended")), terminated=fields.get("terminated") == 1)


def _number(value: object) -> float:
    """Return a number that a clock, a process or a counter may have; 0 for anything else."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 2**53
    return float(value) if fits and isinstance(value, int | float) else 0.0
