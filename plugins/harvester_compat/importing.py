"""Lets ``import pandaharvester...`` find our modules, as long as the real ones are not installed."""
from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

from harvester_compat.names import MODULES, ROOTS, packages


class StandIn(Loader):
    """Fills a module with what stands in one of ours; an empty package without one."""

    def __init__(self, source: str = "") -> None:
        self.source = source

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let Python make the module."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Put in the public names of ours: the same objects."""
        if self.source:
            ours = vars(import_module(self.source))
            vars(module).update({name: value for name, value in ours.items() if not name.startswith("__")})


class Finder(MetaPathFinder):
    """Finds the names of ``names``; it is asked last, when nobody else has found them."""

    def __init__(self, roots: Sequence[str]) -> None:
        self.roots = frozenset(roots)
        self._packages = packages()

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """Return how a module is made; None if it is not one of those."""
        if fullname.partition(".")[0] not in self.roots:
            return None
        if fullname in MODULES:
            return ModuleSpec(fullname, StandIn(MODULES[fullname]), origin=MODULES[fullname])
        return ModuleSpec(fullname, StandIn(), is_package=True) if fullname in self._packages else None


def install() -> None:
    """Stand in for those packages that are not installed. Harmless when repeated."""
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    missing = [root for root in ROOTS if root not in sys.modules and PathFinder.find_spec(root) is None]
    sys.meta_path.append(Finder(missing))
