"""The queues of an instance while it runs: their plugins can be replaced, and none is ever missed."""
from __future__ import annotations

from collections.abc import Iterator, Mapping

from harvester_hpc.ports.plugins import QueuePlugins


class Roster(Mapping[str, QueuePlugins]):
    """PanDA queue -> its plugins.

    Agents walk over it in their own threads. What they see is replaced as a whole, and a name never goes: who has found one can
    look it up.
    """

    def __init__(self, queues: Mapping[str, QueuePlugins]) -> None:
        self._queues = dict(queues)

    def __getitem__(self, name: str) -> QueuePlugins:
        return self._queues[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._queues)

    def __len__(self) -> int:
        return len(self._queues)

    def put(self, queues: Mapping[str, QueuePlugins]) -> None:
        """Replace these queues, and add those that are new."""
        self._queues = {**self._queues, **queues}
