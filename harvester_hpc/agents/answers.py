"""Answers of plugins are what they are said to be, or a defect."""
from __future__ import annotations

from types import UnionType
from typing import TypeVar

Answer = TypeVar("Answer")


def checked(answer: Answer, kind: UnionType | type) -> Answer:
    """Return a plugin's answer if it is of ``kind``.

    Raises:
        TypeError: it is not.
    """
    if not isinstance(answer, kind):
        raise TypeError(f"a plugin has answered with {type(answer).__name__}, where {kind} is expected")
    return answer
