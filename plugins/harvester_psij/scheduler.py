"""A batch system as its commands tell it: the one shape that all dialects have."""
from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from harvester_psij.refusal import Table
from harvester_psij.rows import Listing
from harvester_psij.wanted import Wanted

#: {scheduler of the facility: module and class of its dialect}.
DIALECTS = {
    "slurm": ("harvester_psij.slurm", "Slurm"),
    "pbs": ("harvester_psij.pbs", "Pbs"),
    "pbs_classic": ("harvester_psij.torque", "Torque"),
    "lsf": ("harvester_psij.lsf", "Lsf"),
}
LOCAL = "local"
SCHEDULERS = (LOCAL, *DIALECTS)

#: Names or numbers in one command; a command line has its limit.
AT_ONCE = 500


class Scheduler(Protocol):
    """A dialect. An instance remembers only what the site has not (an accounting, a history)."""

    @property
    def name(self) -> str:
        """As the facility has it."""
        ...

    @property
    def executor(self) -> tuple[str, str]:
        """Module and class of PSI/J's executor for it."""
        ...

    @property
    def submit_program(self) -> str:
        """What must be on PATH."""
        ...

    @property
    def refusals(self) -> Table:
        """What the submit command's words mean when it fails."""
        ...

    @property
    def identity(self) -> tuple[str, ...]:
        """Lines of the script that set ``batch_id`` and ``restart``, which grows with each run of the same batch job."""
        ...

    @property
    def log_redirection(self) -> bool:
        """The script itself must write its log: the batch system would bring it at the end only."""
        ...

    def directives(self, wanted: Wanted) -> list[str]:
        """Return the lines of the script that ask for the resources."""
        ...

    def setup(self, launcher: str) -> list[str]:
        """Return lines of the script that the launcher needs before the site's prologue."""
        ...

    def submit_command(self, script: Path) -> list[str]:
        """Return the argv that submits a script."""
        ...

    @property
    def reads_script(self) -> bool:
        """The submit command takes the script from its standard input."""
        ...

    def batch_id(self, output: str) -> str:
        """Return the number that the submit command printed; "" if it printed none that we can read."""
        ...

    @property
    def lists_all(self) -> bool:
        """``queue`` tells of all our batch jobs, whichever it was asked about."""
        ...

    def queue(self, ids: Sequence[str]) -> Listing:
        """Return what the queue knows of these batch jobs; it may tell of others too.

        Raises:
            Unavailable: it does not answer.
        """
        ...

    def accounting(self, ids: Sequence[str]) -> Listing:
        """Return what is known of batch jobs that have left the queue; nothing if this site keeps nothing.

        Raises:
            Unavailable: it keeps something, and does not answer.
        """
        ...

    def named(self, keys: Sequence[str]) -> Listing:
        """Return the batch jobs of these names, ended ones as far as they are remembered.

        Raises:
            Unavailable: it does not answer.
        """
        ...

    def cancel(self, *, ids: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        """Cancel batch jobs by number and by name; content if there are none.

        Raises:
            Unavailable: it does not answer, or will not.
        """
        ...


def at_scheduler(name: str, timeout_s: float = 30.0) -> Scheduler | None:
    """Return the dialect of a batch system; None for this machine.

    Args:
        name: of SCHEDULERS.
        timeout_s: seconds for one command.

    Raises:
        KeyError: there is none of that name.
    """
    if name == LOCAL:
        return None
    module, word = DIALECTS[name]
    made: Any = getattr(import_module(module), word)(timeout_s)
    return cast(Scheduler, made)


def parts(names: Sequence[str], at_once: int = AT_ONCE) -> list[Sequence[str]]:
    """Return the names in groups that fit into one command."""
    return [names[start:start + at_once] for start in range(0, len(names), at_once)]
