"""Directives of a user's template beside ours: which of them the batch system gets.

What the template says goes before what we would ask for, save what a worker is known by: its name, its folder, its logs, and whether it
may be run again. Sizes go together: a template that says something of nodes, tasks or cores says all of it, memory and GPUs too.

Source: sbatch(1) of Slurm 22.05; qsub(1B) of PBS Professional 2021.1 and of Torque 6.1; bsub of LSF 10.1.
"""
from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from harvester_psij.batch_template import BadTemplate
from harvester_psij.slurm_options import quoted, slurm_directives

#: (name, value); None for an option without one.
Option = tuple[str, str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How a batch system reads directives.

    Attributes:
        word: what they begin with.
        parse: the options of one directive.
        line: one option as a directive.
        ours: options that we alone say.
        refused: options that no worker may have, and why.
        together: (options, what of ours a template that says one of them takes the place of).
        anywhere: directives count in all the script.
    """

    word: str
    parse: Callable[[str], list[Option]]
    line: Callable[[str, str | None], str]
    ours: frozenset[str]
    refused: Mapping[str, str]
    together: tuple[tuple[frozenset[str], frozenset[str]], ...]
    anywhere: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """Attributes: lines: directives of the script. left_out: names of the template's options that count for nothing."""

    lines: tuple[str, ...]
    left_out: tuple[str, ...]


def merged(dialect: Dialect, ours: Iterable[str], theirs: Sequence[tuple[int, str]], path: str) -> Merged:
    """Return the directives of a script.

    Args:
        ours: whole lines.
        theirs: (number of the line, directive without its word), of the template at ``path``.

    Raises:
        BadTemplate: a directive cannot be read, or must not be.
    """
    said: list[Option] = []
    for number, directive in theirs:
        try:
            said += dialect.parse(directive)
        except ValueError as error:
            raise BadTemplate(f"{path}, line {number}: {dialect.word} {directive}: {error}") from error
    for name, _ in said:
        if name in dialect.refused:
            raise BadTemplate(f"{path}: {dialect.word} option {name!r} must not be there: {dialect.refused[name]}")
    kept = [option for option in said if option[0] not in dialect.ours]
    names = {name for name, _ in kept}
    covered = names.union(*(replaced for options, replaced in dialect.together if options & names))
    own = [option for line in ours for option in dialect.parse(line.removeprefix(dialect.word).strip()) if option[0] not in covered]
    left_out = dict.fromkeys(name for name, _ in said if name in dialect.ours)
    return Merged(lines=tuple(dialect.line(*option) for option in [*own, *kept]), left_out=tuple(left_out))


_SLURM_SHORT: Mapping[str, str] = {
    "A": "account", "a": "array", "b": "begin", "c": "cpus-per-task", "C": "constraint", "d": "dependency", "D": "chdir", "e": "error",
    "F": "nodefile", "G": "gpus", "H": "hold", "i": "input", "J": "job-name", "k": "no-kill", "L": "licenses", "m": "distribution",
    "M": "clusters", "N": "nodes", "n": "ntasks", "o": "output", "O": "overcommit", "p": "partition", "q": "qos", "S": "core-spec",
    "s": "oversubscribe", "t": "time", "w": "nodelist", "W": "wait", "x": "exclude",
}


def _slurm(directive: str) -> list[Option]:
    words = shlex.split(directive, comments=True)
    options: list[Option] = []
    while words:
        word = words.pop(0)
        if not re.match(r"--?[A-Za-z]", word):
            raise ValueError(f"{word!r} is no option")
        if word.startswith("--"):
            name, joint, value = word[2:].partition("=")
        else:
            name, joint, value = _SLURM_SHORT.get(word[1], word[1]), word[2:], word[2:].removeprefix("=")
        if not joint and words and not words[0].startswith("-"):
            joint, value = " ", words.pop(0)
        options.append((name, value if joint else None))
    return options


def _pbs(directive: str) -> list[Option]:
    options: list[Option] = []
    for name, value in _short(directive):
        if name == "l" and value:
            options += [(f"l.{part.partition('=')[0]}", part.partition("=")[2] or None) for part in value.split(",")]
        else:
            options.append((name, value))
    return options


def _short(directive: str) -> list[Option]:
    """Return options of one letter, with the value beside it or behind it."""
    words = shlex.split(directive, comments=True)
    options: list[Option] = []
    while words:
        word = words.pop(0)
        if not re.match(r"-[A-Za-z]", word):
            raise ValueError(f"{word!r} is no option")
        if len(word) > 2:
            options.append((word[1], word[2:]))
        else:
            options.append((word[1], words.pop(0) if words and not words[0].startswith("-") else None))
    return options


def _pbs_line(name: str, value: str | None) -> str:
    if name.startswith("l."):
        return f"#PBS -l {name[2:]}" if value is None else f"#PBS -l {name[2:]}={value}"
    return f"#PBS -{name}" if value is None else f"#PBS -{name} {quoted(value)}"


def _lsf(directive: str) -> list[Option]:
    words = shlex.split(directive, comments=True)
    options: list[Option] = []
    while words:
        word = words.pop(0)
        if not re.match(r"-[A-Za-z]", word):
            raise ValueError(f"{word!r} is no option")
        if beside := re.fullmatch(r"-([nWM])([0-9].*)", word):
            options.append((beside[1], beside[2]))
        else:
            options.append((word[1:], words.pop(0) if words and not words[0].startswith("-") else None))
    return options


def _lsf_line(name: str, value: str | None) -> str:
    return f"#BSUB -{name}" if value is None else f"#BSUB -{name} {quoted(value)}"


_ARRAY = "it would make many batch jobs of one worker"
_WAITS = "the submit command would not come back before the batch job has ended"
_INTERACTIVE = "a worker is no interactive job"

_SLURM_NODES = frozenset({
    "nodes", "ntasks", "ntasks-per-node", "ntasks-per-core", "ntasks-per-socket", "cpus-per-task", "cpus-per-gpu", "nodefile",
})
_SLURM_MEMORY = frozenset({"mem", "mem-per-cpu", "mem-per-gpu"})
_SLURM_GPUS = frozenset({"gpus", "gpus-per-node", "gpus-per-task", "gpus-per-socket", "gres", "tres-per-task"})
_PBS_SIZES = frozenset({"l.select", "l.place", "l.nodes", "l.ncpus", "l.mem", "l.procs", "l.ngpus", "l.gpus"})
_LSF_NODES = frozenset({"n", "nnodes", "R", "gpu"})

_SLURM = Dialect(
    word="#SBATCH",
    parse=_slurm,
    line=lambda name, value: slurm_directives({name: value})[0],
    ours=frozenset({
        "job-name", "output", "error", "open-mode", "chdir", "export", "export-file", "requeue", "no-requeue", "input",
    }),
    refused={
        "array": _ARRAY, "wait": _WAITS, "hold": "nobody would release it", "test-only": "nothing would be submitted",
        "clusters": "batch jobs of other clusters are not looked for", "wrap": "there is a script",
    },
    together=(
        (_SLURM_NODES, _SLURM_NODES | _SLURM_MEMORY | _SLURM_GPUS),
        (_SLURM_MEMORY, _SLURM_MEMORY),
        (_SLURM_GPUS, _SLURM_GPUS),
    ),
)
_PBS = Dialect(
    word="#PBS",
    parse=_pbs,
    line=_pbs_line,
    ours=frozenset({"N", "o", "e", "j", "k", "r", "S", "V", "v"}),
    refused={"J": _ARRAY, "t": _ARRAY, "I": _INTERACTIVE, "z": "its number would not be told", "h": "nobody would release it"},
    together=((_PBS_SIZES, _PBS_SIZES),),
)
_LSF = Dialect(
    word="#BSUB",
    parse=_lsf,
    line=_lsf_line,
    ours=frozenset({"J", "o", "oo", "e", "eo", "r", "rn", "env", "L", "cwd"}),
    refused={"K": _WAITS, "I": _INTERACTIVE, "Ip": _INTERACTIVE, "Is": _INTERACTIVE, "H": "nobody would release it"},
    together=((_LSF_NODES, _LSF_NODES | {"M"}),),
    anywhere=True,
)
#: {scheduler of the facility: its dialect}.
DIALECTS: Mapping[str, Dialect] = {"slurm": _SLURM, "pbs": _PBS, "pbs_classic": _PBS, "lsf": _LSF}
