"""A bunch that the server refuses is told piece by piece, so that one bad item does not hold up the others."""
from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from harvester_panda.server import Refused

log = logging.getLogger(__name__)

Item = TypeVar("Item")
Answer = TypeVar("Answer")

#: So many are refused alone, and as many others from all over the bunch, and none is taken: then it is not the items.
ENOUGH = 8


class Piecemeal(Generic[Item, Answer]):
    """Tells one bunch.

    Args:
        send: tells some and returns the answer to each. Raises Refused if the server has refused them as a whole.
        refused: the answer to one that is refused even alone, from it and the server's words. That must be no end of it: it may be
            refused for no fault of its own.
    """

    def __init__(self, send: Callable[[Sequence[Item]], Sequence[Answer]], refused: Callable[[Item, str], Answer]) -> None:
        self._send = send
        self._refused = refused
        self._alone: list[Refused] = []
        self._items: Sequence[Item] = ()
        self.works = False

    def tell(self, items: Sequence[Item]) -> list[Answer]:
        """Return the answer to each item.

        Raises:
            Refused: the server has taken none, and it is not the items.
            Unavailable: it does not answer.
        """
        self._items = items
        answers = self._tell(items)
        if not self.works and any(error.broke for error in self._alone):
            raise self._alone[-1]
        for error in self._alone:
            log.warning("the PanDA server refuses an item why=%s", error.why)
        return answers

    def _tell(self, items: Sequence[Item]) -> list[Answer]:
        if not items:
            return []
        try:
            answers = list(self._send(items))
        except Refused as error:
            return self._in_halves(items, error)
        self.works = True
        return answers

    def _in_halves(self, items: Sequence[Item], error: Refused) -> list[Answer]:
        if len(items) > 1:
            middle = len(items) // 2
            return [*self._tell(items[:middle]), *self._tell(items[middle:])]
        self._alone.append(error)
        if not self.works and len(self._alone) >= ENOUGH and not self._takes_any():
            raise error
        return [self._refused(items[0], error.why)]

    def _takes_any(self) -> bool:
        """Tell whether one of some others is taken alone: items that stand beside each other often have the same fault."""
        others = self._items[len(self._alone):]
        for item in others[::-max(1, len(others) // ENOUGH)][:ENOUGH]:
            try:
                self._send([item])
            except Refused:
                continue
            self.works = True
            return True
        return False
