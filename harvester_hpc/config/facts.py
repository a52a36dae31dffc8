"""Where the values of a facility file come from: a source, a date, and whether anybody has checked it."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from harvester_hpc.config.kinds import Date, OneLine
from harvester_hpc.config.layers import Layer, Stack, stacked
from harvester_hpc.config.problems import Keys, Place, Problem
from harvester_hpc.config.validate import FileModel
from harvester_hpc.errors import did_you_mean

By = Literal["facility", "others", "recalled"]
#: What ``by`` means, for people.
BY: Mapping[str, str] = {
    "facility": "the facility's own documents",
    "others": "the configuration of another project, or a public repository",
    "recalled": "recalled, not checked",
}


class FactSettings(FileModel):
    """Where a value comes from, and all values within it that are not named themselves."""

    by: Annotated[By, Field(description="who says it: " + "; ".join(f"`{word}`: {meaning}" for word, meaning in BY.items()))]
    source: Annotated[OneLine, Field(description="short names of its documents in `sources`, with commas between them")] = ""
    checked: Annotated[Date, Field(description="when it was checked, if not as `checked` of the file says")] = ""
    note: Annotated[OneLine, Field(description="what is to be known of it")] = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Where one value comes from.

    Attributes:
        path: to the value, as the file has it; elements of a list by their names, ``queues.batch.maxNodes``.
        keys: the same in the values.
        by: ``facility``, ``others`` or ``recalled``.
        documents: titles of the documents.
        checked: date; "" if nobody has checked it.
        file: in which this stands.
    """

    path: str
    keys: Keys
    by: By
    documents: tuple[str, ...] = ()
    checked: str = ""
    note: str = ""
    file: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All facts of a stack of files, and which values they are about.

    A fact holds for a value only if the value was written in its own file or in one below that: what the user has
    changed is no fact of the site file any more.
    """

    stack: Stack
    layers: tuple[Layer, ...]
    known: tuple[tuple[int, Fact], ...]

    def of(self, keys: Keys) -> Fact | None:
        """Return where the value at ``keys`` comes from; None if nobody says."""
        written = self._layer(keys)
        holding = [(len(fact.keys), layer, fact) for layer, fact in self.known if layer >= written and fact.keys == keys[: len(fact.keys)]]
        return max(holding, key=lambda one: one[:2])[2] if holding else None

    def file_of(self, keys: Keys) -> str:
        """Return the file in which the value at ``keys`` was written."""
        return self.stack.place(keys).file

    def told(self) -> Iterator[tuple[str, Any, Fact | None]]:
        """Give (path, value, fact) of every value that is written anywhere, in the order of the files."""
        for keys, value in _leaves(self.stack.values, ()):
            if keys[0] not in ("facts", "sources", "notes", "checked"):
                yield path_of(self.stack.values, keys), value, self.of(keys)

    def _layer(self, keys: Keys) -> int:
        file = self.stack.place(keys).file
        return next((number for number, layer in enumerate(self.layers) if layer.place.file == file), 0)


def facts_of(layers: Sequence[Layer], stack: Stack) -> Facts:
    """Return the facts of files that lie over each other, the lowest first; ``stack`` is all of them."""
    known: list[tuple[int, Fact]] = []
    sources: dict[str, str] = {}
    dated = ""
    for number, layer in enumerate(layers):
        sources |= {name: str(text) for name, text in _object(layer.values.get("sources")).items()}
        dated = str(layer.values.get("checked", dated))
        for path, said in _object(layer.values.get("facts")).items():
            keys = keys_of(stack.values, path)
            if keys is not None and isinstance(said, dict) and said.get("by") in BY:
                recalled = said["by"] == "recalled"
                known.append((number, Fact(
                    path=path, keys=keys, by=said["by"], documents=tuple(sources.get(name, name) for name in _names(said)),
                    checked=str(said.get("checked", "")) or ("" if recalled else dated), note=str(said.get("note", "")),
                    file=layer.place.file,
                )))
    return Facts(stack=stack, layers=tuple(layers), known=tuple(known))


def fact_problems(layers: Sequence[Layer]) -> Iterator[Problem]:
    """Give the facts that are about nothing, or name a document that nobody knows; each file is held against those below it."""
    for number, layer in enumerate(layers):
        facts = _object(layer.values.get("facts"))
        if not facts:
            continue
        values = stacked(layers[: number + 1]).values
        sources = _object(values.get("sources"))
        for path, said in facts.items():
            yield from _problems(layer.place.below("facts", path), path, _object(said), values, sources)


def _problems(place: Place, path: str, said: Mapping[str, Any], values: Mapping[str, Any], sources: Mapping[str, Any]) -> Iterator[Problem]:
    if keys_of(values, path) is None:
        yield Problem.at(place, f"is about nothing that stands in the file{_hint(values, path)}")
    if said.get("by") != "recalled" and not _names(said):
        yield Problem.at(place, "names no source; or say that it is recalled")
    for name in _names(said):
        if name not in sources:
            there = ", ".join(sources) or "none"
            yield Problem.at(place.below("source"), f"no source {name!r}; there is: {there}{did_you_mean(name, sources)}")


def keys_of(values: Mapping[str, Any], path: str) -> Keys | None:
    """Return the keys of a path such as ``queues.batch.maxNodes``; None if nothing stands there."""
    keys: list[str | int] = []
    inner: Any = values
    for word in path.split("."):
        if isinstance(inner, dict) and word in inner:
            keys.append(word)
            inner = inner[word]
            continue
        number = _number(inner, word) if isinstance(inner, list) else None
        if number is None:
            return None
        keys.append(number)
        inner = inner[number]
    return tuple(keys)


def path_of(values: Mapping[str, Any], keys: Keys) -> str:
    """Return keys as a path, elements of a list by their names where they have one."""
    words: list[str] = []
    inner: Any = values
    for key in keys:
        inner = inner[key]
        name = inner.get("name") if isinstance(key, int) and isinstance(inner, dict) else None
        words.append(str(name if name and "." not in name else key))
    return ".".join(words)


def _number(elements: Sequence[Any], word: str) -> int | None:
    for number, element in enumerate(elements):
        if isinstance(element, dict) and element.get("name") == word:
            return number
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 6 and int(word) < len(elements) else None


def _hint(values: Mapping[str, Any], path: str) -> str:
    paths = {path_of(values, keys[:end]) for keys, _ in _leaves(values, ()) for end in range(1, len(keys) + 1)}
    return did_you_mean(path, sorted(paths))


def _leaves(value: Any, keys: Keys) -> Iterator[tuple[Keys, Any]]:
    members: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        members = list(value.items())
    elif isinstance(value, list) and any(isinstance(element, dict) for element in value):
        members = list(enumerate(value))
    if not members:
        yield keys, value
    for key, member in members:
        yield from _leaves(member, (*keys, key))


def _names(said: Mapping[str, Any]) -> list[str]:
    return [name.strip() for name in str(said.get("source", "")).split(",") if name.strip()]


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
