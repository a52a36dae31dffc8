"""A communicator without an inbox."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harvester_hpc.ports.communicator import Communicator


class Deaf(Communicator):
    """Has the port's methods and nothing besides."""

    @dataclass(frozen=True)
    class Settings:
        """None."""

    def __init__(self, settings: Any, context: Any) -> None:
        """Keep nothing."""
