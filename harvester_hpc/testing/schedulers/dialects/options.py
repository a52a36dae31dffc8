"""Options of a submit command: of its command line, and of the directives in the script."""
from __future__ import annotations

import getopt
import shlex
from collections.abc import Sequence
from pathlib import Path

from harvester_hpc.testing.schedulers.values import Call, Problem, Refused

Options = list[tuple[str, str]]


def directives(script: str, mark: str) -> list[str]:
    """Return the words of all lines that begin with ``mark``, up to the first command of the script."""
    words: list[str] = []
    for line in script.splitlines():
        if line.startswith(mark) and line[len(mark):len(mark) + 1] in (" ", "\t", ""):
            words += split(line[len(mark):])
        elif line.strip() and not line.startswith("#"):
            break
    return words


def split(line: str) -> list[str]:
    """Return the words of a directive; what follows a # is a comment."""
    try:
        return shlex.split(line, comments=True)
    except ValueError as error:
        raise Refused(Problem.BAD_REQUEST, f"{line.strip()}: {error}") from error


def parsed(words: Sequence[str], short: str, long: Sequence[str] = ()) -> tuple[Options, list[str]]:
    """Return (options, the rest), as getopt(3) reads them.

    Raises:
        Refused: an option that this dialect does not have.
    """
    try:
        return getopt.gnu_getopt(list(words), f"+{short}", list(long))
    except getopt.GetoptError as error:
        raise Refused(Problem.BAD_OPTION, f"--{error.opt}" if len(error.opt) > 1 else error.opt) from error


def seconds(text: str) -> int:
    """Return the seconds of ``[[hours:]minutes:]seconds``."""
    total = 0
    try:
        for part in text.split(":"):
            total = total * 60 + int(part or 0)
    except ValueError as error:
        raise Refused(Problem.BAD_REQUEST, text) from error
    return total


def clock(total: float) -> str:
    """Return ``hours:minutes:seconds``."""
    whole = max(0, int(total))
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


def megabytes(text: str) -> int:
    """Return the megabytes of a size such as 4gb, 500mb, 1024kb or (bytes) 1048576."""
    number = text.lower().rstrip("bw")
    factors = {"k": 1 / 1024, "m": 1, "g": 1024, "t": 1024 * 1024}
    try:
        if number and number[-1] in factors:
            return max(1, int(float(number[:-1]) * factors[number[-1]]))
        return max(1, int(number) // (1024 * 1024))
    except ValueError as error:
        raise Refused(Problem.BAD_REQUEST, text) from error


def script_of(arguments: Sequence[str], call: Call) -> tuple[str, str]:
    """Return (script, file name): of the first argument, else of standard input.

    Raises:
        Refused: it cannot be read.
    """
    if not arguments or arguments[0] == "-":
        return call.script, "STDIN"
    path = Path(call.cwd, arguments[0])
    try:
        return path.read_text(encoding="utf-8", errors="surrogateescape"), path.name
    except OSError as error:
        raise Refused(Problem.BAD_REQUEST, f"script file:: {error.strerror}") from error
