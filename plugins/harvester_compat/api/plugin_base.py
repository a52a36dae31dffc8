"""The base class of such plugins."""
from __future__ import annotations

import logging
from typing import Any

from harvester_compat.api.core_utils import make_logger


class PluginBase:
    """Every key of the plugin's section becomes an attribute."""

    def __init__(self, **kwarg: Any) -> None:
        for name, value in kwarg.items():
            setattr(self, name, value)

    def make_logger(
        self, base_log: logging.Logger, token: str | None = None, method_name: str | None = None, send_dialog: bool = True
    ) -> logging.LoggerAdapter[Any]:
        """Return a logger whose lines start with the method and a token."""
        return make_logger(base_log, token=token, method_name=method_name)
