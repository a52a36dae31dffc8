"""LSF: bjobs for all our batch jobs and those that ended lately, bhist for what it has forgotten, bkill."""
from __future__ import annotations

import re
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from harvester_hpc.errors import Unavailable
from harvester_psij.command import ask
from harvester_psij.lsf_options import lsf_directives
from harvester_psij.lsf_refusals import LSF_VERDICTS
from harvester_psij.lsf_rows import FIELDS, bhist_rows, bjobs_rows, lsf_id
from harvester_psij.pbs_family import node_file
from harvester_psij.refusal import Table
from harvester_psij.rows import NOTHING_TOLD, Listing, together
from harvester_psij.scheduler import parts
from harvester_psij.wanted import Wanted

BJOBS = ("bjobs", "-a", "-json", "-o", " ".join(FIELDS))
#: Nothing of ours is there: that is an answer, though bjobs exits with 255.
NONE_THERE = re.compile(r"no (unfinished |matching )?job|is not found|no matching", re.IGNORECASE)
#: bkill, of one that is over or unknown.
OVER = re.compile(r"no matching job|already finished|is not found|job has already|is being terminated|no such job", re.IGNORECASE)
#: Files of events that bhist looks through, the newest first.
EVENT_FILES = "2"


class Lsf:
    """LSF as its commands tell it.

    Args:
        timeout_s: seconds for one command.
    """

    name = "lsf"
    executor = ("psij.executors.batch.lsf", "LsfJobExecutor")
    submit_program = "bsub"
    refusals: Table = LSF_VERDICTS
    # A run is not numbered; what begins later is the later one. Copies of a worker have other numbers.
    identity = ('batch_id="$LSB_JOBID"', 'restart="$(date +%s)"')
    log_redirection = True
    reads_script = True
    lists_all = True

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def directives(self, wanted: Wanted) -> list[str]:
        """Return the ``#BSUB`` lines."""
        return lsf_directives(wanted)

    def setup(self, launcher: str) -> list[str]:
        """Return the file of nodes for launchers that are not told by LSF itself."""
        return node_file("$LSB_DJOB_HOSTFILE", launcher)

    def submit_command(self, script: Path) -> list[str]:
        """Return bsub; it reads the lines of options of what comes on its standard input only."""
        return ["bsub"]

    def batch_id(self, output: str) -> str:
        """Return the number that bsub printed; "" if it printed none that we can read."""
        return lsf_id(output)

    def queue(self, ids: Sequence[str]) -> Listing:
        """Return all our batch jobs, with those that ended within the site's CLEAN_PERIOD.

        Raises:
            Unavailable: LSF does not answer.
        """
        answer = ask(BJOBS, self._timeout_s)
        if "{" in answer.out:
            return bjobs_rows(answer.out, time.time())
        if NONE_THERE.search(answer.err) or (answer.exit_code == 0 and NONE_THERE.search(answer.out)):
            return NOTHING_TOLD
        raise Unavailable("'bjobs' does not answer", why=answer.words)

    def accounting(self, ids: Sequence[str]) -> Listing:
        """Return what the newest files of events tell of batch jobs that bjobs has forgotten; nothing where they cannot be read.

        Raises:
            Unavailable: LSF does not answer.
        """
        if not ids or shutil.which("bhist") is None:
            return NOTHING_TOLD
        return together(self._history(part) for part in parts(ids))

    def named(self, keys: Sequence[str]) -> Listing:
        """Return the batch jobs of these names that bjobs knows; it takes one name, so all of ours are asked for.

        Raises:
            Unavailable: LSF does not answer.
        """
        listed = self.queue(())
        wanted = frozenset(keys)
        return Listing(rows=tuple(row for row in listed.rows if row.name in wanted), unread=listed.unread, cut=listed.cut)

    def cancel(self, *, ids: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        """Cancel batch jobs by number and by name; content if there are none.

        Raises:
            Unavailable: LSF does not answer, or will not.
        """
        found = [*ids, *(row.batch_id for row in (self.named(keys).rows if keys else ()) if not row.has_ended)]
        for part in parts(list(dict.fromkeys(found))):
            answer = ask(["bkill", *part], self._timeout_s)
            words = [line for line in f"{answer.out}\n{answer.err}".splitlines() if line.strip() and "is being terminated" not in line]
            if answer.exit_code != 0 and not all(OVER.search(line) for line in words):
                raise Unavailable("'bkill' does not answer", why=answer.words)

    def _history(self, ids: Sequence[str]) -> Listing:
        answer = ask(["bhist", "-l", "-n", EVENT_FILES, *ids], self._timeout_s)
        if answer.exit_code == 0 or NONE_THERE.search(answer.words) or "Job <" in answer.out:
            return bhist_rows(answer.out, time.time())
        raise Unavailable("'bhist' does not answer", why=answer.words)
