"""A password from a file that nobody else may read."""
from __future__ import annotations

import stat
from pathlib import Path

from harvester_hpc.errors import Unavailable


def password_in(name: str) -> str:
    """Return the password in a file, without the line's end; "" if there is no file to be read.

    Raises:
        Unavailable: it cannot be read, or others may read it.
    """
    if not name:
        return ""
    path = Path(name)
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Unavailable(f"{path} is not used", why="others may read it", remedy=f"chmod 600 {path}")
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise Unavailable(f"{path} cannot be read", why=str(error), remedy="put the password of the database there") from error
