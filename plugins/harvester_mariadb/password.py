"""A password from a file that nobody else may read."""
from __future__ import annotations

from pathlib import Path

from harvester_hpc.errors import Unavailable
from harvester_hpc.secret_file import read_secret


def password_in(name: str) -> str:
    """Return the password in a file, without the line's end; "" if there is no file to be read.

    Raises:
        Unavailable: it cannot be read, or others may read it.
    """
    if not name:
        return ""
    content = read_secret(Path(name))[1]
    try:
        return content.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Unavailable(f"{name} holds no password", why="it is no text in UTF-8", remedy="put the password there") from error
