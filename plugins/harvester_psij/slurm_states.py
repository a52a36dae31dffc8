"""What every Slurm state means for a worker, as one table (man squeue, JOB STATE CODES)."""
from __future__ import annotations

from collections.abc import Mapping

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import WorkerState
from harvester_psij.states import Meaning

_WAITS, _RUNS = WorkerState.SUBMITTED, WorkerState.RUNNING
_FINISHED, _FAILED, _CANCELLED = WorkerState.FINISHED, WorkerState.FAILED, WorkerState.CANCELLED

#: {compact code: meaning}. The base states and the flags that squeue shows in their stead.
SLURM_STATES: Mapping[str, Meaning] = {
    "PD": Meaning("PENDING", _WAITS),
    "CF": Meaning("CONFIGURING", _WAITS),      # nodes are being booted for it
    "RQ": Meaning("REQUEUED", _WAITS),
    "RF": Meaning("REQUEUE_FED", _WAITS),
    "RH": Meaning("REQUEUE_HOLD", _WAITS),
    "RD": Meaning("RESV_DEL_HOLD", _WAITS),    # held: its reservation was deleted
    "RV": Meaning("REVOKED", _WAITS),          # federation: a sibling started elsewhere; its claim tells the truth
    "SE": Meaning("SPECIAL_EXIT", _WAITS),     # requeued in a special state
    "R": Meaning("RUNNING", _RUNS),
    "CG": Meaning("COMPLETING", _RUNS),
    "S": Meaning("SUSPENDED", _RUNS),
    "ST": Meaning("STOPPED", _RUNS),
    "SI": Meaning("SIGNALING", _RUNS),
    "SO": Meaning("STAGE_OUT", _RUNS),
    "RS": Meaning("RESIZING", _RUNS),
    "CD": Meaning("COMPLETED", _FINISHED),
    "F": Meaning("FAILED", _FAILED),
    "BF": Meaning("BOOT_FAIL", _FAILED, "a node failed to boot", Cause.NODE_FAILURE),
    "DL": Meaning("DEADLINE", _FAILED, "deadline reached", Cause.TIME_LIMIT),
    "NF": Meaning("NODE_FAIL", _FAILED, "node failure", Cause.NODE_FAILURE),
    "OOM": Meaning("OUT_OF_MEMORY", _FAILED, "out of memory", Cause.OUT_OF_MEMORY),
    "PR": Meaning("PREEMPTED", _FAILED, "preempted", Cause.PREEMPTED),
    "TO": Meaning("TIMEOUT", _FAILED, "time limit reached", Cause.TIME_LIMIT),
    "CA": Meaning("CANCELLED", _CANCELLED, "cancelled", Cause.BATCH_KILL),
}

_BY_WORD = {meaning.word: meaning for meaning in SLURM_STATES.values()}


def meaning_of(code: str) -> Meaning | None:
    """Return the meaning of a Slurm state, in its compact or its long form; None if this table does not know it."""
    word = code.strip().upper()
    return SLURM_STATES.get(word) or _BY_WORD.get(word)
