"""What one look at the batch system changes of a worker."""
from __future__ import annotations

from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import ENDS, Worker, WorkerState, WorkerStep
from harvester_hpc.ports.batch import Seen


def is_news(worker: Worker, seen: Seen) -> bool:
    """Tell whether the batch system says something new of a worker."""
    return (
        seen.state is not worker.state
        or (seen.native_status != "" and seen.native_status != worker.native_status)
        or (seen.batch_id not in ("", worker.batch_id))
        or worker.gone is not None
    )


def changed(worker: Worker, seen: Seen, due: float, now: float, *, ended: float | None = None) -> WorkerStep:
    """Return the step of a worker to what was seen of it.

    Args:
        due: when its next owner looks, seconds since 1970.
        now: seconds since 1970.
        ended: when it ended, if it has.
    """
    starts = seen.state is not WorkerState.SUBMITTED and (worker.started is None or worker.state is WorkerState.SUBMITTED)
    is_requeued = seen.state is WorkerState.SUBMITTED and worker.state is WorkerState.RUNNING
    return WorkerStep(
        worker_id=worker.id, before=worker.state, after=seen.state, due=due, batch_id=seen.batch_id or None,
        native_status=seen.native_status or None, node=seen.node or None, exit_code=seen.exit_code, why=seen.why or None,
        cause=seen.cause or None,
        submitted=now if is_requeued else None,  # it waits anew: the time limit of the queue begins again
        started=(seen.started or (seen.ended if seen.state in ENDS else None)) if starts else None, ended=ended,
    )


def lost(worker: Worker) -> Seen:
    """Return the end of a worker that left the batch system without a trace, long enough ago."""
    if worker.kill:  # where the batch system keeps no history, this is what a kill looks like
        return Seen(state=WorkerState.CANCELLED, native_status=worker.native_status, cause=Cause.KILLED, why=f"killed: {worker.kill}")
    return Seen(
        state=WorkerState.FAILED, native_status=worker.native_status, cause=Cause.LOST,
        why=f"left the batch system without a trace ({worker.why or 'no record of its end'})",
    )
