"""Who we are to the server: a token or a certificate from a file, read again when it changes."""
from __future__ import annotations

import stat
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from harvester_hpc.errors import Unavailable
from harvester_panda.settings import PandaSettings

if TYPE_CHECKING:
    from ssl import SSLContext

#: What tells one content of a file from another: inode, size, time of the last change in ns.
Mark = tuple[str, int, int, int]
LARGEST_TOKEN = 1 << 16


class Credential:
    """The credential of one server. Nothing of it is ever in a message; safe for several threads."""

    def __init__(self, settings: PandaSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._token: tuple[Mark, str] | None = None
        self._context: tuple[tuple[Mark, ...], SSLContext] | None = None

    def headers(self) -> Mapping[str, str]:
        """Return the headers that say who we are; none with a certificate.

        Raises:
            Unavailable: there is no usable token.
        """
        if not self._settings.token_file:
            return {}
        path = Path(self._settings.token_file)
        mark = _mark(path, secret=True)
        with self._lock:
            if self._token is None or self._token[0] != mark:
                self._token = (mark, _token_in(path))
            return {"Authorization": f"Bearer {self._token[1]}", "Origin": self._settings.origin}

    def context(self) -> SSLContext:
        """Return how to secure a connection; another one when a certificate was renewed.

        Raises:
            Unavailable: a file is missing, readable by others, or holds no certificate.
        """
        marks = tuple(_mark(path, secret=secret) for path, secret in self._files())
        with self._lock:
            if self._context is None or self._context[0] != marks:
                self._context = (marks, self._made())
            return self._context[1]

    def _files(self) -> list[tuple[Path, bool]]:
        """Return files that the connection is made of, and whether others must not read them."""
        given = self._settings
        files = ((given.ca_file, False), (given.proxy_file, True), (given.certificate_file, False), (given.key_file, True))
        return [(Path(name), secret) for name, secret in files if name]

    def _made(self) -> SSLContext:
        import ssl  # heavy; not for those who only look at a store

        given = self._settings
        try:
            context = ssl.create_default_context(cafile=given.ca_file or None)
            if given.proxy_file or given.certificate_file:
                # With an empty password a key that wants one fails instead of asking the terminal.
                context.load_cert_chain(given.proxy_file or given.certificate_file, given.key_file or None, password="")
        except (OSError, ValueError) as error:
            what = "no certificate to talk to the PanDA server with"
            raise Unavailable(what, why=str(error), remedy="renew the proxy or certificate") from error
        return context


def _mark(path: Path, *, secret: bool) -> Mark:
    try:
        found = path.stat()
    except OSError as error:
        raise Unavailable(f"{path} cannot be read", why=error.strerror or str(error), remedy="put the credential there") from error
    if secret and found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise Unavailable(f"{path} is not used", why="others may read it", remedy=f"chmod 600 {path}")
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns


def _token_in(path: Path) -> str:
    """Return the token in a file, without the white space around it.

    Raises:
        Unavailable: the file cannot be read, or holds something else.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(LARGEST_TOKEN)
    except OSError as error:
        raise Unavailable(f"{path} cannot be read", why=error.strerror or str(error), remedy="put the token there") from error
    words = raw.split()
    if len(words) != 1 or not words[0].isascii() or not words[0].decode("ascii").isprintable():
        why = "it is empty" if not words else "it has more than one word, or characters that no token has"
        raise Unavailable(f"{path} holds no token", why=why, remedy="put the token there, and nothing else")
    return words[0].decode("ascii")
