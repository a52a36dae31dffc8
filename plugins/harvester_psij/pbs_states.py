"""What PBS tells of a batch job: its letter, and, once it has ended, its exit status.

Sources: PBS Professional 2021.1 Reference Guide, "Job States" and "Job Exit Status Codes"; the names of exit statuses below 0 are
those of OpenPBS 20's job.h and of Torque 6.1's guide ("Job exit status").
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

_NO_START = "the batch system could not start it"
#: {exit status: why}. Of PBS; -10 to -12 mean other things in Torque.
PBS_STATUSES: Mapping[int, str] = {
    -1: _NO_START, -2: _NO_START, -3: _NO_START, -4: "a node was restarted", -5: "a node was restarted", -6: "a node was restarted",
    -7: _NO_START, -10: "the node does not know the user", -11: "to be run again", -12: _NO_START, -13: _NO_START,
    -16: "a hook of the site has refused it", -17: "a hook of the site has refused it", -18: "a hook of the site has ended it",
    -19: "a hook of the site has ended it", -20: "its first node was lost", -21: _NO_START, -22: "a hook of the site failed",
    -24: "more CPU use than it may have", -25: "more CPU use than it may have", -26: "out of memory (vmem)", -27: "out of memory",
    -28: "CPU time limit reached", -29: "time limit reached", -30: "its nodes could not be joined",
}
TORQUE_STATUSES: Mapping[int, str] = {
    -1: _NO_START, -2: _NO_START, -3: _NO_START, -4: "a node was restarted", -5: "a node was restarted", -6: "a node was restarted",
    -7: _NO_START, -8: _NO_START, -9: _NO_START, -10: "out of memory", -11: "time limit reached", -12: "CPU time limit reached",
    -13: _NO_START, -14: _NO_START,
}
#: Substates of PBS: deleted; failed.
TERMINATED, FAILED = 91, 93
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


def meaning_of_end(end: End, statuses: Mapping[int, str]) -> Meaning | None:
    """Return what an end means; None if it cannot be told."""
    if end.substate == TERMINATED:
        return Meaning("DELETED", _CANCELLED, "cancelled")
    if end.status is None:
        # It never ran, and nobody is told to have deleted it: older versions have no substate for that.
        return None if end.ran else Meaning("DELETED", _CANCELLED, "cancelled")
    if end.status < 0:
        return Meaning("FAILED", _FAILED, statuses.get(end.status, f"ended by the batch system ({end.status})"))
    if end.status > SIGNALS:
        signal = end.status - SIGNALS
        if end.over_time:
            return Meaning("FAILED", _FAILED, "time limit reached")
        # qdel sends TERM and then KILL; so do a node that runs out of memory and an administrator.
        return Meaning(f"KILLED BY SIGNAL {signal}", _CANCELLED if end.substate is None else _FAILED, f"ended by signal {signal}")
    if end.status == 0:
        return Meaning("FINISHED", _FINISHED)
    return Meaning("FAILED", _FAILED, "time limit reached" if end.over_time and end.status > 128 else "")
