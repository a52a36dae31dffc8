"""Error codes in PanDA's own ranges, for what went wrong with jobs and workers.

Source: jobs have the codes of the pilot (1008, 1098 ... 1386), which the server, BigPandaMon and the retry rules know. A worker's code
becomes the supErrorCode of its jobs; those of the existing Harvester are 1000 and more, 42xx for what a local batch system does, and
56xx for a submission to Slurm.
"""
from __future__ import annotations

import re
from collections.abc import Mapping

from harvester_hpc.model.cause import FROM_OUTSIDE, Cause
from harvester_hpc.model.worker import Worker, WorkerState

GENERAL_ERROR, KILLED_BY_PANDA = 1008, 1144
UNKNOWN_PAYLOAD_FAILURE = 1220
#: A pilot that is ended says which signal it got; the batch system knows why.
SIGNALS = range(1200, 1209)

#: pilotErrorCode. What no pilot has a word for is its general error: "consult batch log".
OF_JOBS: Mapping[Cause, int] = {
    Cause.UNKNOWN: GENERAL_ERROR,
    Cause.DICTIONARY: 1110,       # failed during payload setup
    Cause.STAGE_IN: 1099,
    Cause.STAGE_OUT: 1137,
    Cause.TOO_LARGE: 1341,        # bad queue configuration: such jobs should not come here
    Cause.SUBMISSION: 1344,       # resource unavailable
    Cause.NOT_BEGUN: 1305,        # failed to execute payload
    Cause.PAYLOAD: UNKNOWN_PAYLOAD_FAILURE,
    Cause.MISSING_OUTPUT: 1165,
    Cause.EVENTS: 1224,           # event service: recoverable
    Cause.TIME_LIMIT: 1213,
    Cause.OUT_OF_MEMORY: 1212,
    Cause.NODE_FAILURE: GENERAL_ERROR,
    Cause.PREEMPTED: 1379,
    Cause.BATCH_KILL: 1200,       # ended by a signal from outside
    Cause.KILLED: KILLED_BY_PANDA,
    Cause.LOST: GENERAL_ERROR,
    Cause.WORKER: GENERAL_ERROR,
}
#: pilotErrorCode of a payload that a signal ended, by the words of its launcher.
BY_SIGNAL: Mapping[str, int] = {
    "SIGTERM": 1201, "SIGQUIT": 1202, "SIGSEGV": 1203, "SIGXCPU": 1204, "SIGBUS": 1206, "SIGUSR1": 1207, "SIGINT": 1208,
}
SIGNAL = re.compile(r"killed by signal (SIG[A-Z0-9]+)")

#: errorCode of workers. None is told of one that we ended ourselves: its jobs are not to be blamed for that.
OF_WORKERS: Mapping[Cause, int] = {
    Cause.TIME_LIMIT: 4215,
    Cause.OUT_OF_MEMORY: 4211,
    Cause.NODE_FAILURE: 4201,
    Cause.PREEMPTED: 1001,
    Cause.BATCH_KILL: 4219,
    Cause.LOST: 4245,
    Cause.WORKER: 4244,
    Cause.SUBMISSION: 5601,
}
UNKNOWN_WORKER_ERROR = 1000
NOT_WELL = frozenset({WorkerState.FAILED, WorkerState.CANCELLED, WorkerState.MISSED})


def pilot_code(cause: Cause, why: str, *, own: int, others: bool) -> int | None:
    """Return the pilotErrorCode of a job that did not end well; None to leave it as its worker has told it.

    Args:
        why: our words on it.
        own: the pilotErrorCode that its worker has told; 0 for none.
        others: its worker has told another code (transExitCode, exeErrorCode).

    What a pilot says of itself is more exact than what we can, but for the signal that ended it. Of a payload that failed by itself
    its own codes say enough, unless a signal did it.
    """
    if own and not (own in SIGNALS and cause in FROM_OUTSIDE):
        return None
    if cause in (Cause.PAYLOAD, Cause.UNKNOWN):
        found = SIGNAL.search(why)
        signal = BY_SIGNAL.get(found[1], SIGNALS[0]) if found else None
        return signal if signal is not None or others else OF_JOBS[cause]
    return OF_JOBS[cause]


def worker_code(worker: Worker) -> int | None:
    """Return the errorCode of a worker; None if it did not go wrong, or was ended by us."""
    if worker.state not in NOT_WELL or worker.kill or worker.cause is Cause.KILLED:
        return None
    return OF_WORKERS.get(worker.cause, UNKNOWN_WORKER_ERROR)
