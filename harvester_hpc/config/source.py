"""Reading one JSON file that people write: comments and trailing commas are welcome, duplicate keys are not."""
from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from harvester_hpc.config.problems import Place, Problem
from harvester_hpc.errors import ConfigurationError

#: Keys that start so are remarks of the author (the first is a habit of published queue files).
REMARKS = ("____comment", "//")

_TOKENS = re.compile(
    r"""
    (?P<string>"(?:[^"\\\n]|\\.)*"?)
  | (?P<comment>//[^\n]*|\#[^\n]*|/\*.*?\*/)
  | (?P<open>/\*)
  | (?P<comma>,)
  | (?P<close>[\]}])
  | (?P<space>\s+)
  | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_HALF_CHARACTERS = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A file as it was read; remarks are gone, variables are not yet expanded.

    Attributes:
        file: relative paths in it are relative to the folder of this.
        name: what it is called in messages, if not by ``file``: an address.
    """

    file: Path
    values: dict[str, Any]
    problems: tuple[Problem, ...] = ()
    name: str = ""

    @property
    def place(self) -> Place:
        """The place of the whole file."""
        return Place(file=self.name or str(self.file))


class _Object(dict[str, Any]):
    """An object of the file, with the keys that stood in it more than once."""

    twice: tuple[str, ...] = ()


def read(file: Path) -> Document:
    """Return the content of a JSON file in UTF-8 whose outermost value is an object.

    ``//``, ``#`` and ``/* */`` start comments outside of strings; a comma before a closing bracket is ignored.

    Raises:
        ConfigurationError: the file cannot be read, or is no JSON; names file, line and column.
    """
    return read_text(_text_of(file), file)


def read_text(text: str, file: Path, name: str = "") -> Document:
    """Return ``text`` in the same way; ``file`` and ``name`` as in ``Document``.

    Raises:
        ConfigurationError: it is no JSON; names file, line and column.
    """
    called = name or str(file)
    values = _parsed(called, _plain_json(called, text))
    if not isinstance(values, _Object):
        raise ConfigurationError(f"{called}: the outermost value must be an object", remedy="start with { and end with }")
    return Document(file=file, values=_without_remarks(values), problems=tuple(_defects(values, Place(file=called))), name=name)


def _text_of(file: Path) -> str:
    try:
        return file.read_bytes().decode("utf-8-sig")
    except FileNotFoundError as error:
        raise ConfigurationError(f"{file}: there is no such file", remedy="make one with: harvester-hpc init DIR") from error
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read", why=str(error.strerror), remedy="look at its permissions") from error
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigurationError(
            f"{file}: line {line}: is not UTF-8", why=f"byte {error.start} is {error.object[error.start]:#04x}", remedy="save it as UTF-8"
        ) from error


def _plain_json(file: str, text: str) -> str:
    """Return ``text`` with comments and trailing commas turned into blanks, so that every position stays."""
    pieces: list[str] = []
    comma: int | None = None  # the piece with a comma that nothing but space has followed so far
    has_value = False         # whether something stands before that comma
    for token in _TOKENS.finditer(text):
        kind, piece = token.lastgroup, token.group()
        if kind == "open":
            _refuse(file, text, token.start(), "a comment starts here and never ends", "end it with */")
        if kind == "comment":
            piece = re.sub(r"[^\r\n]", " ", piece)
        elif kind == "comma":
            comma, has_value = (len(pieces), False) if has_value else (None, False)
        elif kind == "close":
            if comma is not None:
                pieces[comma] = " "
            comma, has_value = None, True
        elif kind != "space":
            comma, has_value = None, piece not in "[{"
        pieces.append(piece)
    return "".join(pieces)


def _parsed(file: str, text: str) -> object:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_constant=_no_number)
    except json.JSONDecodeError as error:
        _refuse(file, text, error.pos, _said(error), "correct the file there, or just before")
    except RecursionError as error:
        raise ConfigurationError(f"{file}: is nested too deeply") from error
    except ValueError as error:
        raise ConfigurationError(f"{file}: holds a number that cannot be used", why=str(error)) from error


def _said(error: json.JSONDecodeError) -> str:
    return error.msg[0].lower() + error.msg[1:]


def _refuse(file: str, text: str, position: int, why: str, remedy: str) -> NoReturn:
    line = text.count("\n", 0, position) + 1
    column = position - text.rfind("\n", 0, position)
    raise ConfigurationError(f"{file}: line {line}, column {column}: is not JSON", why=why, remedy=remedy)


def _object(pairs: list[tuple[str, Any]]) -> _Object:
    members = _Object(pairs)
    if len(members) < len(pairs):
        keys = [key for key, _ in pairs]
        members.twice = tuple(key for key in members if keys.count(key) > 1 and not key.startswith(REMARKS))
    return members


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number in JSON")


def _defects(value: object, place: Place) -> Iterator[Problem]:
    """Give duplicate keys, and text that no file system could hold."""
    if isinstance(value, str) and _HALF_CHARACTERS.search(value):
        yield Problem.at(place, "holds a NUL or half a character (a lone \\ud800 ... \\udfff)")
    if isinstance(value, _Object):
        for key in value.twice:
            yield Problem.at(place.below(key), "stands twice in the same object; keep one")
    for name, member in _members(value):
        if isinstance(name, str) and _HALF_CHARACTERS.search(name):
            yield Problem.at(place, f"has a key with a NUL or half a character: {name!a}")
        else:
            yield from _defects(member, place.below(name))


def _members(value: object) -> list[tuple[str | int, object]]:
    if isinstance(value, dict):
        return list(value.items())
    return list(enumerate(value)) if isinstance(value, list) else []


def _without_remarks(value: dict[str, Any]) -> dict[str, Any]:
    return {key: _cleaned(member) for key, member in value.items() if not key.startswith(REMARKS)}


def _cleaned(value: object) -> object:
    if isinstance(value, dict):
        return _without_remarks(value)
    if isinstance(value, list):
        return [_cleaned(member) for member in value]
    return value
