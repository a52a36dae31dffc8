"""What a batch system calls things and prints: everything in which one differs from another."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from harvester_hpc.testing.schedulers.behaviour import Behaviour
from harvester_hpc.testing.schedulers.engine import Engine, Furnish, Named
from harvester_hpc.testing.schedulers.values import Answer, Call, Job, Problem

Program = Callable[[Call, Engine], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What a command says when nobody serves (refused), and when nobody answers in time; ``{program}`` and ``{server}`` are filled in."""

    refused: str
    refused_code: int
    timeout: str
    timeout_code: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """One batch system.

    Attributes:
        programs: {name: what it does}.
        furnish: variables that a job finds.
        named: the path of a job's output.
        words: {program, or "": what it says in silence}.
        refusals: {problem: (exit code, words)}; ``{detail}`` and others are filled in.
        batch_id: the id by which a user knows a job.
    """

    programs: Mapping[str, Program]
    furnish: Furnish
    named: Named
    words: Mapping[str, Words]
    refusals: Mapping[Problem, tuple[int, str]]
    batch_id: Callable[[Job, Behaviour], str]
    fixed: Mapping[str, object] = field(default_factory=dict)

    def silence(self, program: str) -> Words:
        """Return what a program says when it gets no answer."""
        return self.words.get(program) or self.words[""]


DIALECTS = {
    "slurm": "harvester_hpc.testing.schedulers.dialects.slurm",
    "pbs": "harvester_hpc.testing.schedulers.dialects.pbs",
    "pbs_classic": "harvester_hpc.testing.schedulers.dialects.torque",
    "lsf": "harvester_hpc.testing.schedulers.dialects.lsf",
}


def dialect_of(name: str) -> Dialect:
    """Return a dialect by name.

    Raises:
        KeyError: there is none of that name.
    """
    found: Dialect = import_module(DIALECTS[name]).DIALECT
    return found


def write_silence(folder: Path, dialect: Dialect, behaviour: Behaviour) -> None:
    """Leave for the commands what they say when they get no answer."""
    (folder / "silence").mkdir(exist_ok=True)
    for program in dialect.programs:
        words = dialect.silence(program)
        for how, code, text in (("refused", words.refused_code, words.refused), ("timeout", words.timeout_code, words.timeout)):
            filled = text.format(program=program, server=behaviour.server)
            (folder / "silence" / f"{program}.{how}").write_text(f"{code}\n{filled}\n")
