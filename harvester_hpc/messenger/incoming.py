"""Numbered letters that have come: one listing of their folder, and only what is new is read, in the order of the numbers."""
from __future__ import annotations

import contextlib
import heapq
import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harvester_hpc.messenger.letter import BAD, KEPT_BAD, Absent, Shape, Unfit, Whole, put_aside, read_in
from harvester_hpc.messenger.names import STRANGE
from harvester_hpc.messenger.numbered import LARGEST_NUMBERED, READ, TAKEN, VERSION, Kind, last_read, open_folder, parsed_name
from harvester_hpc.messenger.patience import Patience
from harvester_hpc.messenger.values import BadLetter

#: Letters, and bytes, that one look reads; the rest is for the next.
MOST, MOST_BYTES = 1000, 64 << 20
#: Letters that the last look reads at most.
MOST_AT_LAST = 100_000
#: Writers of which the last number is remembered; of others it is read again.
REMEMBERED = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Numbered:
    """A letter that has come.

    Attributes:
        late: a letter of the same writer with a higher number was put away before: no state counts any more, only facts do.
        written: seconds since 1970, by the file's mtime.
        size: bytes.
        answers: {writer: number} of the requests that it answers.
    """

    path: Path
    number: int
    writer: str
    kind: Kind
    content: Mapping[str, Any]
    late: bool
    written: float
    size: int
    answers: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """What one look has found: letters by writer and number, bad ones, and whether there is more that waits for another look."""

    letters: tuple[Numbered, ...] = ()
    bad: tuple[BadLetter, ...] = ()
    more: bool = False


class Incoming:
    """Reads folders of numbered letters; one object serves many folders and threads.

    Args:
        patience: how long a letter that is not whole, or a number that is not there, holds back those behind it.
        largest: bytes of a letter.
        most_bytes: that one look reads; it ends with the letter in which they are reached.
    """

    def __init__(self, patience: Patience, largest: int = LARGEST_NUMBERED, most_bytes: int = MOST_BYTES) -> None:
        self._patience, self._largest, self._most_bytes = patience, min(largest, LARGEST_NUMBERED), most_bytes
        self._next: OrderedDict[tuple[Path, str], int] = OrderedDict()
        self._aside: OrderedDict[tuple[Path, str], set[int]] = OrderedDict()
        self._lock = threading.Lock()

    def look(self, path: Path, kinds: Iterable[Kind], *, last: bool = False) -> Arrival:
        """Read what has come and was not put away.

        Args:
            kinds: those that are meant for the reader; others are put aside.
            last: nobody writes any more: what is not whole stays so, and all is read at once.

        Raises:
            FileNotFoundError: there is no such folder.
            OSError: it is a link, or it cannot be read: nothing is known.
        """
        folder = open_folder(path)
        try:
            one = _Look(
                path, folder, frozenset(kinds), last=last, largest=self._largest, most_bytes=self._most_bytes,
                is_over=self._patience.is_over,
            )
            numbered, strange = one.listed()
            one.put_strange_aside(strange)
            for writer, numbers in numbered.items():
                expected = max(self._expected(path, folder, writer), one.taken.get(writer, 0) + 1)
                one.read(writer, sorted(numbers), expected, self._aside_of(path, writer))
            return Arrival(letters=tuple(one.letters), bad=tuple(one.bad), more=one.more)
        finally:
            os.close(folder)

    def put_away(self, paths: Iterable[Path]) -> None:
        """Put letters of one folder away that were read and stored: the last of each writer stays as ``<writer>.read``.

        That one goes first: whatever is left behind it by a crash is read again as a late one.

        Raises:
            OSError: they are read again.
        """
        for writer, listed in _by_writer(paths).items():
            path = listed[-1][1].parent
            folder = open_folder(path)
            try:
                highest = listed[-1][0]
                if highest >= self._expected(path, folder, writer):
                    # First, for another thread that lists the folder after the rename is to know that no letter is missing.
                    self._remember(path, writer, highest + 1)
                    # What lies in the way of the rename is a folder, of nobody: the letter is removed like the others.
                    with contextlib.suppress(IsADirectoryError):
                        _rename(folder, listed[-1][1].name, f"{writer}{READ}")
                for _, letter in listed:
                    with contextlib.suppress(FileNotFoundError):
                        os.unlink(letter.name, dir_fd=folder)
            finally:
                os.close(folder)

    def keep(self, letter: Path) -> None:
        """Put one letter away as ``<number>.<writer>.taken``: it is there if its reader starts again.

        Raises:
            OSError: it is read again.
        """
        folder = open_folder(letter.parent)
        try:
            _rename(folder, letter.name, f"{letter.name.removesuffix('.json')}{TAKEN}")
        finally:
            os.close(folder)
        found = parsed_name(letter.name)
        if found is not None:
            self._remember(letter.parent, found[1], found[0] + 1)

    def _expected(self, path: Path, folder: int, writer: str) -> int:
        with self._lock:
            number = self._next.get((path, writer))
        return self._remember(path, writer, last_read(folder, writer) + 1) if number is None else number

    def _aside_of(self, path: Path, writer: str) -> set[int]:
        """Return the numbers of letters that were put aside: no gap."""
        with self._lock:
            numbers = self._aside.setdefault((path, writer), set())
            self._aside.move_to_end((path, writer))
            if len(self._aside) > REMEMBERED:
                self._aside.popitem(last=False)
            if len(numbers) > MOST:
                numbers.clear()
            return numbers

    def _remember(self, path: Path, writer: str, number: int) -> int:
        with self._lock:
            number = self._next[path, writer] = max(number, self._next.get((path, writer), 0))
            self._next.move_to_end((path, writer))
            while len(self._next) > REMEMBERED:
                self._next.popitem(last=False)
        return number


def _by_writer(paths: Iterable[Path]) -> dict[str, list[tuple[int, Path]]]:
    found: dict[str, list[tuple[int, Path]]] = {}
    for path in paths:
        name = parsed_name(path.name)
        if name is not None:
            found.setdefault(name[1], []).append((name[0], path))
    return {writer: sorted(listed) for writer, listed in found.items()}


def _rename(folder: int, name: str, after: str) -> None:
    # Another reader of the same letters was faster: they are put away.
    with contextlib.suppress(FileNotFoundError):
        os.rename(name, after, src_dir_fd=folder, dst_dir_fd=folder)


class _Look:
    """One look into one folder, while it is made."""

    def __init__(
        self, path: Path, folder: int, kinds: frozenset[Kind], *, last: bool, largest: int, most_bytes: int,
        is_over: Callable[[Path, Shape], bool],
    ) -> None:
        self._path, self._folder, self._kinds, self._last, self._largest, self._is_over = path, folder, kinds, last, largest, is_over
        self._bytes, self._most_bytes = 0, most_bytes
        self.letters: list[Numbered] = []
        self.bad: list[BadLetter] = []
        self.more = False
        self.taken: dict[str, int] = {}

    def listed(self) -> tuple[dict[str, list[int]], list[str]]:
        """Return {writer: numbers of its letters}, and names that are no letters'; however many there are, memory is bounded."""
        strange: list[str] = []
        most = MOST_AT_LAST if self._last else MOST
        with os.scandir(self._folder) as entries:
            letters = heapq.nsmallest(most + 1, self._numbers((entry.name for entry in entries), strange))
        self.more = len(letters) > most
        found: dict[str, list[int]] = {}
        for number, writer in letters[:most]:
            found.setdefault(writer, []).append(number)
        return found, strange

    def _numbers(self, names: Iterable[str], strange: list[str]) -> Iterable[tuple[int, str]]:
        for name in names:
            found = parsed_name(name)
            if found is not None and found[2]:
                self.taken[found[1]] = max(found[0], self.taken.get(found[1], 0))
            elif found is not None:
                yield found[0], found[1]
            elif found is None and not _is_ours(name) and len(strange) < KEPT_BAD:
                strange.append(name)

    def put_strange_aside(self, names: Iterable[str]) -> None:
        """Put files aside that are no letters."""
        for name in names:
            self._put_aside(name, f"{name[:80]!r} is no name of a letter")

    def read(self, writer: str, numbers: list[int], expected: int, aside: set[int]) -> None:
        """Read a writer's letters, up to the first that is missing or not whole and may still come.

        Args:
            aside: numbers of letters that were put aside; those of this look are added.
        """
        for number in numbers:
            while expected in aside:
                expected += 1
            if self._bytes >= self._most_bytes and not self._last:
                self.more = True
                return
            if number > expected and not self._goes_on(writer, expected, number):
                return
            bad = len(self.bad)
            if not self._read_one(writer, number, late=number < expected) and number >= expected:
                return
            aside.update([number] if len(self.bad) > bad else [])
            expected = max(expected, number + 1)

    def _goes_on(self, writer: str, expected: int, number: int) -> bool:
        missing = self._path / f"{expected:08d}.{writer}.json"
        if not self._last and not self._is_over(missing, Shape(0, 0, number)):
            self.more = True
            return False
        until = f" to {number - 1}" if number - 1 > expected else ""
        self.bad.append(BadLetter(path=missing, why=f"letter {expected}{until} of {writer} has not come; those behind it are read"))
        return True

    def _read_one(self, writer: str, number: int, *, late: bool) -> bool:
        """Read a letter; False if it holds back those behind it."""
        name = f"{number:08d}.{writer}.json"
        reading = read_in(self._folder, name, largest=self._largest)
        match reading:
            case Absent():
                return True  # another reader has put it away in this very moment
            case Unfit(why=why, shape=shape, hopeless=hopeless):
                if not (hopeless or self._last or self._is_over(self._path / name, shape)):
                    self.more = True
                    return False
                self._put_aside(name, why)
            case Whole(content=content, shape=shape):
                self._bytes += shape.size
                self._keep(name, content, shape, (number, writer), late=late)
        return True

    def _keep(self, name: str, content: Mapping[str, Any], shape: Shape, own: tuple[int, str], *, late: bool) -> None:
        why = self._wrong(content, own)
        if why:
            self._put_aside(name, why)
            return
        answers = content.get("answers")
        self.letters.append(Numbered(
            path=self._path / name, number=own[0], writer=own[1], kind=Kind(content["kind"]), content=content["content"], late=late,
            written=shape.mtime_ns / 1e9, size=shape.size,
            answers={key: number for key, number in answers.items() if isinstance(number, int)} if isinstance(answers, dict) else {},
        ))

    def _wrong(self, content: Mapping[str, Any], own: tuple[int, str]) -> str:
        if content.get("version") != VERSION or isinstance(content.get("version"), bool):
            return f"version {str(content.get('version'))[:40]} is not known here, only {VERSION} is"
        if (content.get("number"), content.get("writer")) != own:
            said = f"{content.get('number')} of {content.get('writer')}"[:80]
            return f"it says that it is letter {said}, and its name is that of letter {own[0]} of {own[1]}"
        if not isinstance(content.get("kind"), str) or content["kind"] not in self._kinds:
            return f"kind {str(content.get('kind'))[:40]!r} is none of {', '.join(sorted(self._kinds))}"
        return "" if isinstance(content.get("content"), dict) else "its content is no JSON object"

    def _put_aside(self, name: str, why: str) -> None:
        try:
            aside = put_aside(self._path / name, why)
        except OSError:
            aside = self._path / name
        self.bad.append(BadLetter(path=aside, why=why))


def _is_ours(name: str) -> bool:
    return name.startswith((".", STRANGE + BAD)) or name.endswith(READ)
