"""Plugins that were written to another interface: who turns them into ours."""
from __future__ import annotations

from typing import Any, Protocol


class Adapter(Protocol):
    """Knows another interface. Found by the entry points of ``harvester_hpc.adapter``; asked only about classes that are not ours."""

    def prepare_imports(self) -> None:
        """Make importable what plugins of the other interface import. Harmless when repeated."""
        ...

    def adapted(self, kind: str, plugin: type[Any]) -> type[Any] | None:
        """Return a plugin class of ours that runs ``plugin``; None if it is none of that interface, or not of this kind."""
        ...
