"""PBS Professional and OpenPBS: qstat's JSON for the queue, its history (-x) for what has left it."""
from __future__ import annotations

from collections.abc import Sequence

from harvester_hpc.errors import Unavailable
from harvester_psij.pbs_family import NO_HISTORY, PbsFamily
from harvester_psij.pbs_options import pbs_directives
from harvester_psij.pbs_rows import pbs_rows
from harvester_psij.rows import NOTHING_TOLD, Listing
from harvester_psij.wanted import Wanted

QUEUE = ("qstat", "-f", "-F", "json")
HISTORY = ("qstat", "-x", "-f", "-F", "json")


class Pbs(PbsFamily):
    """PBS Professional as its commands tell it."""

    name = "pbs"
    executor = ("psij.executors.batch.pbs", "PBSJobExecutor")

    def __init__(self, timeout_s: float) -> None:
        super().__init__(timeout_s)
        self._has_history = True

    def directives(self, wanted: Wanted) -> list[str]:
        """Return the ``#PBS`` lines."""
        return pbs_directives(wanted)

    def queue(self, ids: Sequence[str]) -> Listing:
        """Return what the queue knows of these batch jobs.

        Raises:
            Unavailable: PBS does not answer.
        """
        return self._told(QUEUE, ids, pbs_rows)

    def accounting(self, ids: Sequence[str]) -> Listing:
        """Return what the history knows of batch jobs; nothing if this site keeps none.

        Raises:
            Unavailable: PBS does not answer.
        """
        if not self._has_history or not ids:
            return NOTHING_TOLD
        try:
            return self._told(HISTORY, ids, lambda output: pbs_rows(output, accounted=True))
        except Unavailable as error:
            self._forget_history(error)
            return NOTHING_TOLD

    def named(self, keys: Sequence[str]) -> Listing:
        """Return the batch jobs of these names, ended ones where there is a history.

        Raises:
            Unavailable: PBS does not answer.
        """
        if self._has_history:
            try:
                return self._told(HISTORY, self._ids_named(keys, ["qselect", "-x"]), pbs_rows)
            except Unavailable as error:
                self._forget_history(error)
        return self._told(QUEUE, self._ids_named(keys, ["qselect"]), pbs_rows)

    def _forget_history(self, error: Unavailable) -> None:
        """Ask no more for a history that is not kept.

        Raises:
            Unavailable: the error was another one.
        """
        if not NO_HISTORY.search(error.why):
            raise error
        self._has_history = False
