"""One file as the body of a request, as browsers send it: read from disk while it is sent."""
from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import IO

BLOCK = 1 << 16


class Multipart:
    """A body with one field, ``file``; it can be given several times, each time from the beginning.

    Args:
        name: of the file: letters, digits and _ . - only.
        content: an open file.
        size: its bytes.
    """

    def __init__(self, name: str, content: IO[bytes], size: int) -> None:
        boundary = secrets.token_hex(16)
        self._head = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'
            "Content-Type: application/octet-stream\r\n\r\n"
        ).encode()
        self._tail = f"\r\n--{boundary}--\r\n".encode()
        self._content = content
        self.headers: Mapping[str, str] = {
            "Content-Type": f"multipart/form-data; boundary={boundary}", "Content-Length": str(len(self._head) + size + len(self._tail)),
        }

    def __iter__(self) -> Iterator[bytes]:
        """Give the body in blocks."""
        yield self._head
        self._content.seek(0)
        while block := self._content.read(BLOCK):
            yield block
        yield self._tail
