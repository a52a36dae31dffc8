"""When to stop waiting for a worker."""
from __future__ import annotations

import math

from harvester_hpc.model.queue import Queue
from harvester_hpc.model.worker import Worker, WorkerState

#: Seconds for which a worker may be unknown to the batch system before it is given up.
GONE_S = 900.0
#: The same after we have killed it: where the batch system keeps no history, that is how a kill looks.
KILLED_S = 120.0
#: Seconds for which the last letters of an ended worker may name files that are not visible yet.
FILES_S = 300.0
#: Seconds for which the letters of an ended worker are waited for while its file system does not answer.
OUTAGE_S = 24 * 3600.0


def reason_to_kill(worker: Worker, queue: Queue, now: float) -> str:
    """Return why the worker is to be killed by the limits of its queue; "" if it may go on.

    Args:
        worker: if it runs, with the newest heartbeat that its letters show: one that was stored before a pause of ours is no proof.
        queue: queue_time_limit_s (waiting), heartbeat_limit_s (silent while running); None: no limit.
        now: seconds since 1970.
    """
    if worker.kill:
        return ""
    waits_since = worker.submitted or worker.created
    if worker.state is WorkerState.SUBMITTED and queue.queue_time_limit_s is not None and now - waits_since > queue.queue_time_limit_s:
        return f"waited in the batch queue longer than {queue.queue_time_limit_s:.0f} s (workerQueueTimeLimit)"
    # A worker that was requeued and starts anew has the heartbeat of its earlier run.
    alive = max(worker.heartbeat or 0.0, worker.started or 0.0, worker.changed)
    if worker.state is WorkerState.RUNNING and queue.heartbeat_limit_s is not None and alive and now - alive > queue.heartbeat_limit_s:
        return f"gave no sign of life for more than {queue.heartbeat_limit_s:.0f} s (worker_heartbeat)"
    return ""


def next_look_s(worker: Worker, poll_s: float, now: float, shortest_s: float = 1.0) -> float:
    """Return in how many seconds to look at an unchanged worker again: soon after it is new, then every ``poll_s``.

    Args:
        shortest_s: seconds; how soon at the soonest.
    """
    age = now - (worker.submitted or worker.created)
    return min(poll_s, max(shortest_s, age / 4.0))


def together(now: float, pause_s: float) -> float:
    """Return a time about ``pause_s`` after ``now`` that others get too, so that one call to the batch system serves them all.

    Args:
        pause_s: seconds; the result lies within [0.5, 1.5] of it.

    Returns:
        Seconds since 1970: a multiple of the largest power of two that is not above ``pause_s``.
    """
    step = 2.0 ** math.floor(math.log2(max(pause_s, 2.0**-10)))
    return round((now + pause_s) / step) * step


def is_given_up(worker: Worker, now: float, patience_s: float = GONE_S) -> bool:
    """Tell whether the batch system has not known the worker for so long that it will not come back.

    One that gives signs of life runs, whatever the batch system has forgotten: it is waited for.
    """
    if worker.kill:
        patience_s = min(patience_s, KILLED_S)
    return worker.gone is not None and now - max(worker.gone, worker.heartbeat or 0.0) > patience_s


def letters_patience_s(error: OSError) -> float:
    """Return for how long after its end a worker's letters are waited for if they cannot be read because of ``error``, in seconds.

    A folder that forbids to be read is the trouble of one worker; anything else may be a file system that is away, which tells
    nothing about the jobs whose outputs lie there.
    """
    return FILES_S if isinstance(error, PermissionError | NotADirectoryError) else OUTAGE_S
