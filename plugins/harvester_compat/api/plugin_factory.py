"""Makes a plugin of a section that names module and class."""
from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from harvester_compat.api.db_interface import DBInterface


class PluginFactory:
    """Imports a class once, and makes an object at each call."""

    def __init__(self, no_db: bool = False) -> None:
        self._no_db = no_db

    def get_plugin(self, plugin_conf: Mapping[str, Any]) -> Any:
        """Return the plugin of a section, with its other keys as arguments."""
        kind = getattr(import_module(plugin_conf["module"]), plugin_conf["name"])
        given = {key: value for key, value in plugin_conf.items() if key not in ("module", "name")}
        return kind(**given) if self._no_db else kind(dbInterface=DBInterface(), **given)
