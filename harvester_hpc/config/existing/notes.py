"""What is said of each thing that was found in the files of an existing Harvester."""
from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum

#: Parts of names of keys whose values are not written down.
SECRET = ("password", "passphrase", "secret", "passwd")


class Fate(StrEnum):
    """What became of it."""

    TAKEN = "taken over"
    TRANSLATED = "translated"
    IDLE = "without effect here"
    IMPOSSIBLE = "not possible"


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """One thing.

    Attributes:
        where: ``file: path`` in the words of the file.
        said: its value, in short.
        words: what it became, or why not, and what to do.
    """

    fate: Fate
    where: str
    said: str = ""
    words: str = ""


@dataclass(slots=True)
class Notes:
    """A list of them that grows.

    Args:
        place: put before each path.
    """

    place: str = ""
    found: list[Note] = field(default_factory=list)

    def below(self, *keys: str) -> Notes:
        """Return the notes of something inside: the same list."""
        return Notes(self._at(".".join(keys)), self.found)

    def add(self, fate: Fate, key: str, said: object = "", words: str = "") -> None:
        """Say what became of a key."""
        is_secret = any(word in key.lower() for word in SECRET)
        self.found.append(Note(fate=fate, where=self._at(key), said="(not shown)" if is_secret and said else _short(said), words=words))

    def _at(self, key: str) -> str:
        return self.place.rstrip() if not key else self.place + ("" if not self.place or self.place.endswith(" ") else ".") + key

    def taken(self, key: str, said: object, words: str = "") -> None:
        """It stands in our file as it did in theirs."""
        self.add(Fate.TAKEN, key, said, words)

    def translated(self, key: str, said: object, words: str) -> None:
        """Something else stands in our file for it."""
        self.add(Fate.TRANSLATED, key, said, words)

    def idle(self, key: str, said: object, words: str) -> None:
        """Our design has no use for it."""
        self.add(Fate.IDLE, key, said, words)

    def impossible(self, key: str, said: object, words: str) -> None:
        """It cannot be had; ``words`` say what to do."""
        self.add(Fate.IMPOSSIBLE, key, said, words)


def report(notes: Iterable[Note]) -> str:
    """Return all notes as a page: what cannot be had first."""
    some = list(notes)
    lines = ["# What became of the files of PanDA Harvester", ""]
    for fate in (Fate.IMPOSSIBLE, Fate.TRANSLATED, Fate.IDLE, Fate.TAKEN):
        those = [one for one in some if one.fate is fate]
        if those:
            lines += [f"## {fate.capitalize()} ({len(those)})", "", "| what | value | |", "|---|---|---|"]
            lines += [f"| `{one.where}` | {_cell(one.said)} | {_cell(one.words)} |" for one in those]
            lines.append("")
    return "\n".join(lines)


def _short(said: object) -> str:
    words = " ".join(str(said).split())
    return words if len(words) <= 80 else f"{words[:77]}..."


def _cell(words: str) -> str:
    return words.replace("|", "\\|")
