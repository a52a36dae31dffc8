"""What is to be thought of a worker that is a process of this machine."""
from __future__ import annotations

from dataclasses import replace

from harvester_hpc.messenger.values import Claim, Exit
from harvester_hpc.model.cause import Cause
from harvester_hpc.model.worker import Worker, WorkerState
from harvester_hpc.ports.batch import Seen, Sight, Unseen
from harvester_psij.letters import claim_of, exit_of
from harvester_psij.processes import process_of
from harvester_psij.sight import sight_of


def local_sight(worker: Worker) -> Sight:
    """Return what is known of a local worker: its exit code, else whether its process is there."""
    claim, ended = claim_of(worker.access_point), exit_of(worker.access_point)
    if ended is not None:
        return _by_exit(worker, claim, ended)
    process = process_of(claim.batch_id if claim else worker.batch_id)
    if process is None:
        return Unseen(why=f"'{worker.batch_id}' names no process", gone=True)
    if not process.is_here:
        return Unseen(why=f"it runs on {process.host}, which cannot be seen from here")
    moved = claim.batch_id if claim and claim.batch_id != worker.batch_id else ""
    if process.is_alive:
        return Seen(
            state=WorkerState.RUNNING if claim else WorkerState.SUBMITTED,
            native_status="running" if claim else "starting",
            node=process.host,
            batch_id=moved,
            started=claim.started if claim else None,
        )
    # It may have ended between our look at the letter and our look at the process.
    late = exit_of(worker.access_point)
    if late is not None:
        return _by_exit(worker, claim_of(worker.access_point), late)
    return Seen(
        state=WorkerState.CANCELLED if worker.kill else WorkerState.FAILED,
        native_status="gone",
        node=process.host,
        batch_id=moved,
        why=f"killed: {worker.kill}" if worker.kill else "its process is gone without an exit status",
        cause=Cause.KILLED if worker.kill else Cause.LOST,
        started=claim.started if claim else None,
    )


def _by_exit(worker: Worker, claim: Claim | None, ended: Exit) -> Sight:
    sight = sight_of(worker, None, claim, ended, ended.ended)
    # Without a word of its own it would go on being called "running".
    return replace(sight, native_status="ended") if isinstance(sight, Seen) else sight
