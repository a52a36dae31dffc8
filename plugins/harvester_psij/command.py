"""One command of the batch system: by argv, with a time limit, in a clean environment."""
from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harvester_hpc.errors import Unavailable

# What the user's shell, or an allocation that we run in, says to the batch system's commands is not meant for our workers.
SCHEDULER_PREFIXES = (
    "SBATCH_", "SLURM_", "SQUEUE_", "SACCT_", "SCANCEL_", "SRUN_", "PBS_O_", "PBS_JOB", "PBS_NODE", "LSB_DEFAULT", "LSB_SUB", "LSB_JOB",
    "BSUB_", "LSB_BJOBS_",
)
# Commands of LSF try for ever, unless told otherwise.
OURS = {"LC_ALL": "C", "LSB_NTRIES": "2"}
KEPT = frozenset({"SLURM_CONF", "SLURM_CONF_SERVER", "SLURM_JWT"})


# Not for sbatch: what is called SLURM_* goes into the batch job whatever --export says.
TIMES_IN_SECONDS = {"SLURM_TIME_FORMAT": "%s"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command said: exit code, standard output, standard error."""

    exit_code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """The command's own words on one line, for the operator."""
        return " ".join((self.err.strip() or self.out.strip() or f"exit code {self.exit_code}").split())[:500]


def environment(outer: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment for the batch system's commands: in English, without inherited options."""
    kept = {
        name: value
        for name, value in (os.environ if outer is None else outer).items()
        if name in KEPT or not name.startswith(SCHEDULER_PREFIXES)
    }
    return kept | OURS


def need(program: str, of: str = "") -> None:
    """Raise Unavailable if ``program``, of the batch system ``of``, is not on PATH."""
    if shutil.which(program) is None:
        raise Unavailable(f"there is no command '{program}' on this machine", remedy="check PATH, or the facility's scheduler", of=of)


def ask(argv: Sequence[str], timeout_s: float) -> Answer:
    """Run a short command of the batch system to its end.

    Args:
        argv: the command and its arguments.
        timeout_s: seconds; the command is killed after that.

    Raises:
        Unavailable: it did not end in time, or cannot be run.
    """
    what = f"'{argv[0]}' does not answer"
    try:
        ended = subprocess.run(
            list(argv), stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False,
            env=environment() | TIMES_IN_SECONDS, errors="replace",
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable(what, why=f"no end after {timeout_s:g} s") from error
    except OSError as error:
        raise Unavailable(what, why=str(error), remedy="check PATH, or the facility's scheduler") from error
    return Answer(exit_code=ended.returncode, out=ended.stdout, err=ended.stderr)


def ask_clearly(argv: Sequence[str], timeout_s: float) -> str:
    """Return the output of a command that must succeed.

    Raises:
        Unavailable: it failed, did not end in time, or cannot be run.
    """
    answer = ask(argv, timeout_s)
    if answer.exit_code != 0:
        raise Unavailable(f"'{argv[0]}' does not answer", why=answer.words)
    return answer.out
