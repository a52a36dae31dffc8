"""What such plugins answer, read with care: they were written by many hands."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """One answer.

    Attributes:
        verdict: True: good; False: never; None: not now.
        words: what the plugin says of it.
        sound: whether the answer had a shape that the interface knows; else verdict is None.
    """

    verdict: bool | None
    words: str = ""
    sound: bool = True


def said(answer: Any) -> Said:
    """Return an answer that is ``(verdict, words)``, or the verdict alone."""
    verdict, words = answer, ""
    if isinstance(answer, tuple | list):
        if len(answer) != 2:
            return Said(verdict=None, words=f"the plugin has answered {_shown(answer)}, where a pair is expected", sound=False)
        verdict, words = answer[0], text(answer[1])
    if verdict is None or isinstance(verdict, bool):
        return Said(verdict=verdict, words=words)
    return Said(verdict=None, words=f"the plugin has answered {_shown(answer)}, where True, False or None is expected", sound=False)


def listed(answer: Any, number: int) -> list[Any]:
    """Return answers about ``number`` items; the ones that are missing are ``MISSING``, too many are left out.

    The published pages say a list, the existing code (True, list): both are read.

    Raises:
        ValueError: the plugin says that the whole call has failed, or it is no list.
    """
    if isinstance(answer, tuple) and len(answer) == 2 and isinstance(answer[0], bool) and isinstance(answer[1], list | tuple | str):
        if not answer[0]:
            raise ValueError(f"the plugin says that it did not work: {text(answer[1])}")
        answer = answer[1]
    if not isinstance(answer, list | tuple):
        raise ValueError(f"the plugin has answered {_shown(answer)}, where a list is expected")
    return [*answer, *[MISSING] * number][:number]


class Missing:
    """Stands for an answer that a plugin has left out."""


MISSING = Missing()


def text(value: Any) -> str:
    """Return words: of bytes too, which commands of Python 2 left."""
    if value is None:
        return ""
    return value.decode(errors="replace") if isinstance(value, bytes | bytearray) else str(value)


def whole(value: Any) -> int | None:
    """Return a whole number; None if it is none."""
    try:
        return int(text(value)) if isinstance(value, bytes | str) else int(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _shown(answer: Any) -> str:
    words = repr(answer)
    return words if len(words) <= 200 else f"{words[:200]}..."
