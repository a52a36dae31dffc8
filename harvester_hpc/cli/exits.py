"""Exit codes: what a script may rely on."""
from __future__ import annotations

from enum import IntEnum

from harvester_hpc.errors import HarvesterError, LeaseHeld, StoreUnusable, Unavailable


class Exit(IntEnum):
    """What the number says. ``status`` uses 0, 4 and 5; the others may come from every command."""

    DONE = 0
    ERROR = 1
    USAGE = 2
    NOTHING = 3
    NOT_RUNNING = 4
    DEGRADED = 5
    BUSY = 75
    INTERRUPTED = 130


#: One line each, for the documents.
MEANING = {
    Exit.DONE: "done; `status`: an instance runs and nothing is wrong",
    Exit.ERROR: "it did not work; standard error says what, why and what to do",
    Exit.USAGE: "the command line cannot be understood",
    Exit.NOTHING: "nothing matched: no such job or worker, an empty list, nothing that could be killed or retried",
    Exit.NOT_RUNNING: "no instance runs here",
    Exit.DEGRADED: "`status`: an instance runs, and something does not work",
    Exit.BUSY: "try again later: the store is busy or out of reach, another process owns it, or the outside does not answer",
    Exit.INTERRUPTED: "interrupted (Ctrl-C, or a second signal)",
}


def exit_code_of(error: HarvesterError) -> Exit:
    """Return the exit code of a command that ends with ``error``."""
    return Exit.BUSY if isinstance(error, Unavailable | StoreUnusable | LeaseHeld) else Exit.ERROR
