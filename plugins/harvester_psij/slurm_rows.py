"""The parsers of Slurm's two lists, and of what sbatch prints."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from harvester_psij.rows import Listing, Row
from harvester_psij.slurm_states import meaning_of

SEPARATOR = "|"

#: Without widths, unlike ``-O``: nothing is padded or cut. The reason stands last: it holds blanks, commas, anything.
SQUEUE_FIELDS = ("%i", "%t", "%j", "%V", "%S", "%e", "%B", "%r")
SACCT_FIELDS = ("JobID", "State", "JobName", "Submit", "Start", "End", "NodeList", "ExitCode", "Reason")

NOTHING = frozenset({"", "n/a", "none", "(null)", "unknown", "none assigned"})


def squeue_command(keys: Sequence[str] = ()) -> list[str]:
    """Return the command that lists all our batch jobs, or those of these names."""
    names = [f"--name={','.join(keys)}"] if keys else []
    return ["squeue", "--me", "--noheader", "--states=all", *names, f"--format={SEPARATOR.join(SQUEUE_FIELDS)}"]


def sacct_command(*, ids: Sequence[str] = (), keys: Sequence[str] = ()) -> list[str]:
    """Return the command that asks the accounting for batch jobs by number or by name (of the last seven days)."""
    which = [f"--jobs={','.join(ids)}"] if ids else [f"--name={','.join(keys)}", "--starttime=now-7days"]
    return ["sacct", "--allocations", "--noheader", "--parsable2", *which, f"--format={','.join(SACCT_FIELDS)}"]


def squeue_rows(output: str) -> Listing:
    """Return the batch jobs of a squeue listing; a line that is none of ours is passed over, never an error."""
    return _listing(output, _squeue_row)


def sacct_rows(output: str) -> Listing:
    """Return the batch jobs of a sacct listing; a line that is none of ours is passed over, never an error."""
    return _listing(output, _sacct_row)


def _listing(output: str, read: Callable[[str], Row | None]) -> Listing:
    pairs = [(line, read(line)) for line in output.splitlines()]
    return Listing(
        rows=tuple(row for _, row in pairs if row is not None),
        unread="\n".join(line for line, row in pairs if row is None and line.strip()),
        cut=bool(output) and not output.endswith("\n"),
    )


def slurm_id(output: str) -> str:
    """Return the batch job's number from sbatch's output; "" if there is none.

    Sites put their own words around it; ``--parsable`` prints ``number`` or ``number;cluster`` on a line of its own.
    """
    for line in reversed(output.splitlines()):
        number = line.strip().partition(";")[0]
        if number.isascii() and number.isdigit():
            return number
        words = line.split()
        if words[:3] == ["Submitted", "batch", "job"] and len(words) > 3 and words[3].isdigit():
            return words[3]
    return ""


def _squeue_row(line: str) -> Row | None:
    fields = line.split(SEPARATOR, len(SQUEUE_FIELDS) - 1)
    if len(fields) != len(SQUEUE_FIELDS) or not fields[0].strip()[:1].isdigit():
        return None
    batch_id, code, name, submitted, started, ended, node, reason = (field.strip() for field in fields)
    return Row(
        batch_id=batch_id,
        code=code,
        meaning=meaning_of(code),
        name=name,
        submitted=_seconds(submitted),
        started=_seconds(started),
        ended=_seconds(ended),
        node=_word(node),
        reason=_word(reason),
    )


def _sacct_row(line: str) -> Row | None:
    fields = line.split(SEPARATOR, len(SACCT_FIELDS) - 1)
    if len(fields) != len(SACCT_FIELDS) or not fields[0].strip()[:1].isdigit():
        return None
    batch_id, state, name, submitted, started, ended, node, exit_code, reason = (field.strip() for field in fields)
    code, _, rest = state.partition(" ")  # "CANCELLED by 1000"
    return Row(
        batch_id=batch_id,
        code=code.rstrip("+"),
        meaning=meaning_of(code.rstrip("+")),
        name=name,
        submitted=_seconds(submitted),
        started=_seconds(started),
        ended=_seconds(ended),
        node=_word(node),
        reason=_word(reason),
        by=f"uid {rest.removeprefix('by ').strip()}" if rest.startswith("by ") else "",
        exit_code=_exit_code(exit_code),
        accounted=True,
    )


def _word(text: str) -> str:
    return "" if text.lower() in NOTHING else text


def _seconds(text: str) -> float | None:
    try:
        seconds = float(text)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds > 0 else None


def _exit_code(text: str) -> int | None:
    """``code:signal`` as a shell would tell it; None if it is neither."""
    code, _, signal = text.partition(":")
    if not code.isdigit():
        return None
    return 128 + int(signal) if signal.isdigit() and int(signal) else int(code)
