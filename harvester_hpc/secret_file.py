"""Files with secrets: for their owner alone, read whole, written whole or not at all. Nothing of them is ever in a message."""
from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from harvester_hpc.errors import Unavailable

#: Bytes; a token has a kilobyte or two, a proxy with attributes some ten.
LARGEST = 1 << 17
OTHERS = stat.S_IRWXG | stat.S_IRWXO
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def mark_of(path: Path, *, secret: bool = True) -> str:
    """Return what tells this content of a file from any other: made of inode, size, and the time of its last change.

    Args:
        secret: see that it is ours, that others can neither read nor replace it.

    Raises:
        Unavailable: it is not there, or not safe.
    """
    try:
        found = path.stat()
        if secret:
            _see_that_it_is_ours(path, found)
    except OSError as error:
        raise _unreadable(path, error) from error
    return _mark(found)


def read_secret(path: Path, largest: int = LARGEST) -> tuple[str, bytes]:
    """Return (mark, content) of a file that only its owner can read.

    Raises:
        Unavailable: it is not there, not safe, or too large to be a secret.
    """
    try:
        # A pipe in its place would keep us waiting for a writer.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as stream:
            found = os.fstat(stream.fileno())
            _see_that_it_is_ours(path, found)
            content = stream.read(largest + 1)
    except OSError as error:
        raise _unreadable(path, error) from error
    if len(content) > largest:
        raise Unavailable(f"{path} is not used", why=f"it has more than {largest} bytes", remedy="put the credential there")
    return _mark(found), content


def read_token(path: Path) -> tuple[str, str]:
    """Return (mark, token) of a file with one word, without the white space around it.

    Raises:
        Unavailable: the file cannot be read, is not safe, or holds something else.
    """
    mark, raw = read_secret(path)
    return mark, token_in(raw, str(path))


def token_in(raw: bytes, where: str) -> str:
    """Return the one word that ``raw`` is, without the white space around it.

    Raises:
        Unavailable: it is none, or several.
    """
    words = raw.split()
    if len(words) != 1 or not words[0].isascii() or not words[0].decode("ascii").isprintable():
        why = "it is empty" if not words else "it has more than one word, or characters that no token has"
        raise Unavailable(f"{where} holds no token", why=why, remedy="put the token there, and nothing else")
    return words[0].decode("ascii")


def put_secret(path: Path, content: bytes) -> None:
    """Write a file for its owner alone: whole, on the disk, and then in its place.

    Raises:
        OSError: it cannot be written; what was there is there still.
    """
    draft = draft_of(path)
    try:
        number = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(number, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(path)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def draft_of(path: Path) -> Path:
    """Return a name beside ``path`` that nobody else uses, for what is to take its place."""
    return path.with_name(f".{path.name}.new.{os.getpid()}.{secrets.token_hex(4)}")


def drop_drafts(path: Path) -> None:
    """Remove what processes that were killed have left beside ``path``. Only for those who hold the lock of its renewal."""
    for draft in path.parent.glob(f".{path.name}.new.*"):
        with suppress(OSError):
            draft.unlink()


def sync_folder(folder: Path) -> None:
    """Make a rename durable; a file system that cannot is none the worse for it."""
    with suppress(OSError):
        number = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(number)
        finally:
            os.close(number)


def _mark(found: os.stat_result) -> str:
    return f"{found.st_ino}.{found.st_size}.{found.st_mtime_ns}"


def _unreadable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(f"{path} cannot be read", why=error.strerror or str(error), remedy="put the credential there")


def _see_that_it_is_ours(path: Path, found: os.stat_result) -> None:
    why, remedy = _danger(path, found)
    if why:
        raise Unavailable(f"{path} is not used", why=why, remedy=remedy)


def _danger(path: Path, found: os.stat_result) -> tuple[str, str]:
    """Return (why, remedy) if others may read or replace a file; ("", "") if not."""
    if not stat.S_ISREG(found.st_mode):
        return "it is no file", "put the credential there"
    if found.st_mode & OTHERS:
        return "others may read it", f"chmod 600 {path}"
    if found.st_uid != os.geteuid():
        return "it belongs to somebody else", f"put a file of your own to {path}"
    for folder in dict.fromkeys((path.parent, path.resolve().parent)):
        mode = folder.stat().st_mode
        # In a folder like /tmp nobody may replace the files of others.
        if mode & OTHERS_WRITE and not mode & stat.S_ISVTX:
            return f"others may replace it, for they may write to {folder}", f"chmod go-w {folder}"
    return "", ""
