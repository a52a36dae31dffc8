"""A lifecycle: the states of one kind of thing, and the moves between them, as one table."""
from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Generic, TypeVar

from harvester_hpc.errors import ForbiddenMove

State = TypeVar("State", bound=StrEnum)


class Lifecycle(Generic[State]):
    """The table of allowed moves.

    Args:
        thing: what lives this life, for messages ("job").
        moves: {state: states that may follow}; a state that nothing follows is final. Every state stands as a key.
    """

    def __init__(self, thing: str, moves: Mapping[State, frozenset[State]]) -> None:
        self.thing = thing
        self.moves = moves
        self.final = frozenset(state for state, following in moves.items() if not following)

    def allows(self, before: State, after: State) -> bool:
        """Tell whether a ``thing`` may go from ``before`` to ``after``; staying is no move."""
        return after in self.moves[before]

    def check(self, before: State, after: State) -> None:
        """Raise ForbiddenMove unless the table has the move."""
        if after not in self.moves[before]:
            raise ForbiddenMove(f"a {self.thing} does not go from {before} to {after}")

    def is_final(self, state: State) -> bool:
        """Tell whether nothing follows ``state``."""
        return state in self.final
