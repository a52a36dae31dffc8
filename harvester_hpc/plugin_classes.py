"""From a section of the configuration to the class that it names."""
from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from harvester_hpc.errors import PluginMissing, did_you_mean
from harvester_hpc.plugin_kinds import ADAPTERS, GROUP, MOVERS, PORTS, missing
from harvester_hpc.ports.adapter import Adapter

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint


def installed() -> Iterable[EntryPoint]:
    """Return the entry points of everything that is installed."""
    from importlib.metadata import distributions  # reads the disk

    return (entry_point for distribution in distributions() for entry_point in distribution.entry_points)


class PluginClasses:
    """Finds classes by entry points, or by module and name.

    Args:
        find: gives all entry points; asked once, when the first one is wanted.
    """

    def __init__(self, find: Callable[[], Iterable[EntryPoint]] = installed) -> None:
        self._find = find

    def names(self, kind: str) -> tuple[str, ...]:
        """Return the names of the installed plugins of a kind, in alphabetical order."""
        return tuple(sorted(self._entry_points[kind]))

    @cached_property
    def _entry_points(self) -> Mapping[str, Mapping[str, EntryPoint]]:
        there: dict[str, dict[str, EntryPoint]] = {kind: {} for kind in PORTS}
        for entry_point in self._find():
            kind = entry_point.group.removeprefix(GROUP)
            if entry_point.group.startswith(GROUP) and kind in there:
                there[kind].setdefault(entry_point.name, entry_point)
        return there

    def of(self, kind: str, section: Mapping[str, Any], where: str) -> type[Any]:
        """Return the class that a section names.

        Raises:
            PluginMissing: it is not installed, not importable or not of this kind.
        """
        name, module = section.get("name"), section.get("module")
        if not isinstance(name, str) or not isinstance(module, str | None):
            raise PluginMissing(f"{where}: names no {kind}", remedy='say {"name": ...}, with "module" unless it is an entry point')
        found = self._installed_class(kind, name, where) if module is None else self._named_class(kind, module, name, where)
        lacking = min((missing(found, port) for port in (PORTS[kind], *MOVERS.get(kind, ()))), key=len)
        if not isinstance(found, type) or lacking:
            raise PluginMissing(f"{where}: {name} is no {kind}", why=f"it has no {', '.join(lacking)}" if lacking else "it is no class")
        if not dataclasses.is_dataclass(getattr(found, "Settings", None)):
            raise PluginMissing(f"{where}: {kind} {name} cannot be used", why="it has no Settings (a frozen dataclass)")
        return found

    def _named_class(self, kind: str, module: str, name: str, where: str) -> Any:
        """Return a class by its module; one that was written to another interface as one of ours."""
        try:
            found = _class_in(module, name, where)
        except PluginMissing as error:
            if not isinstance(error.__cause__, ModuleNotFoundError):
                raise
            for adapter in self._adapters:
                adapter.prepare_imports()
            found = _class_in(module, name, where)
        if not isinstance(found, type) or dataclasses.is_dataclass(getattr(found, "Settings", None)):
            return found
        return next((one for adapter in self._adapters if (one := adapter.adapted(kind, found)) is not None), found)

    @cached_property
    def _adapters(self) -> tuple[Adapter, ...]:
        return tuple(one.load() for one in self._find() if one.group == ADAPTERS)

    def _installed_class(self, kind: str, name: str, where: str) -> Any:
        entry_point = self._entry_points[kind].get(name)
        if entry_point is None:
            names = self.names(kind)
            raise PluginMissing(f"{where}: no {kind} {name!r}; there is: {', '.join(names) or 'none'}{did_you_mean(name, names)}")
        try:
            return entry_point.load()
        except Exception as error:  # a module may raise anything while it is imported
            raise PluginMissing(f"{where}: {kind} {name!r} cannot be imported", why=_said(error)) from error


def _class_in(module: str, name: str, where: str) -> Any:
    try:
        loaded = import_module(module)
    except Exception as error:  # a module may raise anything while it is imported
        raise PluginMissing(f"{where}: module {module!r} cannot be imported", why=_said(error)) from error
    if not hasattr(loaded, name):
        classes = [known for known, value in vars(loaded).items() if isinstance(value, type)]
        raise PluginMissing(f"{where}: module {module!r} has no {name!r}{did_you_mean(name, classes)}")
    return getattr(loaded, name)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
