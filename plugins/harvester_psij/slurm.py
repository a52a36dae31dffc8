"""What we ask of Slurm: the queue, the accounting, and to cancel; each with as few commands as it takes."""
from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence

from harvester_hpc.errors import Unavailable
from harvester_psij.command import ask, ask_clearly
from harvester_psij.rows import Row, sacct_command, sacct_rows, squeue_command, squeue_rows

#: Names or numbers in one command; a command line has its limit.
AT_ONCE = 500


class Slurm:
    """Slurm as its commands tell it.

    Args:
        timeout_s: seconds for one command.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._has_accounting = True

    def queue(self, keys: Sequence[str] | None = None) -> list[Row]:
        """Return all our batch jobs in the queue, ended ones that it remembers included; or those of these names.

        Raises:
            Unavailable: Slurm does not answer.
        """
        if keys is None:
            return squeue_rows(ask_clearly(squeue_command(), self._timeout_s))
        return [row for part in _parts(keys) for row in squeue_rows(ask_clearly(squeue_command(part), self._timeout_s))]

    def accounting(self, *, ids: Sequence[str] = (), keys: Sequence[str] = ()) -> list[Row]:
        """Return what the accounting knows of batch jobs by number or by name; nothing if this site keeps none.

        Raises:
            Unavailable: there is an accounting, and it does not answer.
        """
        rows: list[Row] = []
        for part in _parts(ids):
            rows += self._accounted(sacct_command(ids=part))
        for part in _parts(keys):
            rows += self._accounted(sacct_command(keys=part))
        return rows

    def cancel(self, *, key: str = "", batch_id: str = "") -> None:
        """Cancel the batch jobs of this name, or this number; content if there is none.

        Raises:
            Unavailable: Slurm does not answer, or will not.
        """
        which = ["--me", f"--name={key}"] if key else [batch_id]
        answer = ask(["scancel", "--quiet", *which], self._timeout_s)
        if answer.exit_code != 0 and "invalid job id" not in answer.err.lower():
            raise Unavailable("'scancel' does not answer", why=answer.words)

    def _accounted(self, command: list[str]) -> list[Row]:
        if not self._has_accounting:
            return []
        if shutil.which(command[0]) is None:
            self._has_accounting = False
            return []
        answer = ask(command, self._timeout_s)
        if answer.exit_code == 0:
            return sacct_rows(answer.out)
        if "accounting storage is disabled" in answer.err.lower():
            self._has_accounting = False
            return []
        raise Unavailable("'sacct' does not answer", why=answer.words)


def _parts(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), AT_ONCE):
        yield names[start:start + AT_ONCE]
