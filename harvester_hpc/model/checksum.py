"""Checksums of files, a block at a time: adler32, and md5 where a job dictionary gives one."""
from __future__ import annotations

import hashlib
import zlib
from pathlib import Path

#: Bytes read at once; memory stays flat whatever the file.
BLOCK = 1 << 20


class Checksum:
    """A checksum that grows with each block.

    Args:
        like: the expected checksum; ``md:...`` makes it an md5, anything else an adler32.
    """

    def __init__(self, like: str = "") -> None:
        self.size = 0
        self._adler32 = 1
        self._md5 = hashlib.md5(usedforsecurity=False) if like.startswith("md:") else None

    def add(self, block: bytes) -> None:
        """Take the next block of the file."""
        self.size += len(block)
        if self._md5 is not None:
            self._md5.update(block)
        else:
            self._adler32 = zlib.adler32(block, self._adler32)

    def __str__(self) -> str:
        """Return ``ad:`` + 8 hex digits, or ``md:`` + 32."""
        return f"md:{self._md5.hexdigest()}" if self._md5 is not None else f"ad:{self._adler32:08x}"


def in_one_spelling(text: str) -> str:
    """Return a checksum as we write it: lower case, with its kind; some tools drop the leading zeros of an adler32. "" stays ""."""
    text = text.strip().lower()
    kind, mark, digits = text.partition(":")
    if not mark:
        kind, digits = ("ad" if len(text) <= 8 else "md"), text
    if not digits:
        return ""
    return f"ad:{digits:0>8}" if kind == "ad" else f"{kind}:{digits}"


def checksum_of(path: Path, like: str = "") -> Checksum:
    """Return the checksum of a file, of the kind of ``like``.

    Raises:
        OSError: the file cannot be read.
    """
    checksum = Checksum(like)
    with path.open("rb", buffering=0) as file:
        while block := file.read(BLOCK):
            checksum.add(block)
    return checksum


def adler32_of(path: Path) -> str:
    """Return the adler32 of a file as ``ad:`` + 8 hex digits.

    Raises:
        OSError: the file cannot be read.
    """
    return str(checksum_of(path))
