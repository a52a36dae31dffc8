"""``tied PROGRAM [ARGUMENT ...]``: become a program that is told to end when its parent dies.

A batch system ends all that a batch script has started. On a machine without one, an mpiexec whose script was killed would go on, and
with it ranks of a worker that nobody knows any more.
"""
from __future__ import annotations

import os
import signal
from collections.abc import Sequence

from harvester_launch.parent import tie_to_parent
from harvester_launch.telling import say

NOT_FOUND = 127


def become(argv: Sequence[str]) -> int:
    """Become the program; return an exit code only if it cannot be run."""
    tie_to_parent(signal.SIGTERM)
    try:
        os.execvp(argv[0], list(argv))
    except (OSError, IndexError, ValueError) as error:
        say(f"cannot run {' '.join(argv[:1]) or 'nothing'}: {error}")
        return NOT_FOUND
