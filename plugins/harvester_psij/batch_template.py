"""A batch script of the user's own, with the placeholders that templates of PanDA Harvester have."""
from __future__ import annotations

import re
import shlex
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

#: Bytes; what is longer is no batch script.
LARGEST = 1 << 20
#: What runs a template that does not say.
SHELL = ("/bin/bash",)

# ``${name}`` is the shell's, whatever stands in it.
_FIELD = re.compile(r"(?<!\$)\{([A-Za-z_]\w*)\}")
_FIELD_OR_DOUBLED = re.compile(r"\{\{|\}\}|(?<!\$)\{([A-Za-z_]\w*)\}")


class BadTemplate(Exception):
    """A template that cannot be used; str() says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchTemplate:
    """A batch script of the user's own.

    Attributes:
        path: where it was read.
        values: placeholders of the user's own, {name: value}; they go before ours.
    """

    path: str
    text: str
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A template that is filled in.

    Attributes:
        interpreter: argv that runs the body.
        directives: (number of the line, what comes after the word of the batch system).
        body: all the rest.
    """

    interpreter: tuple[str, ...]
    directives: tuple[tuple[int, str], ...]
    body: str


def read_template(path: str, values: Mapping[str, str]) -> BatchTemplate:
    """Return the template that lies at ``path``.

    Raises:
        BadTemplate: there is none that can be used.
    """
    if not path.startswith("/"):
        raise BadTemplate(f"{path!r} must be an absolute path")
    try:
        with Path(path).open("rb") as file:
            raw = file.read(LARGEST + 1)
        text = raw.decode()
    except OSError as error:
        raise BadTemplate(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadTemplate(f"{path} is no text in UTF-8 (byte {error.start})") from error
    if len(raw) > LARGEST:
        raise BadTemplate(f"{path} has more than {LARGEST} bytes: no batch script")
    if "\r" in text or "\0" in text:
        raise BadTemplate(f"{path} has characters of another system (line ends of Windows?); a shell cannot run it")
    if not text.strip():
        raise BadTemplate(f"{path} is empty")
    return BatchTemplate(path=path, text=text, values=dict(values))


def filled(text: str, values: Mapping[str, str]) -> str:
    """Return the text with the placeholders filled in that are known; all other braces stay.

    ``{{`` and ``}}`` become ``{`` and ``}`` if the whole text is one that ``str.format`` takes, since its author wrote it for that;
    in any other they are what they are.
    """
    if not _is_for_format(text):
        return _FIELD.sub(lambda match: values.get(match[1], match[0]), text)
    doubled = {"{{": "{", "}}": "}"}
    return _FIELD_OR_DOUBLED.sub(lambda match: doubled.get(match[0]) or values.get(match[1], match[0]), text)


def _is_for_format(text: str) -> bool:
    try:
        fields = list(string.Formatter().parse(text))
    except ValueError:
        return False
    return all(name is None or (name.isidentifier() and not spec and not conversion) for _, name, spec, conversion in fields)


def divided(template: BatchTemplate, values: Mapping[str, str], word: str, *, anywhere: bool = False) -> Parts:
    """Return the template, filled in, in its parts.

    Args:
        word: what directives begin with, ``#SBATCH``; "" for none: they stay comments.
        anywhere: directives count in all the text, not only before its first command.

    Raises:
        BadTemplate: nobody can tell what is to run it.
    """
    # not splitlines: a shell knows no other end of a line
    lines = filled(template.text, {**values, **template.values}).removesuffix("\n").split("\n")
    interpreter: tuple[str, ...] = SHELL
    if lines[0].startswith("#!"):
        interpreter = _interpreter(lines[0][2:], template.path)
        lines[0] = "#"
    found = list(_directives(lines, word, anywhere)) if word else []
    for number, _ in found:
        lines[number - 1] = "#"  # the numbers of all other lines stay, for messages of the shell
    return Parts(interpreter=interpreter, directives=tuple(found), body="\n".join(lines))


def _interpreter(line: str, path: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(line)) or SHELL
    except ValueError as error:
        raise BadTemplate(f"{path}, line 1: #!{line}: {error}") from error


def _directives(lines: list[str], word: str, anywhere: bool) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(lines, start=1):
        if line.startswith((f"{word} ", f"{word}\t")):
            yield number, line[len(word):].strip()
        elif line.strip() and not line.lstrip().startswith("#") and not anywhere:
            return


def delimiter(body: str) -> str:
    """Return a word that stands on no line of the body."""
    lines, number = set(body.split("\n")), 0
    while f"HARVESTER_TEMPLATE_{number}" in lines:
        number += 1
    return f"HARVESTER_TEMPLATE_{number}"
