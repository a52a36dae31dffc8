"""Slurm: squeue for the queue, sacct for what has left it, scancel; each with as few commands as it takes."""
from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from harvester_hpc.errors import Unavailable
from harvester_psij.command import ask, ask_clearly
from harvester_psij.refusal import Table
from harvester_psij.rows import NOTHING_TOLD, Listing, together
from harvester_psij.scheduler import parts
from harvester_psij.slurm_options import slurm_directives, slurm_options
from harvester_psij.slurm_refusals import SLURM_VERDICTS
from harvester_psij.slurm_rows import sacct_command, sacct_rows, slurm_id, squeue_command, squeue_rows
from harvester_psij.wanted import Wanted


class Slurm:
    """Slurm as its commands tell it.

    Args:
        timeout_s: seconds for one command.
    """

    name = "slurm"
    executor = ("psij.executors.batch.slurm", "SlurmJobExecutor")
    submit_program = "sbatch"
    refusals: Table = SLURM_VERDICTS
    identity = ('batch_id="$SLURM_JOB_ID"', 'restart="${SLURM_RESTART_COUNT:-0}"')
    log_redirection = False
    reads_script = False
    lists_all = True

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._has_accounting = True

    def directives(self, wanted: Wanted) -> list[str]:
        """Return one ``#SBATCH`` line an option."""
        return slurm_directives(slurm_options(wanted))

    def setup(self, launcher: str) -> list[str]:
        """Return what srun needs, whoever calls it."""
        return ["# With --export=NONE, srun would start its steps with an empty environment.", "export SLURM_EXPORT_ENV=ALL"]

    def submit_command(self, script: Path) -> list[str]:
        """Return sbatch for a script."""
        return ["sbatch", "--parsable", str(script)]

    def batch_id(self, output: str) -> str:
        """Return the number that sbatch printed; "" if it printed none that we can read."""
        return slurm_id(output)

    def queue(self, ids: Sequence[str]) -> Listing:
        """Return all our batch jobs in the queue, ended ones that it remembers included.

        Raises:
            Unavailable: Slurm does not answer.
        """
        return squeue_rows(ask_clearly(squeue_command(), self._timeout_s))

    def accounting(self, ids: Sequence[str]) -> Listing:
        """Return what the accounting knows of batch jobs; nothing if this site keeps none.

        Raises:
            Unavailable: there is an accounting, and it does not answer.
        """
        return together(self._accounted(sacct_command(ids=part)) for part in parts(ids))

    def named(self, keys: Sequence[str]) -> Listing:
        """Return the batch jobs of these names, from the queue, and for those it has not from the accounting.

        Raises:
            Unavailable: Slurm does not answer.
        """
        listed = together(squeue_rows(ask_clearly(squeue_command(part), self._timeout_s)) for part in parts(keys))
        known = {row.name for row in listed.rows}
        left = [key for key in keys if key not in known]
        return together([listed, *(self._accounted(sacct_command(keys=part)) for part in parts(left))])

    def cancel(self, *, ids: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        """Cancel batch jobs by number and by name; content if there are none.

        Raises:
            Unavailable: Slurm does not answer, or will not.
        """
        for part in parts(ids):
            self._cancel(part)
        for key in keys:  # scancel takes one name
            self._cancel(["--me", f"--name={key}"])

    def _cancel(self, which: Sequence[str]) -> None:
        answer = ask(["scancel", "--quiet", *which], self._timeout_s)
        if answer.exit_code != 0 and "invalid job id" not in answer.err.lower():
            raise Unavailable("'scancel' does not answer", why=answer.words)

    def _accounted(self, command: list[str]) -> Listing:
        if not self._has_accounting:
            return NOTHING_TOLD
        if shutil.which(command[0]) is None:
            self._has_accounting = False
            return NOTHING_TOLD
        answer = ask(command, self._timeout_s)
        if answer.exit_code == 0:
            return sacct_rows(answer.out)
        if "accounting storage is disabled" in answer.err.lower():
            self._has_accounting = False
            return NOTHING_TOLD
        raise Unavailable("'sacct' does not answer", why=answer.words)
