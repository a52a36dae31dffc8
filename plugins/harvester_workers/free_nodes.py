"""What is free now: asked by a command of the site, as backfill slots."""
from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass

from harvester_hpc.errors import Unavailable

#: Lines of an answer, at most.
LINES = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """Nodes that are free for so many seconds; None: nobody says how long."""

    nodes: int
    seconds: int | None = None


def free_slots(command: Sequence[str], timeout_s: float) -> tuple[Slot, ...]:
    """Return what a command says is free, the most nodes first.

    Args:
        command: argv; it prints lines of nodes, or of nodes and seconds.
        timeout_s: seconds; the command is killed after that.

    Raises:
        Unavailable: it failed, did not end in time, cannot be run, or says something else.
    """
    what = f"{command[0]!r} does not say what is free"
    try:
        ended = subprocess.run(
            list(command), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False, errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(what, why=f"no end after {timeout_s:g} s") from error
    except OSError as error:
        raise Unavailable(what, why=str(error), remedy="check resourceCommand of the worker maker") from error
    if ended.returncode != 0:
        raise Unavailable(what, why=" ".join(ended.stderr.split())[:500] or f"exit code {ended.returncode}")
    return slots_in(ended.stdout, what)


def slots_in(text: str, what: str = "what is free cannot be read") -> tuple[Slot, ...]:
    """Return the slots in an answer, the most nodes first; slots without nodes or time are none.

    Raises:
        Unavailable: a line is something else than one or two whole numbers.
    """
    slots = []
    for line in text.splitlines()[:LINES]:
        words = line.split()
        if not words:
            continue
        if len(words) > 2 or not all(word.isascii() and word.isdecimal() and len(word) < 10 for word in words):
            raise Unavailable(what, why=f"a line is {line[:80]!r}, not nodes, or nodes and seconds")
        slots.append(Slot(nodes=int(words[0]), seconds=int(words[1]) if len(words) == 2 else None))
    usable = [slot for slot in slots if slot.nodes and slot.seconds != 0]
    return tuple(sorted(usable, key=lambda slot: (-slot.nodes, -(slot.seconds or 10**9))))
