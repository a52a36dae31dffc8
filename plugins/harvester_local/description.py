"""A job as a person describes it: checked key by key, all problems at once."""
from __future__ import annotations

import difflib
import json
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import PurePosixPath
from typing import Any

from harvester_hpc.errors import ConfigurationError

#: Stands for the job's number in arguments, environment, outputs and log.
PANDA_ID = "{PandaID}"
DEFAULT_LOG = f"job.{PANDA_ID}.log.tgz"
#: A name in a comma list: no slash, comma or control character.
NAME = re.compile(r"[^/,\x00-\x1f\x7f]+")
CHECKSUM = re.compile(r"(ad:)?[0-9a-f]{8}|(md:)?[0-9a-f]{32}")
EVENT_SERVICE = frozenset({"eventService", "event_service", "eventRanges", "event_ranges"})


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFile:
    """An input. ``path`` absolute, "" where the preparator knows the folder; size in bytes; ``checksum`` ``ad:...`` or ``md:...``."""

    lfn: str
    path: str = ""
    checksum: str = ""
    size: int | None = None
    guid: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRanges:
    """The ranges that a job works on: how many, events in each, how often one is tried at most, and seconds of one (0: unknown)."""

    ranges: int
    per_range: int = 1
    attempts: int = 3
    seconds: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class JobDescription:
    """One job, checked.

    Attributes:
        executable: the program, found where the worker runs.
        queue: PanDA queue; "" for any.
        arguments: one line, quoted as for a shell.
        outputs: names of the files that the payload leaves in its folder.
        log: name of the packed log; "" for none.
        cores, memory_mb, walltime_s: 0 memory or walltime: nothing is said. Seconds, MB.
        attempts: how often it is tried at most.
        label: prodSourceLabel.
        events: ranges of events that its workers ask for; None for an ordinary job.
    """

    executable: str
    name: str = "job"
    queue: str = ""
    arguments: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    inputs: tuple[InputFile, ...] = ()
    outputs: tuple[str, ...] = ()
    log: str = DEFAULT_LOG
    priority: int = 1000
    cores: int = 1
    memory_mb: int = 0
    walltime_s: int = 0
    attempts: int = 1
    label: str = "managed"
    events: EventRanges | None = None

    def as_json(self) -> str:
        """Return the text that ``from_json`` reads."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> JobDescription:
        """Return the description that ``as_json`` has written."""
        values = json.loads(text)
        values["inputs"] = tuple(InputFile(**one) for one in values["inputs"])
        values["outputs"] = tuple(values["outputs"])
        if values.get("events") is not None:
            values["events"] = EventRanges(**values["events"])
        return cls(**values)


class _Bad(ValueError):
    """What a value must be."""


def description_of(raw: Any, place: str = "") -> JobDescription:
    """Return the job that ``raw`` describes (a JSON object; keys in docs and in ``READERS``).

    Args:
        place: what stands before each problem ("job 3: ").

    Raises:
        ConfigurationError: with every problem, each with its key.
    """
    if not isinstance(raw, Mapping):
        raise ConfigurationError("a job cannot be used", (f"{place}must be a JSON object, not {_shown(raw)}",))
    problems: list[str] = []
    values: dict[str, Any] = {}
    for key, value in raw.items():
        reader = READERS.get(key)
        if reader is None:
            problems.append(_unknown(key))
            continue
        target, read = reader
        if target in values:
            problems.append(f"{key}: given twice; 'executable' is 'transformation', 'arguments' is 'jobPars'")
        try:
            values[target] = read(value)
        except _Bad as bad:
            problems.append(f"{key}: {bad}")
            values.setdefault(target, None)
    if "executable" not in values:
        problems.append("executable: missing; name the program that the job runs")
    problems += _clashes(values)
    if problems:
        raise ConfigurationError("a job cannot be used", tuple(place + problem for problem in problems))
    return JobDescription(**values)


def _clashes(values: Mapping[str, Any]) -> list[str]:
    names = [*(values.get("outputs") or ()), *([values["log"]] if values.get("log") else [])]
    inputs = [one.lfn for one in values.get("inputs") or ()]
    return [f"{kind}: the name {name!r} stands there twice" for kind, given in (("outputs", names), ("inputs", inputs))
            for name in dict.fromkeys(given) if given.count(name) > 1]


def _unknown(key: str) -> str:
    if key in EVENT_SERVICE:
        return f"{key}: unknown key; did you mean 'events'?"
    known = {name.lower(): name for name in READERS}
    near = difflib.get_close_matches(str(key).lower(), known, 1)
    return f"{key}: unknown key; " + (f"did you mean {known[near[0]]!r}?" if near else f"there is: {', '.join(READERS)}")


def _shown(value: Any) -> str:
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:57]}..."


def _text(value: Any) -> str:
    if not isinstance(value, str) or "\0" in value:
        raise _Bad(f"must be a text, not {_shown(value)}")
    return _sound(value)


def _sound(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _Bad(f"is no sound Unicode: {_shown(text)}") from None
    return text


def _word(value: Any) -> str:
    text = _text(value)
    if not text.strip() or len(text) > 4000 or not text.isprintable():
        raise _Bad(f"must be one line of text, not {_shown(value)}")
    return text.strip()


def _maybe_word(value: Any) -> str:
    return "" if value == "" else _word(value)


def _number(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise _Bad(f"must be a whole number from {low} to {high}, not {_shown(value)}")
        return value
    return read


def _arguments(value: Any) -> str:
    if not isinstance(value, list):
        return _splittable(_text(value))
    if any(isinstance(one, bool) or not isinstance(one, str | int | float) for one in value):
        raise _Bad(f"must be a text or a list of texts and numbers, not {_shown(value)}")
    return shlex.join(_text(str(one)) for one in value)


def _splittable(line: str) -> str:
    try:
        shlex.split(line)
    except ValueError as error:
        raise _Bad(f"cannot be split into words as a shell does: {error}: {_shown(line)}") from None
    return line


def _environment(value: Any) -> dict[str, str]:
    if not isinstance(value, Mapping):
        raise _Bad(f"must be an object of names and texts, not {_shown(value)}")
    for name, text in value.items():
        if not name or "=" in name or "\0" in name or isinstance(text, bool) or not isinstance(text, str | int | float):
            raise _Bad(f"{name!r}: {_shown(text)}: must be a name without '=' and a text or number")
    return {_text(name): _text(str(text)) for name, text in value.items()}


def _file_name(value: Any) -> str:
    text = _text(value)
    if not NAME.fullmatch(text) or text in (".", "..", "NULL") or text != text.strip() or len(text.encode()) > 200:
        raise _Bad(f"must be a file name (no slash, no comma, at most 200 bytes), not {_shown(value)}")
    return text


def _file_names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _Bad(f"must be a list of file names, not {_shown(value)}")
    return tuple(_file_name(one) for one in value)


def _log(value: Any) -> str:
    if isinstance(value, bool):
        return DEFAULT_LOG if value else ""
    return _file_name(value)


def _inputs(value: Any) -> tuple[InputFile, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise _Bad(f"must be a list of paths or objects, not {_shown(value)}")
    return tuple(_input({"path": one} if isinstance(one, str) else one) for one in value)


def _input(value: Any) -> InputFile:
    if not isinstance(value, Mapping):
        raise _Bad(f"must be a path or an object, not {_shown(value)}")
    fields: dict[str, Any] = {}
    for key, given in value.items():
        if key not in INPUT_READERS:
            near = difflib.get_close_matches(str(key), INPUT_READERS, 1)
            raise _Bad(f"unknown key {key!r}; " + (f"did you mean {near[0]!r}?" if near else f"there is: {', '.join(INPUT_READERS)}"))
        fields[key] = INPUT_READERS[key](given)
    if "path" not in fields and "lfn" not in fields:
        raise _Bad("one has neither 'path' nor 'lfn'")
    if "lfn" not in fields:
        fields["lfn"] = _file_name(PurePosixPath(fields["path"]).name)
    return InputFile(**fields)


def _path(value: Any) -> str:
    text = _text(value)
    if not text.startswith("/") or text.endswith("/"):
        raise _Bad(f"must be the absolute path of a file, not {_shown(value)}")
    return text


def _checksum(value: Any) -> str:
    text = _text(value).lower()
    if not CHECKSUM.fullmatch(text):
        raise _Bad(f"a checksum must be 'ad:' and 8 hexadecimal digits or 'md:' and 32, not {_shown(value)}")
    if text.startswith(("ad:", "md:")):
        return text
    return f"ad:{text}" if len(text) == 8 else f"md:{text}"


def _events(value: Any) -> EventRanges:
    given = value if isinstance(value, Mapping) else {"ranges": value}
    unknown = [key for key in given if key not in EVENT_READERS]
    if unknown or "ranges" not in given:
        raise _Bad(f"must be the number of ranges, or an object of {', '.join(EVENT_READERS)}, not {_shown(value)}")
    return EventRanges(**{attribute: read(given[key]) for key, (attribute, read) in EVENT_READERS.items() if key in given})


def _guid(value: Any) -> str:
    text = _maybe_word(value)
    if "," in text:
        raise _Bad(f"a guid has no comma: {_shown(value)}")
    return text


INPUT_READERS: Mapping[str, Callable[[Any], Any]] = {
    "lfn": _file_name, "path": _path, "checksum": _checksum, "size": _number(0, 1 << 62), "guid": _guid,
}

EVENT_READERS: Mapping[str, tuple[str, Callable[[Any], int]]] = {
    "ranges": ("ranges", _number(1, 10_000_000)), "perRange": ("per_range", _number(1, 10**9)), "attempts": ("attempts", _number(1, 100)),
    "secondsPerRange": ("seconds", _number(1, 10**7)),
}

#: {key of a job file: (attribute, reader)}
READERS: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "name": ("name", _word),
    "queue": ("queue", _maybe_word),
    "executable": ("executable", _word),
    "transformation": ("executable", _word),
    "arguments": ("arguments", _arguments),
    "jobPars": ("arguments", _arguments),
    "environment": ("environment", _environment),
    "inputs": ("inputs", _inputs),
    "outputs": ("outputs", _file_names),
    "log": ("log", _log),
    "priority": ("priority", _number(-(10**9), 10**9)),
    "cores": ("cores", _number(1, 10**7)),
    "memory_mb": ("memory_mb", _number(0, 2**31 - 1)),
    "walltime": ("walltime_s", _number(0, 10**9)),
    "attempts": ("attempts", _number(1, 100)),
    "label": ("label", _word),
    "events": ("events", _events),
}
