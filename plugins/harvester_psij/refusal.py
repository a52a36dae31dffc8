"""What a submit command that said no has meant: never, not now, or nobody knows. Each dialect has its own table of words."""
from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum


class Verdict(StrEnum):
    """How to take a failed submit command."""

    REFUSED = "refused"      # never: nothing was submitted, and nothing will be however often it is tried
    BUSY = "busy"            # not now: nothing was submitted
    UNCERTAIN = "uncertain"  # it may have been accepted all the same
    UNHEARD = "unheard"      # it said no in words that no table has: as uncertain, until it has said so often enough


#: What the words of a submit command mean; the first pattern that is found decides.
Table = Sequence[tuple[Verdict, str]]

SUBMIT_COMMAND_MISSING = 127


def verdict(exit_code: int, words: str, table: Table) -> Verdict:
    """Return what a failed submit command has meant.

    Args:
        exit_code: of the command; negative: ended by that signal; 127: it could not be started.
        words: its output, in English (LC_ALL=C).
        table: of the dialect.
    """
    if exit_code == SUBMIT_COMMAND_MISSING:
        return Verdict.BUSY
    if exit_code < 0:
        return Verdict.UNCERTAIN
    for meaning, pattern in table:
        if re.search(pattern, words, re.IGNORECASE):
            return meaning
    return Verdict.UNHEARD if words.strip() else Verdict.UNCERTAIN
