"""Loggers under the names of panda-common."""
from __future__ import annotations

import logging
from typing import Any

from harvester_compat.api.core_utils import setup_logger


class PandaLogger:
    """Gives loggers."""

    def getLogger(self, name: str, *arguments: Any, **named: Any) -> logging.Logger:
        """Return the logger of a name."""
        return setup_logger(name)


class LogWrapper:
    """A logger whose lines start with a prefix."""

    def __init__(self, log: logging.Logger, prefix: str = "", *arguments: Any, **named: Any) -> None:
        self.logger, self.prefix = log, prefix

    def _say(self, level: int, msg: object) -> None:
        self.logger.log(level, "%s %s", self.prefix, msg)

    def debug(self, msg: object) -> None:
        """Log it."""
        self._say(logging.DEBUG, msg)

    def info(self, msg: object) -> None:
        """Log it."""
        self._say(logging.INFO, msg)

    def warning(self, msg: object) -> None:
        """Log it."""
        self._say(logging.WARNING, msg)

    def error(self, msg: object) -> None:
        """Log it."""
        self._say(logging.ERROR, msg)
