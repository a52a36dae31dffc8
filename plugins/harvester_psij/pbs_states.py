"""What PBS tells of a batch job: its letter, and, once it has ended, its exit status.

Sources: PBS Professional 2021.1 Reference Guide, "Job States" and "Job Exit Status Codes"; the names of exit statuses below 0 are
those of OpenPBS 20's job.h and of Torque 6.1's guide ("Job exit status").
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import WorkerState
from harvester_psij.states import Meaning

_WAITS, _RUNS = WorkerState.SUBMITTED, WorkerState.RUNNING
_FINISHED, _FAILED, _CANCELLED = WorkerState.FINISHED, WorkerState.FAILED, WorkerState.CANCELLED

#: {letter: meaning} of what has not ended, of PBS and of Torque.
PBS_ALIVE: Mapping[str, Meaning] = {
    "Q": Meaning("QUEUED", _WAITS),
    "H": Meaning("HELD", _WAITS),
    "W": Meaning("WAITING", _WAITS),       # for its time, or its files
    "T": Meaning("TRANSIT", _WAITS),       # on its way to another server
    "M": Meaning("MOVED", _WAITS),         # to another server
    "R": Meaning("RUNNING", _RUNS),
    "E": Meaning("EXITING", _RUNS),
    "S": Meaning("SUSPENDED", _RUNS),
    "U": Meaning("SUSPENDED", _RUNS),      # its workstation is busy
    "B": Meaning("BEGUN", _RUNS),          # job arrays
}
#: Letters of what has ended: PBS, subjobs of PBS, Torque.
PBS_ENDED = frozenset("FXC")

_NO_START = ("the batch system could not start it", Cause.NODE_FAILURE)
_NODE = ("a node was restarted", Cause.NODE_FAILURE)
_REFUSED, _ENDED = ("a hook of the site has refused it", Cause.BATCH_KILL), ("a hook of the site has ended it", Cause.BATCH_KILL)
_OVER_CPU, _MEMORY = ("more CPU use than it may have", Cause.BATCH_KILL), ("out of memory", Cause.OUT_OF_MEMORY)
_TIME, _CPU_TIME = ("time limit reached", Cause.TIME_LIMIT), ("CPU time limit reached", Cause.TIME_LIMIT)

Statuses = Mapping[int, tuple[str, Cause]]
#: {exit status: why, cause}. Of PBS; -10 to -12 mean other things in Torque.
PBS_STATUSES: Statuses = {
    -1: _NO_START, -2: _NO_START, -3: _NO_START, -4: _NODE, -5: _NODE, -6: _NODE, -7: _NO_START,
    -10: ("the node does not know the user", Cause.NODE_FAILURE), -11: ("to be run again", Cause.BATCH_KILL), -12: _NO_START,
    -13: _NO_START, -16: _REFUSED, -17: _REFUSED, -18: _ENDED, -19: _ENDED, -20: ("its first node was lost", Cause.NODE_FAILURE),
    -21: _NO_START, -22: ("a hook of the site failed", Cause.BATCH_KILL), -24: _OVER_CPU, -25: _OVER_CPU, -26: _MEMORY, -27: _MEMORY,
    -28: _CPU_TIME, -29: _TIME, -30: ("its nodes could not be joined", Cause.NODE_FAILURE),
}
TORQUE_STATUSES: Statuses = {
    -1: _NO_START, -2: _NO_START, -3: _NO_START, -4: _NODE, -5: _NODE, -6: _NODE, -7: _NO_START, -8: _NO_START, -9: _NO_START,
    -10: _MEMORY, -11: _TIME, -12: _CPU_TIME, -13: _NO_START, -14: _NO_START,
}
#: Substate of PBS: deleted.
TERMINATED = 91
#: Exit statuses from here on are signals. PBS adds 256 to the signal's number, some versions 128.
SIGNALS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a batch job has ended, as PBS tells it.

    Attributes:
        status: exit status; None if it has none.
        substate: 91 deleted, 92 finished, 93 failed; None if not told (Torque).
        ran: it has started.
        over_time: it has used up its walltime.
    """

    status: int | None
    substate: int | None = None
    ran: bool = True
    over_time: bool = False


DELETED = Meaning("DELETED", _CANCELLED, "cancelled", Cause.BATCH_KILL)
OVER_TIME = Meaning("FAILED", _FAILED, *_TIME)


def meaning_of_end(end: End, statuses: Statuses) -> Meaning | None:
    """Return what an end means; None if it cannot be told."""
    if end.substate == TERMINATED:
        return DELETED
    if end.status is None:
        # It never ran: deleted, though older versions have no substate for that.
        return None if end.ran else DELETED
    if end.status < 0:
        return Meaning("FAILED", _FAILED, *statuses.get(end.status, (f"ended by the batch system ({end.status})", Cause.BATCH_KILL)))
    if end.status == 0:
        return Meaning("FINISHED", _FINISHED)
    if end.over_time and end.status > 128:
        return OVER_TIME
    if end.status <= SIGNALS:
        return Meaning("FAILED", _FAILED)
    signal = end.status - SIGNALS
    # qdel sends TERM and then KILL; so do a node that runs out of memory and an administrator.
    state = _CANCELLED if end.substate is None else _FAILED
    return Meaning(f"KILLED BY SIGNAL {signal}", state, f"ended by signal {signal}", Cause.BATCH_KILL)
