"""The daemon's log: bounded, with its beginning and its end kept."""
from __future__ import annotations

import logging
import time
from logging.handlers import RotatingFileHandler
from pathlib import Path

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
#: Bytes of each of the two files with the newest lines, and of the one with the first lines of a process.
NEWEST_BYTES = 10 * 1024 * 1024
FIRST_BYTES = 1024 * 1024


class _First(logging.Handler):
    """Keeps the first lines of this process and nothing after them."""

    def __init__(self, path: Path, limit: int) -> None:
        super().__init__()
        self._stream = path.open("w", encoding="utf-8")
        self._left = limit

    def emit(self, record: logging.LogRecord) -> None:
        if self._left <= 0:
            return
        line = self.format(record) + "\n"
        self._left -= len(line)
        try:
            self._stream.write(line)
            self._stream.flush()
        except OSError:
            self._left = 0  # the disk is full: the newest lines matter more

    def close(self) -> None:
        self._stream.close()
        super().close()


def to_folder(folder: Path, *, newest_bytes: int = NEWEST_BYTES, first_bytes: int = FIRST_BYTES) -> list[logging.Handler]:
    """Log to ``folder``: daemon.log (rotated once: newest lines) and daemon.first.log (first lines of this process).

    Returns:
        The handlers, for ``stop``.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    newest = RotatingFileHandler(folder / "daemon.log", maxBytes=newest_bytes, backupCount=1, encoding="utf-8")
    return _add([newest, _First(folder / "daemon.first.log", first_bytes)])


def to_terminal(level: int = logging.INFO) -> list[logging.Handler]:
    """Log to standard error."""
    handler = logging.StreamHandler()
    handler.setLevel(level)
    return _add([handler])


def stop(handlers: list[logging.Handler]) -> None:
    """Take the handlers away and close them."""
    for handler in handlers:
        logging.getLogger().removeHandler(handler)
        handler.close()


def _add(handlers: list[logging.Handler]) -> list[logging.Handler]:
    formatter = logging.Formatter(FORMAT, "%Y-%m-%dT%H:%M:%SZ")
    formatter.converter = time.gmtime
    root = logging.getLogger()
    root.setLevel(logging.INFO)
    for handler in handlers:
        handler.setFormatter(formatter)
        root.addHandler(handler)
    logging.raiseExceptions = False  # a full disk must not fill the terminal
    return handlers
