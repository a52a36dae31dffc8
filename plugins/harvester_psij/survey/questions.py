"""Questions to a batch system within one span of time, and what of the answers could not be had."""
from __future__ import annotations

import grp
import os
import pwd
import time
from collections.abc import Sequence
from dataclasses import dataclass

from harvester_hpc.errors import Unavailable
from harvester_psij.command import ask, ask_clearly


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks: name and groups of the user."""

    user: str
    groups: tuple[str, ...] = ()


def this_user() -> Asker:
    """Return who runs us, as far as this machine knows names."""
    try:
        user = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        user = str(os.getuid())
    groups = []
    for number in {os.getgid(), *os.getgroups()}:
        try:
            groups.append(grp.getgrgid(number).gr_name)
        except KeyError:
            groups.append(str(number))
    return Asker(user=user, groups=tuple(sorted(groups)))


class Questions:
    """Commands that share one span of time.

    Args:
        within_s: seconds for all of them together.
    """

    def __init__(self, within_s: float) -> None:
        self._within_s = within_s
        self._end = time.monotonic() + within_s
        self.gaps: list[str] = []

    def answer(self, *argv: str) -> str:
        """Return the output of a command that must succeed.

        Raises:
            Unavailable: it failed, or there was no time left.
        """
        return ask_clearly(argv, self._left(argv))

    def answer_if_any(self, *argv: str, quietly: Sequence[str] = ()) -> str:
        """Return the output of a command; "" and a gap if it failed.

        Args:
            quietly: words of a failure that is no gap: the batch system has no such thing.
        """
        try:
            answer = ask(argv, self._left(argv))
        except Unavailable as error:
            self._note(argv, error.why or error.what, quietly)
            return ""
        if answer.exit_code == 0:
            return answer.out
        self._note(argv, answer.words, quietly)
        return ""

    def _note(self, argv: Sequence[str], words: str, quietly: Sequence[str]) -> None:
        gap = f"{' '.join(argv[:3])}: {words[:200]}"
        if gap not in self.gaps and not any(word in words for word in quietly):
            self.gaps.append(gap)

    def _left(self, argv: Sequence[str]) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise Unavailable(f"'{argv[0]}' was not asked", why=f"the {self._within_s:g} s for all questions were over")
        return left


def whole_lines(text: str) -> list[str]:
    """Return the lines of an answer; a last one without its end was cut off and is left out."""
    lines = text.split("\n")
    return [line.rstrip("\r") for line in lines[:-1] if line.strip()]


def number_of(text: str) -> int | None:
    """Return a whole number; None for whatever else stands there."""
    return int(text) if text.isascii() and text.isdigit() else None


def listed(text: str) -> tuple[str, ...]:
    """Return the words of a comma list; () for what stands for nothing."""
    return () if text in ("", "(null)", "N/A", "NONE") else tuple(word for word in text.split(",") if word)
