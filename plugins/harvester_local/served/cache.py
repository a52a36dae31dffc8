"""The cache of a PanDA server: logs are uploaded to it, and its web server gives them out."""
from __future__ import annotations

import email.parser
import email.policy
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from harvester_local.served.strict import ArgumentError

#: Where the web server shows the folder ``cache``, and where in it the logs are.
SHOWN, LOGS = "/cache/", "jedilog"
LARGEST = 100 * 1024 * 1024
UPLOAD, OLD_UPLOAD = "file_server/upload_jedi_log", "uploadLog"


class Cache:
    """Files in ``folder/cache``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "cache"

    def take(self, headers: Mapping[str, str], body: bytes) -> str:
        """Store an uploaded log, in the place of one of its name; return its path in an address.

        Raises:
            ArgumentError: it is no upload, or too large.
        """
        name, content = _file_in(headers.get("Content-Type", ""), body)
        if len(content) > LARGEST:
            raise ArgumentError(f"exceeded size limit {len(content)}>{LARGEST}")
        place = self._folder / LOGS / (PurePosixPath(name).name or "nameless")
        place.parent.mkdir(parents=True, exist_ok=True)
        draft = place.with_name(f".{place.name}")
        draft.write_bytes(content)
        draft.rename(place)
        return f"{SHOWN}{LOGS}/{place.name}"

    def given(self, path: str) -> tuple[bytes, Mapping[str, str]] | None:
        """Return a file and the headers that say what it is; None if there is none. Without ``.log`` it is said to be packed."""
        place = self._folder / LOGS / PurePosixPath(path).name
        if not path.startswith(f"{SHOWN}{LOGS}/") or not place.is_file():
            return None
        return place.read_bytes(), {} if place.name.endswith(".log") else {"Content-Encoding": "gzip"}


def _file_in(content_type: str, body: bytes) -> tuple[str, bytes]:
    """Return name and bytes of the field ``file``."""
    if not content_type.startswith("multipart/form-data"):
        raise ArgumentError("Argument error: missing a required argument: 'file'")
    parser = email.parser.BytesParser(policy=email.policy.HTTP)
    message = parser.parsebytes(f"Content-Type: {content_type}\r\n\r\n".encode() + body)
    for part in message.iter_parts():
        if part.get_param("name", header="content-disposition") == "file" and part.get_filename():
            content = part.get_payload(decode=True)
            return str(part.get_filename()), content if isinstance(content, bytes) else b""
    raise ArgumentError("Argument error: missing a required argument: 'file'")
