"""Where a server stands."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a server stands. ``host`` without brackets; ``secure``: https."""

    host: str
    port: int
    secure: bool
