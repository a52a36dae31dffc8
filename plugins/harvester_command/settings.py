"""The section of the queue: argv templates, and what exit codes mean."""
from __future__ import annotations

import string
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

#: Fields of every template.
FIELDS = frozenset({"lfn", "scope", "dataset", "endpoint", "guid", "PandaID", "taskID", "size", "adler32", "md5"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandSettings:
    """The section of the queue.

    Attributes:
        command: argv of the program, with ``{source}`` and ``{destination}``; each word is filled by itself, no shell runs.
        source: template of an input's address, if the job does not say where it lies.
        destination: template of an output's address.
        readable: template of the destination as an absolute path of this machine, if it can be seen here.
        before: argv that makes the place ready, such as a mkdir of ``{folder}``; [] for none.
        checksum: argv that prints the checksum of ``{destination}`` as a word by itself (adler32: the first of 1 to 8 hex digits;
            md5: of 32); [] if there is no such program.
        environment: variables of the program, beside those of this process.
        parallel: programs side by side in one batch.
        timeout_s: seconds that one file may take.
        never_codes: exit codes after which a file is not tried again.
        person_codes: exit codes that say that a person must act; ``remedy`` says what to do.
        remedy: in words.
        files, wait_s, active, tries: of a batch, as ``Limits`` has them.
    """

    command: tuple[str, ...]
    source: str = ""
    destination: str = ""
    readable: str = ""
    before: tuple[str, ...] = ()
    checksum: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    parallel: int = 4
    timeout_s: float = 3600.0
    never_codes: tuple[int, ...] = ()
    person_codes: tuple[int, ...] = ()
    remedy: str = "see what the program says, and mend it"
    files: int = 1000
    wait_s: float = 30.0
    active: int = 2
    tries: int = 5

    def problems(self) -> tuple[str, ...]:
        """Return what types cannot tell."""
        return tuple(self._problems())

    def _problems(self) -> Iterator[str]:
        if not self.command:
            yield 'command: must name a program, such as ["rsync", "--times", "{source}", "{destination}"]'
        for word in ("{source}", "{destination}"):
            if self.command and not any(word in part for part in self.command):
                yield f"command: has no {word}"
        for key in ("command", "before", "checksum"):
            for part in getattr(self, key):
                yield from (f"{key}: {why}" for why in wrong(part, FIELDS | {"source", "destination", "folder"}))
        for key in ("source", "destination", "readable"):
            yield from (f"{key}: {why}" for why in wrong(getattr(self, key), FIELDS))
        if self.destination and "{lfn}" not in self.destination and "{guid}" not in self.destination:
            yield "destination: has neither {lfn} nor {guid}: all outputs would have one name"
        if self.readable and not Path(self.readable).is_absolute():
            yield f"readable: must be an absolute path, not {self.readable!r}"
        for key in ("parallel", "files", "active", "tries"):
            if getattr(self, key) < 1:
                yield f"{key}: must be 1 at least"
        if self.timeout_s <= 0 or self.wait_s < 0:
            yield "timeoutS, waitS: must not be less than nothing"


def wrong(template: str, fields: frozenset[str]) -> Iterator[str]:
    """Give what is wrong with a template."""
    try:
        names = [name for _, name, _, _ in string.Formatter().parse(template) if name is not None]
    except ValueError as error:
        yield f"{template!r}: {error}; write a brace twice to mean it"
        return
    for name in names:
        if name not in fields:
            yield f"{template!r} has {{{name}}}; there is: {', '.join(sorted(fields))}"
