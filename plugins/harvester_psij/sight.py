"""What is to be thought of a worker, from all that is known of it: a pure function."""
from __future__ import annotations

from harvester_hpc.messenger.values import Claim, Exit
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Seen, Sight, Unseen
from harvester_psij.rows import Row
from harvester_psij.states import ENDED, Meaning

#: Seconds that a worker with a bad exit code waits for the batch system's own account of its end (time limit, cancelled, ...).
WAIT_FOR_REASON_S = 60.0


def sight_of(
    worker: Worker, row: Row | None, claim: Claim | None, ended: Exit | None, now: float, *, may_requeue: bool = False
) -> Sight:
    """Return what is known of a worker.

    Args:
        row: the batch job that holds the claim (or the one we knew, if none does); None: neither queue nor accounting has it.
        claim: first letter of the batch job; None if there is none (yet).
        ended: last letter of the batch job; None if there is none (yet).
        now: seconds since 1970.
        may_requeue: the batch system may run it again, also after a bad exit code: only its own word is the end of it.
    """
    batch_id = claim.batch_id if claim and claim.batch_id != worker.batch_id else ""
    meaning = row.meaning if row else None
    if ended is not None and (ended.exit_code == 0 or row is None or meaning is None):
        return _by_exit(worker, row, claim, ended, batch_id)
    if row is None:
        return Unseen(why="the batch system does not know it (any more), and it left no exit status", gone=True)
    if meaning is None:
        return Unseen(why=f"the batch system is in a state that is not known here: {row.code}")
    if may_requeue and ended is not None and _may_be_requeued(meaning, ended, now):
        return Unseen(why=f"{meaning.word}, told to end a moment ago: it may be run again")
    if meaning.state in ENDED:
        return _by_end(worker, row, meaning, ended, batch_id)
    if row.accounted:
        # Accounting that never heard of the end: the queue, which knows better, has it no more.
        return Unseen(why=f"left the queue, while the accounting still has it as {meaning.word}", gone=True)
    # While a node cleans up, Slurm has one that it has requeued already as COMPLETING.
    if ended is not None and meaning.state is WorkerState.RUNNING and now - ended.ended > WAIT_FOR_REASON_S and not may_requeue:
        return _by_exit(worker, row, claim, ended, batch_id)
    return _alive(row, meaning, claim, batch_id)


def native_status(row: Row, meaning: Meaning) -> str:
    """Return the batch system's own word and reason, for the operator."""
    return f"{meaning.word} ({row.reason})" if row.reason else meaning.word


def _alive(row: Row, meaning: Meaning, claim: Claim | None, batch_id: str) -> Seen:
    runs = meaning.state is WorkerState.RUNNING
    return Seen(
        state=meaning.state,
        native_status=native_status(row, meaning),
        node=row.node or (claim.host if claim and runs else ""),
        batch_id=batch_id,
        started=row.started if runs else None,  # of a waiting one it is the expected start
    )


def _by_exit(worker: Worker, row: Row | None, claim: Claim | None, ended: Exit, batch_id: str) -> Seen:
    state, why, cause = WorkerState.FINISHED, "", Cause.UNKNOWN
    if ended.exit_code != 0:
        state, why, cause = WorkerState.FAILED, f"exit code {ended.exit_code}", Cause.WORKER
        if worker.kill:
            state, why, cause = WorkerState.CANCELLED, f"killed: {worker.kill}", Cause.KILLED
    meaning = row.meaning if row else None
    return Seen(
        state=state,
        native_status=native_status(row, meaning) if row and meaning else "",
        exit_code=ended.exit_code,
        node=(row.node if row else "") or (claim.host if claim else ""),
        batch_id=batch_id,
        why=why,
        cause=cause,
        started=(row.started if row else None) or (claim.started if claim else None) or None,
        ended=ended.ended or None,
    )


def _by_end(worker: Worker, row: Row, meaning: Meaning, ended: Exit | None, batch_id: str) -> Sight:
    if meaning.state is WorkerState.FINISHED and ended is None:
        # A shared file system may show the file later than the batch system tells of the end.
        return Unseen(why=f"{meaning.word} in the batch system, but its exit status has not shown up", gone=True)
    exit_code = ended.exit_code if ended else row.exit_code
    if not meaning.why and meaning.state is WorkerState.FAILED and ended is not None and ended.terminated:
        # Torque has no other word for one that was deleted, if its script ended in an orderly manner.
        meaning = Meaning(meaning.word, WorkerState.CANCELLED, "cancelled", cause=Cause.BATCH_KILL)
    if worker.kill and _may_be_our_kill(meaning):
        # Torque does not tell a batch job that was deleted from one whose script failed, if the script ends in an orderly manner.
        meaning = Meaning(meaning.word, WorkerState.CANCELLED, cause=Cause.KILLED)
    return Seen(
        state=WorkerState.FAILED if meaning.state is WorkerState.FINISHED else meaning.state,
        native_status=native_status(row, meaning),
        exit_code=exit_code,
        node=row.node,
        batch_id=batch_id,
        why=_why(worker, row, meaning, exit_code),
        cause=Cause.KILLED if worker.kill and meaning.state is WorkerState.CANCELLED else meaning.cause or Cause.WORKER,
        started=row.started,
        ended=row.ended or (ended.ended if ended else None),
    )


def _may_be_requeued(meaning: Meaning, ended: Exit, now: float) -> bool:
    """Tell whether it may be between two runs: Slurm has one that it requeues as FAILED for a moment."""
    return meaning.state is WorkerState.FAILED and not meaning.why and ended.terminated and now - ended.ended < WAIT_FOR_REASON_S


def _may_be_our_kill(meaning: Meaning) -> bool:
    return meaning.state is not WorkerState.CANCELLED and meaning.cause in (Cause.UNKNOWN, Cause.BATCH_KILL)


def _why(worker: Worker, row: Row, meaning: Meaning, exit_code: int | None) -> str:
    if meaning.state is WorkerState.CANCELLED:
        if worker.kill:
            return f"killed: {worker.kill}"
        if row.by:
            return f"cancelled by {row.by}"
        return "cancelled from outside" if meaning.why in ("", "cancelled") else meaning.why
    if meaning.why:
        return meaning.why
    if exit_code is not None:
        return f"exit code {exit_code}"
    return f"failed in the batch system ({row.reason})" if row.reason else "failed in the batch system"
