"""Throttlers: whether a queue gets new workers at all for now."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from harvester_hpc.model.queue import Queue


@dataclass(frozen=True, slots=True, kw_only=True)
class Throttling:
    """The answer.

    Attributes:
        is_on: no new workers for now.
        why: in words for ``status``; of some use only with ``is_on``.
    """

    is_on: bool
    why: str = ""


class Throttler(Protocol):
    """Holds the workers of a queue back. Asked before workers would be made, at most once a round."""

    def to_be_throttled(self, queue: Queue) -> Throttling:
        """Tell whether the queue gets no new workers now; those under way go on.

        Raises:
            Unavailable: nobody can tell; no workers are made, and it is asked again later.

        Source: existing Harvester, throttler plugins: ``to_be_throttled(queue_config) -> (bool, words)``.
        """
        ...
