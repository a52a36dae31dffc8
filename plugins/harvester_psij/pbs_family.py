"""What PBS Professional, OpenPBS and Torque have in common: qsub, qstat by number, qselect by name, qdel."""
from __future__ import annotations

import getpass
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path

from harvester_hpc.errors import Unavailable
from harvester_psij.command import Answer, ask
from harvester_psij.pbs_refusals import PBS_VERDICTS
from harvester_psij.refusal import Table
from harvester_psij.rows import NOTHING_TOLD, Listing, together
from harvester_psij.scheduler import parts

#: Complaints about one batch job. qstat and qdel exit with 153 (15001 % 256) or 35 when ONE of many is unknown or over.
ABOUT_ONE = re.compile(
    r"unknown job ?id|job has finished|illegally formed job identifier|invalid for state of job|already (exiting|completed|terminating)",
    re.IGNORECASE,
)
#: A server that keeps no ended batch jobs.
NO_HISTORY = re.compile(r"job_?history|history", re.IGNORECASE)
#: The environment of each batch job is part of the answer; 200 of them are some hundred kB.
AT_ONCE = 200
#: So many names are asked for one by one.
FEW = 8
BATCH_ID = re.compile(r"^\s*(\d+(?:\[\d*\])?(?:\.[\w.-]+)?)\s*$", re.ASCII)


class PbsFamily(ABC):
    """PBS as its commands tell it.

    Args:
        timeout_s: seconds for one command.
    """

    submit_program = "qsub"
    refusals: Table = PBS_VERDICTS
    # A run is not numbered; what begins later is the later one. Copies of a worker have other numbers.
    identity = ('batch_id="$PBS_JOBID"', 'restart="$(date +%s)"')
    log_redirection = True
    reads_script = False
    lists_all = False

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s

    def setup(self, launcher: str) -> list[str]:
        """Return the file of nodes for launchers that are not told by PBS itself."""
        return node_file("$PBS_NODEFILE", launcher)

    def submit_command(self, script: Path) -> list[str]:
        """Return qsub for a script."""
        return ["qsub", str(script)]

    def batch_id(self, output: str) -> str:
        """Return the number that qsub printed, with its server; "" if it printed none that we can read."""
        found = [match[1] for line in output.splitlines() if (match := BATCH_ID.match(line)) is not None]
        return found[-1] if found else ""

    def cancel(self, *, ids: Sequence[str] = (), keys: Sequence[str] = ()) -> None:
        """Cancel batch jobs by number and by name; content if there are none.

        Raises:
            Unavailable: PBS does not answer, or will not.
        """
        found = dict.fromkeys([*ids, *self._ids_of(keys)])
        for part in parts(list(found), AT_ONCE):
            self._clearly(["qdel", *part])

    @abstractmethod
    def named(self, keys: Sequence[str]) -> Listing:
        """Return the batch jobs of these names."""

    def _ids_of(self, keys: Sequence[str]) -> list[str]:
        if len(keys) <= FEW:
            return self._ids_named(keys, ["qselect"])
        wanted = frozenset(keys)
        return [row.batch_id for row in self.named(keys).rows if row.name in wanted and not row.has_ended]

    def _ids_named(self, keys: Sequence[str], command: Sequence[str]) -> list[str]:
        """Return the numbers of batch jobs of these names; qselect takes one name, so of many names all of ours are told."""
        which = [["-N", key] for key in keys] if len(keys) <= FEW else [["-u", getpass.getuser()]]
        outputs = [self._clearly([*command, *one]).out for one in which]
        return [match[1] for output in outputs for line in output.splitlines() if (match := BATCH_ID.match(line)) is not None]

    def _told(self, command: Sequence[str], ids: Sequence[str], read: Callable[[str], Listing]) -> Listing:
        """Return what qstat says about these, in as many commands as their number takes."""
        return together(_listed(self._clearly([*command, *part]), read) for part in parts(ids, AT_ONCE))

    def _clearly(self, argv: Sequence[str]) -> Answer:
        """Return the answer of a command that has answered, be it that one batch job is not there.

        Raises:
            Unavailable: it failed for another reason.
        """
        answer = ask(argv, self._timeout_s)
        complaints = [line for line in answer.err.splitlines() if line.strip()]
        if answer.exit_code == 0 or (complaints and any(map(ABOUT_ONE.search, complaints)) and not any(map(_is_outage, complaints))):
            return answer
        raise Unavailable(f"'{argv[0]}' does not answer", why=answer.words)


def _is_outage(line: str) -> bool:
    return re.search(r"connect|timed out|communication|protocol|pbs_iff|munge", line, re.IGNORECASE) is not None


def _listed(answer: Answer, read: Callable[[str], Listing]) -> Listing:
    if answer.exit_code != 0 and not any(mark in answer.out for mark in ("{", "<Job>")):
        return NOTHING_TOLD  # all of them are unknown
    return read(answer.out)


def node_file(variable: str, launcher: str) -> list[str]:
    """Return lines that tell MPI launchers in which file the nodes are, if they are not built for this batch system."""
    if launcher == "mpiexec":
        return [f'export HYDRA_HOST_FILE="{variable}"']
    if launcher == "openmpi":
        return [
            f'export PRTE_MCA_prte_default_hostfile="{variable}"',   # Open MPI 5
            f'export OMPI_MCA_orte_default_hostfile="{variable}"',   # Open MPI 4
        ]
    return []
