"""What LSF tells of a batch job: its state, and the reason of its end.

Sources: bjobs and bacct of LSF 10.1 ("Termination reasons displayed by bacct, bhist and bjobs").
"""
from __future__ import annotations

from collections.abc import Mapping

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import WorkerState
from harvester_psij.states import Meaning

_WAITS, _RUNS = WorkerState.SUBMITTED, WorkerState.RUNNING
_FINISHED, _FAILED, _CANCELLED = WorkerState.FINISHED, WorkerState.FAILED, WorkerState.CANCELLED

LSF_STATES: Mapping[str, Meaning] = {
    "PEND": Meaning("PEND", _WAITS),
    "PSUSP": Meaning("PSUSP", _WAITS),    # held
    "WAIT": Meaning("WAIT", _WAITS),      # in a chunk
    "PROV": Meaning("PROV", _WAITS),      # a node is started for it
    "FWD_PEND": Meaning("FWD_PEND", _WAITS),
    "RUN": Meaning("RUN", _RUNS),
    "USUSP": Meaning("USUSP", _RUNS),
    "SSUSP": Meaning("SSUSP", _RUNS),
    "UNKWN": Meaning("UNKWN", _RUNS),     # LSF has lost sight of its node, which may come back
    "ZOMBI": Meaning("ZOMBI", _RUNS),     # killed while LSF did not see its node
    "DONE": Meaning("DONE", _FINISHED),
    "EXIT": Meaning("EXIT", _FAILED),
}

_KILLED = (_CANCELLED, "cancelled", Cause.BATCH_KILL)
#: {termination reason: state, why, cause}.
LSF_REASONS: Mapping[str, tuple[WorkerState, str, Cause]] = {
    "TERM_OWNER": _KILLED, "TERM_FORCE_OWNER": _KILLED, "TERM_ADMIN": _KILLED, "TERM_FORCE_ADMIN": _KILLED,
    "TERM_BUCKET_KILL": _KILLED,
    "TERM_EXTERNAL_SIGNAL": (_FAILED, "killed by a signal from outside the batch system", Cause.BATCH_KILL),
    "TERM_REQUEUE_OWNER": (_FAILED, "killed to be run again", Cause.BATCH_KILL),
    "TERM_REQUEUE_ADMIN": (_FAILED, "killed to be run again", Cause.BATCH_KILL),
    "TERM_RUNLIMIT": (_FAILED, "time limit reached", Cause.TIME_LIMIT),
    "TERM_CPULIMIT": (_FAILED, "CPU time limit reached", Cause.TIME_LIMIT),
    "TERM_MEMLIMIT": (_FAILED, "out of memory", Cause.OUT_OF_MEMORY),
    "TERM_SWAP": (_FAILED, "out of memory (swap)", Cause.OUT_OF_MEMORY),
    "TERM_DEADLINE": (_FAILED, "deadline reached", Cause.TIME_LIMIT),
    "TERM_WINDOW": (_FAILED, "the queue's run window closed", Cause.TIME_LIMIT),
    "TERM_PREEMPT": (_FAILED, "preempted", Cause.PREEMPTED),
    "TERM_LOAD": (_FAILED, "its node was overloaded", Cause.BATCH_KILL),
    "TERM_PROCESSLIMIT": (_FAILED, "more processes than it may have", Cause.BATCH_KILL),
    "TERM_THREADLIMIT": (_FAILED, "more threads than it may have", Cause.BATCH_KILL),
    "TERM_CWD_NOTEXIST": (_FAILED, "its folder does not exist on the node", Cause.NODE_FAILURE),
    "TERM_REMOVE_HUNG_JOB": (_FAILED, "removed as hung", Cause.BATCH_KILL),
    "TERM_ZOMBIE": (_FAILED, "node failure", Cause.NODE_FAILURE),
    "TERM_RC_RECLAIM": (_FAILED, "its node was reclaimed", Cause.PREEMPTED),
    "TERM_RMS": (_FAILED, "ended by the resource manager", Cause.BATCH_KILL),
    "TERM_ORPHAN_SYSTEM": _KILLED,
    "TERM_UNKNOWN": (_FAILED, "", Cause.UNKNOWN),
}


def lsf_meaning(state: str, reason: str) -> Meaning | None:
    """Return what a state means.

    Args:
        reason: text in which the termination reason of an ended batch job stands ("TERM_RUNLIMIT: job killed after ...").
    """
    meaning = LSF_STATES.get(state.strip().upper())
    if meaning is None or meaning.state is not _FAILED:
        return meaning
    for word, end in LSF_REASONS.items():
        if word in reason.replace(":", " ").split():
            return Meaning(meaning.word, *end)
    if "lost" in reason.lower() and "host" in reason.lower():
        return Meaning(meaning.word, _FAILED, "node failure", Cause.NODE_FAILURE)
    return meaning
